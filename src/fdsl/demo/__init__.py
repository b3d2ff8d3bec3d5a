"""The whole idea in one command: draw, pre-train, fine-tune beside training from scratch, report.

    config.py   what a demo is told
    run.py      the parts, one after the other, in a folder that is kept only if all goes well
    page.py     what the report shows of it

The config loads at once; what needs torch loads when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fdsl.demo.config import DemoConfig

if TYPE_CHECKING:
    from fdsl.demo.run import DemoResult, run_demo

__all__ = ["DemoConfig", "DemoResult", "run_demo"]


def __getattr__(name: str) -> Any:
    """Import what runs a demo at its first use."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("fdsl.demo.run"), name)
