"""The named sweeps: what is varied, from what to what.

Kataoka et al., CVPR 2022, hold that contours are what matters (their first hypothesis: `contours`) and that a task with
more parameters makes better features (the second: all others). A range is given as LOW-HIGH: every category draws its
own number from it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from fdsl.errors import InputError, check_choice, check_int

MOST_CLASSES = 1_000_000
AS_IS = "as-is"
_RANGE = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")
_ALTERATION = re.compile(r"[a-z]+=\d+")


@dataclass(frozen=True, kw_only=True)
class Point:
    """One setting of a sweep."""

    name: str
    """Its value as text, and its folder's name."""
    fields: dict[str, Any]
    """The fields of `PretrainConfig` that make it."""
    x: float | None = None
    """Its place on a logarithmic axis; None has the points stand side by side."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """A named sweep."""

    name: str
    summary: str
    """What is varied, in a line."""
    axis: str
    """What its values are, with their unit."""
    values: tuple[str, ...]
    """The points it takes unless told others."""
    point: Callable[[str], Point]
    """Makes a point of a value; InputError if it is none."""

    def points(self, values: Sequence[str] | None = None) -> tuple[Point, ...]:
        """Return the points of `values`, or the sweep's own.

        Raises:
            InputError: there is none, one is not of the right form, or one comes twice.
        """
        points = tuple(self.point(text) for text in (self.values if values is None else values))
        if not points:
            raise InputError(f"values must be one at least, got none: {', '.join(self.values)}, say")
        names = [point.name for point in points]
        for number, name in enumerate(names):
            if name in names[:number]:
                raise InputError(f"values must differ, got {name} twice")
        return points


def _classes(text: str) -> Point:
    try:
        number: object = int(text)
    except ValueError:
        number = text
    classes = check_int("values of classes", number, 2, MOST_CLASSES)
    return Point(name=str(classes), fields={"classes": classes}, x=float(classes))


def _range(field: str, whole: bool, text: str) -> Point:
    """Read LOW-HIGH; how far it may reach is the family's to say."""
    kind = "whole numbers" if whole else "numbers"
    match = _RANGE.fullmatch(text)
    if not match or (whole and "." in text):
        raise InputError(f"values of {field} must be ranges LOW-HIGH of {kind}, got {text!r}")
    low, high = (float(end) for end in match.groups())
    if low > high:
        raise InputError(f"values of {field} must be ranges LOW-HIGH, got {text}: it ends before it begins")
    if whole:
        low, high = int(low), int(high)
    name = f"{low:.15g}-{high:.15g}"
    return Point(name=name, fields={"options": (f"{field}=[{low},{high}]",)})


_SYSTEMS: dict[str, dict[str, Any]] = {
    "FractalDB": {"family": "FractalDB", "options": ("variant=point_gray",)},
    "ExFractalDB": {"family": "ExFractalDB"},
}


def _system(text: str) -> Point:
    by_lower = {name.lower(): name for name in _SYSTEMS}
    name = by_lower.get(text.lower()) or check_choice("values of dimensions", text, _SYSTEMS)
    return Point(name=name, fields=dict(_SYSTEMS[name]))


def _alteration(text: str) -> Point:
    """Read the word for no alteration, or one as KIND=STRENGTH; which there are is the drawing's to say."""
    if text == AS_IS:
        return Point(name=AS_IS, fields={})
    if not _ALTERATION.fullmatch(text):
        raise InputError(f"values of contours must be {AS_IS} or alterations KIND=STRENGTH, got {text!r}")
    kind, _, strength = text.partition("=")
    name = f"{kind}={int(strength)}"  # 020 is 20
    return Point(name=name, fields={"alter": (name,)})


def _ranges(field: str, what: str, *values: str, whole: bool = False) -> Sweep:
    return Sweep(
        name=field,
        summary=f"{what}, from narrow to wide",
        axis=what,
        values=values,
        point=partial(_range, field, whole),
    )


SWEEPS: dict[str, Sweep] = {
    sweep.name: sweep
    for sweep in (
        Sweep(
            name="classes",
            summary="categories of RCDB, with as many images in all",
            axis="categories",
            values=("10", "100", "1000", "10000", "50000"),
            point=_classes,
        ),
        _ranges("vertices", "vertices of RCDB's polygons", "3-12", "3-25", "3-50", "3-100", "3-200", whole=True),
        _ranges("strokes", "polygons in an image of RCDB", "1-12", "1-25", "1-50", "1-100", "1-200", whole=True),
        _ranges("noise", "noise of RCDB's contours", "0-0", "0-1", "0-2", "0-4", "0-8"),
        _ranges("radius", "radius of the first polygon, pixels of 512", "0-25", "0-50", "0-100", "0-200", whole=True),
        _ranges("ovals", "resizing factor of RCDB's contours", "1-1", "1-1.5", "1-2", "1-4"),
        Sweep(
            name="dimensions",
            summary="maps of the plane against maps of space: 6 parameters a map, or 12",
            axis="6 or 12 parameters a map",
            values=tuple(_SYSTEMS),
            point=_system,
        ),
        Sweep(
            name="contours",
            summary="RCDB as it is, and with its contours altered",
            axis="contours",
            values=(AS_IS, "broken=20", "scattered=4", "filled=0", "outline=1", "width=3"),
            point=_alteration,
        ),
    )
}  # fmt: skip


def listed() -> str:
    """Return the sweeps, a line each, indented, with the values they take."""
    width = max(map(len, SWEEPS))
    return "\n".join(f"  {s.name:<{width}}  {s.summary}: {' '.join(s.values)}" for s in SWEEPS.values())
