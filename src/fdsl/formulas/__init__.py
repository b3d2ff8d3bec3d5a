"""The dataset families, one file each. Every `Family` defined in a module of this package is found by itself, but for
those that alter another."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from fdsl.errors import InputError, check_choice
from fdsl.formulas.altered import (
    Alteration,
    BrokenContours,
    FilledShapes,
    LineWidth,
    OutlineOnly,
    ScatteredPoints,
    altered_family,
)
from fdsl.formulas.base import Family
from fdsl.formulas.bezier_curve import BezierCurveDB
from fdsl.formulas.contractive import Contractive
from fdsl.formulas.exfractaldb import ExFractalDB, MVFractalDB
from fdsl.formulas.fractaldb import FractalDB
from fdsl.formulas.ofdb import OFDB2D, OFDB3D
from fdsl.formulas.one_p_frac import OnePFrac
from fdsl.formulas.perlin_noise import PerlinNoiseDB
from fdsl.formulas.published import PublishedFamily
from fdsl.formulas.rcdb import RCDB
from fdsl.formulas.seg_rcdb import SegRCDB
from fdsl.formulas.visual_atom import VisualAtom

__all__ = [
    "OFDB2D", "OFDB3D", "RCDB", "BezierCurveDB", "BrokenContours", "Contractive", "ExFractalDB", "Family",
    "FilledShapes", "FractalDB", "LineWidth", "MVFractalDB", "OnePFrac", "OutlineOnly", "PerlinNoiseDB",
    "ScatteredPoints", "SegRCDB", "VisualAtom", "altered_family", "families", "family",
]  # fmt: skip


@lru_cache(maxsize=1)
def _registry() -> dict[str, type[Family]]:
    found: dict[str, type[Family]] = {}
    for module in iter_modules(__path__):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            known = isinstance(value, type) and issubclass(value, Family) and hasattr(value, "name")
            if known and not issubclass(value, Alteration):
                found[value.name] = value
    return dict(sorted(found.items()))


def families() -> dict[str, type[Family]]:
    """Return every dataset family by name."""
    return dict(_registry())


def family_class(name: str) -> type[Family]:
    """Return the class of a family by name, upper or lower case; InputError if there is none."""
    by_lower = {known.lower(): known for known in _registry()}
    if str(name).lower() not in by_lower:
        check_choice("family", name, _registry())
    return _registry()[by_lower[str(name).lower()]]


def published_class(name: str) -> type[PublishedFamily]:
    """Return the class of a family whose categories have a published form; InputError if `name` is none."""
    cls = family_class(name)
    if not issubclass(cls, PublishedFamily):
        known = [known for known, other in _registry().items() if issubclass(other, PublishedFamily)]
        raise InputError(f"family must be one with category files, {', '.join(known)}, got {cls.name}")
    return cls


def family(name: str, **values: Any) -> Family:
    """Build a family by name, upper or lower case, with the given fields.

    Where a family's categories have a published form, `files` may name a folder of such files: see its `from_csv`.

    Raises:
        InputError: the family or a field is unknown, or a value is out of range.
        DataError: a category file is damaged.
    """
    cls = family_class(name)
    if issubclass(cls, PublishedFamily) and isinstance(folder := values.get("files"), (str, Path)):
        return cls.from_csv(folder, **{field: value for field, value in values.items() if field != "files"})
    return cls.build(**values)
