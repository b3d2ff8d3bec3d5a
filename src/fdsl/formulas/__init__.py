"""The dataset families, one file each. Every `Family` defined in a module of this package is found by itself."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from fdsl.errors import InputError, check_choice
from fdsl.formulas.base import Family
from fdsl.formulas.exfractaldb import ExFractalDB, MVFractalDB
from fdsl.formulas.fractaldb import FractalDB
from fdsl.formulas.rcdb import RCDB

__all__ = ["RCDB", "ExFractalDB", "Family", "FractalDB", "MVFractalDB", "families", "family"]


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

    Raises:
        InputError: the family or a field is unknown, or a value is out of range.
    """
    by_lower = {known.lower(): known for known in _registry()}
    if name.lower() not in by_lower:
        check_choice("family", name, _registry())
    cls = _registry()[by_lower[name.lower()]]
    for field in values:
        check_choice(
            f"field of {cls.name}", field, [known.name for known in fields(cls) if known.name != "files"]
        )
    try:
        return cls(**values)
    except TypeError as error:
        raise InputError(f"{cls.name}: {error}") from error
