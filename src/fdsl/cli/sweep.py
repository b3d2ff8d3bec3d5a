"""`fdsl sweep`: vary one parameter of the formulas; pre-train, fine-tune and probe at each of its values."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse

ABOUT = (
    "Vary one parameter of the formulas; pre-train, fine-tune and probe at each of its values. The sweeps:"
)


def run(argv: list[str]) -> None:
    """Parse `argv` into a `SweepConfig` and run it."""
    require("sweep", "train", "report")
    from fdsl.sweep import SweepConfig, run_sweep
    from fdsl.sweep.sweeps import listed

    run_sweep(parse(SweepConfig, "sweep", argv, about=f"{ABOUT}\n\n{listed()}"))
