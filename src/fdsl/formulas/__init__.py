"""The dataset families, one file each. Every `Family` defined in a module of this package is found by itself."""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

from fdsl.errors import check_choice
from fdsl.formulas.base import Family
from fdsl.formulas.contractive import Contractive
from fdsl.formulas.exfractaldb import ExFractalDB, MVFractalDB
from fdsl.formulas.fractaldb import FractalDB
from fdsl.formulas.ifs import MapFamily
from fdsl.formulas.ofdb import OFDB2D, OFDB3D
from fdsl.formulas.one_p_frac import OnePFrac
from fdsl.formulas.rcdb import RCDB
from fdsl.formulas.visual_atom import VisualAtom

__all__ = [
    "OFDB2D", "OFDB3D", "RCDB", "Contractive", "ExFractalDB", "Family", "FractalDB", "MVFractalDB", "OnePFrac",
    "VisualAtom", "families", "family",
]  # fmt: skip


@lru_cache(maxsize=1)
def _registry() -> dict[str, type[Family]]:
    found: dict[str, type[Family]] = {}
    for module in iter_modules(__path__):
        for value in vars(import_module(f"{__name__}.{module.name}")).values():
            if isinstance(value, type) and issubclass(value, Family) and hasattr(value, "name"):
                found[value.name] = value
    return dict(sorted(found.items()))


def families() -> dict[str, type[Family]]:
    """Return every dataset family by name."""
    return dict(_registry())


def family(name: str, **values: Any) -> Family:
    """Build a family by name, upper or lower case, with the given fields.

    For the families of maps, `files` may name a folder of published category files: see their `from_csv`.

    Raises:
        InputError: the family or a field is unknown, or a value is out of range.
        DataError: a category file is damaged.
    """
    by_lower = {known.lower(): known for known in _registry()}
    if str(name).lower() not in by_lower:
        check_choice("family", name, _registry())
    cls = _registry()[by_lower[str(name).lower()]]
    if issubclass(cls, MapFamily) and isinstance(folder := values.get("files"), (str, Path)):
        return cls.from_csv(folder, **{field: value for field, value in values.items() if field != "files"})
    return cls.build(**values)
