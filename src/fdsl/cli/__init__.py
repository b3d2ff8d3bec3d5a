"""The `fdsl` command: one small module a subcommand, tyro on the configs that the functions take."""

from fdsl.cli.app import main

__all__ = ["main"]
