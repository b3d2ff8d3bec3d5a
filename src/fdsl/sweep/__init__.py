"""Does a task with more parameters make better features? One parameter of the formulas swept, one table, one plot.

    sweeps.py    the named sweeps: what is varied, and the points it takes
    config.py    what a sweep is told
    parts.py     one training or probe: done, to be continued, or to be started
    run.py       all of them, one after the other, in a folder that the same command goes on with
    results.py   the numbers as JSON, CSV, Markdown and a table on the screen
    plot.py      the picture

The config loads at once; what needs torch loads when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fdsl.sweep.config import SweepConfig

if TYPE_CHECKING:
    from fdsl.sweep.results import SweepResult
    from fdsl.sweep.run import run_sweep

__all__ = ["SweepConfig", "SweepResult", "run_sweep"]

_HOMES = {"SweepResult": "results", "run_sweep": "run"}


def __getattr__(name: str) -> Any:
    """Import what runs a sweep at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
