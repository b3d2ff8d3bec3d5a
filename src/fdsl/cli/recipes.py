"""`fdsl recipes`: what can be run by name."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.errors import InputError
from fdsl.files import write_text

if TYPE_CHECKING:
    from fdsl.train.recipes import Recipe

WIDTH = 80

PREAMBLE = """# Recipes

<!-- made by: make docs -->

`fdsl pretrain RECIPE --out FOLDER` and `fdsl finetune RECIPE --out FOLDER` run one. Every field can be given another
value as an option, or in a YAML file: `--config FILE`. `fdsl recipes` prints this list, `fdsl recipes NAME` one of them
with every field, as such a file. A run keeps its fields in run.json, and `--config FOLDER/run.json --out ANOTHER`
does it again."""


@dataclass(frozen=True, kw_only=True)
class RecipesConfig:
    """List the recipes of pretrain and finetune; with a NAME, print one with every field, as a file for --config.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """A recipe: its source, cost and results, and its fields as YAML."""
    markdown: Path | None = None
    """File to write the list to, as Markdown."""

    def __post_init__(self) -> None:
        if self.markdown is not None and (self.markdown.suffix != ".md" or self.markdown.is_dir()):
            raise InputError(f"markdown must be a file that ends in .md, got {str(self.markdown)!r}")
        if self.markdown is not None and self.name is not None:
            raise InputError(f"markdown takes no NAME, got {self.name!r}: the page shows all recipes")


def run(argv: list[str]) -> None:
    """Parse `argv` into a `RecipesConfig`, and print or write what it asks for."""
    require("recipes", "train")
    config = parse(RecipesConfig, "recipes", argv)
    from fdsl.train.recipes import RECIPES, find_recipe

    if config.name is not None:
        print(as_file(find_recipe(config.name)), end="")
    elif config.markdown is not None:
        write_text(config.markdown, page())
        print(f"{config.markdown}: {len(RECIPES)} recipes")
    else:
        for recipes in _grouped():
            print("\n".join(_in_short(recipes)))
        print("\nfdsl recipes NAME says all about one; fdsl pretrain NAME, finetune NAME run it.")


def as_file(recipe: Recipe) -> str:
    """Return a recipe as YAML: what it says of itself as comments, then its fields."""
    import yaml

    left = ", ".join(f"--{name}" for name in recipe.open)
    about = [f"fdsl {recipe.kind} {recipe.name}: {recipe.summary}", ""]
    about += [f"{section}: {text}" for section, text in recipe.sections.items()]
    about += ["", f"Left open: {left}."]
    comments = [line for part in about for line in (_wrapped(part, WIDTH - 2) or [""])]
    config, names = recipe.config.to_json(), recipe.fields()
    fields = yaml.safe_dump({name: config[name] for name in names}, sort_keys=False, default_flow_style=None)
    return "".join(f"# {line}".rstrip() + "\n" for line in comments) + fields


def page() -> str:
    """Return the list of all recipes as Markdown."""
    parts = [PREAMBLE]
    for recipes in _grouped():
        first = recipes[0]
        parts.append(f"## {', '.join(recipe.name for recipe in recipes)}")
        parts.append(f"`fdsl {first.kind}`. {first.summary}")
        parts.append("\n".join(f"- **{name}**: {text}" for name, text in first.sections.items()))
    return "\n\n".join(parts) + "\n"


def _grouped() -> Iterator[list[Recipe]]:
    """Yield the recipes of each function."""
    from fdsl.train.recipes import RECIPES

    for _, recipes in groupby(RECIPES.values(), key=lambda recipe: recipe.function):
        yield list(recipes)


def _in_short(recipes: list[Recipe]) -> Iterator[str]:
    """Say what the recipes of one function are: names, command and first sentence, cost in its first sentence."""
    first = recipes[0]
    yield "  ".join(recipe.name for recipe in recipes)
    cost = first.sections["Cost"].split(". ")[0].rstrip(".")
    width = min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)
    for heading, text in ((first.kind, first.summary), ("cost", cost)):
        yield from _wrapped(f"{heading:<10}{text}", width, first="  ", rest=" " * 12)


def _wrapped(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        width,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )
