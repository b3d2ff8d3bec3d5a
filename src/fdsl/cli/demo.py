"""`fdsl demo`: draw, pre-train, fine-tune, compare with training from scratch, and write a report."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse


def run(argv: list[str]) -> None:
    """Parse `argv` into a `DemoConfig` and run it."""
    require("demo", "train", "report")
    from fdsl.demo import DemoConfig, run_demo

    run_demo(parse(DemoConfig, "demo", argv))
