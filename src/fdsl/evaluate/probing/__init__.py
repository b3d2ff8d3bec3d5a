"""What frozen features are worth: how often simple classifiers on them are right, how sure they are, how they err.

config.py       what a probe is told
features.py     what the frozen weights make of images
classifiers.py  the linear classifier and the nearest neighbours
changes.py      the test images as edges alone, blurred, and cut in patches that change places
calibration.py  whether they are right as often as they are sure
scores.py       the numbers of one classifier with their spread
measuring.py    the images, and what the classifiers say of them
result.py       what a probe came to, as JSON and as a table
pictures.py     the pictures
probing.py      one probe from weights to files

`ProbeConfig` loads at once; what needs torch and Matplotlib when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fdsl.evaluate.probing.config import ProbeConfig

if TYPE_CHECKING:
    from fdsl.evaluate.probing.probing import probe
    from fdsl.evaluate.probing.result import ProbeResult

__all__ = ["ProbeConfig", "ProbeResult", "probe"]

_HOMES = {"ProbeResult": "result", "probe": "probing"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
