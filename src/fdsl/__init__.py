"""Formula-driven supervised learning: labelled images drawn from formulas, and models pre-trained on them.

Importing this package is quick: what needs numba or torch is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fdsl.errors import DataError, FdslError, InputError

if TYPE_CHECKING:
    from fdsl.data.augment import Augmentation
    from fdsl.data.dataset import FormulaDataset
    from fdsl.data.export.config import ExportConfig
    from fdsl.data.export.exporting import export_dataset
    from fdsl.data.loader import Loader
    from fdsl.data.palette import export_masks
    from fdsl.evaluate.sheet import contact_sheet
    from fdsl.formulas import (
        OFDB2D,
        OFDB3D,
        RCDB,
        BezierCurveDB,
        BrokenContours,
        Contractive,
        ExFractalDB,
        FilledShapes,
        FractalDB,
        LineWidth,
        MultiFractal,
        MVFractalDB,
        OnePFrac,
        OutlineOnly,
        PerlinNoiseDB,
        ScatteredPoints,
        SegRCDB,
        VisualAtom,
        families,
        family,
    )
    from fdsl.render import Renderer
    from fdsl.render.cuda.renderer import CudaRenderer

__version__ = "0.1.0"

__all__ = [
    "OFDB2D",
    "OFDB3D",
    "RCDB",
    "Augmentation",
    "BezierCurveDB",
    "BrokenContours",
    "Contractive",
    "CudaRenderer",
    "DataError",
    "ExFractalDB",
    "ExportConfig",
    "FdslError",
    "FilledShapes",
    "FormulaDataset",
    "FractalDB",
    "InputError",
    "LineWidth",
    "Loader",
    "MVFractalDB",
    "MultiFractal",
    "OnePFrac",
    "OutlineOnly",
    "PerlinNoiseDB",
    "Renderer",
    "ScatteredPoints",
    "SegRCDB",
    "VisualAtom",
    "__version__",
    "contact_sheet",
    "export_dataset",
    "export_masks",
    "families",
    "family",
]

_LAZY = {
    "Augmentation": "fdsl.data.augment",
    "BrokenContours": "fdsl.formulas",
    "BezierCurveDB": "fdsl.formulas",
    "Contractive": "fdsl.formulas",
    "CudaRenderer": "fdsl.render.cuda.renderer",
    "OFDB2D": "fdsl.formulas",
    "OFDB3D": "fdsl.formulas",
    "RCDB": "fdsl.formulas",
    "ExFractalDB": "fdsl.formulas",
    "ExportConfig": "fdsl.data.export.config",
    "FilledShapes": "fdsl.formulas",
    "FormulaDataset": "fdsl.data.dataset",
    "FractalDB": "fdsl.formulas",
    "LineWidth": "fdsl.formulas",
    "Loader": "fdsl.data.loader",
    "MVFractalDB": "fdsl.formulas",
    "MultiFractal": "fdsl.formulas",
    "OnePFrac": "fdsl.formulas",
    "OutlineOnly": "fdsl.formulas",
    "PerlinNoiseDB": "fdsl.formulas",
    "Renderer": "fdsl.render",
    "SegRCDB": "fdsl.formulas",
    "ScatteredPoints": "fdsl.formulas",
    "VisualAtom": "fdsl.formulas",
    "contact_sheet": "fdsl.evaluate.sheet",
    "export_dataset": "fdsl.data.export.exporting",
    "export_masks": "fdsl.data.palette",
    "families": "fdsl.formulas",
    "family": "fdsl.formulas",
}


def __getattr__(name: str) -> Any:
    """Import a public name at its first use (PEP 562) and keep it."""
    if name not in _LAZY:
        raise AttributeError(f"module 'fdsl' has no attribute {name!r}")
    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
