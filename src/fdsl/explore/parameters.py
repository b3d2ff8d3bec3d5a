"""The controls of each family: its fields, and between what numbers they may be moved on the page.

A family knows what it can draw, its constructor refuses the rest; the page is narrower where a value would take seconds
a sheet, or a search of minutes. Both are checked on the server, whoever asks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from fdsl.errors import InputError, check_choice, check_float, check_int, did_you_mean
from fdsl.formulas import RCDB, Family, OnePFrac
from fdsl.formulas.base import MAX_CLASSES
from fdsl.formulas.contour_files import LAST_NUMBER
from fdsl.formulas.grid import MAX_SIDE
from fdsl.formulas.ifs import MapFamily
from fdsl.formulas.rcdb import REAL, WHOLE

NOT_SHOWN = ("classes", "files")
"""Fields that are no controls of a family's own: files would have the server read what a request names."""
SEARCHED_CLASSES, SEARCHED_DEFAULT = 100, 16
"""Of the families whose categories are searched for: a search of 100 takes seconds."""


class Span(NamedTuple):
    """Between what numbers a control moves, in what steps; whole numbers if the step is one."""

    low: float
    high: float
    step: float

    @property
    def whole(self) -> bool:
        """Whether all numbers are integers."""
        return isinstance(self.step, int)


SPANS: dict[str, Span] = {
    "points": Span(1_000, 200_000, 1_000),
    "least_fill": Span(0.0, 0.6, 0.02),
    "least_variance": Span(0.0, 0.08, 0.01),
    "weightings": Span(25, 145, 24),
    "views": Span(1, 360, 1),
    "axes": Span(1, 3, 1),
    "sigma": Span(3.3, 5.8, 0.1),
    "delta": Span(0.01, 0.5, 0.01),
    "contours": Span(1, 100, 1),
    "most_maps": Span(2, 7, 1),
    "most_objects": Span(1, 16, 1),
    "smallest": Span(0.05, 1.0, 0.05),
    "largest": Span(0.05, 1.0, 0.05),
    "blurred": Span(0.0, 1.0, 0.05),
}
REAL_STEPS = {"noise": 0.1, "drift": 0.01, "ovals": 0.1}


@dataclass(frozen=True, kw_only=True)
class Control:
    """What moves a field of a family, or one end of a range.

    Attributes:
        field: of the family.
        end: None, or 0 and 1 for the least and the most of a range.
        default: as published.
        span: of a number.
        choices: of a field that takes one of several words.
    """

    field: str
    end: int | None = None
    default: Any
    span: Span | None = None
    choices: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What the page calls it: the field as Python has it."""
        return self.field if self.end is None else f"{self.field}, {('least', 'most')[self.end]}"

    def read(self, value: object) -> Any:
        """Return `value` as the family takes it; InputError if the control could not show it."""
        if self.span is None:
            return check_choice(self.label, value, self.choices)
        if self.span.whole:
            return check_int(self.label, value, int(self.span.low), int(self.span.high))
        return check_float(self.label, value, self.span.low, self.span.high)


@lru_cache(maxsize=64)
def controls(cls: type[Family]) -> tuple[Control, ...]:
    """Return the controls of a family's own fields, in their order.

    Raises:
        InputError: this module does not know a field's range.
    """
    made: list[Control] = []
    for field in dataclasses.fields(cls):
        if field.name in NOT_SHOWN:
            continue
        if field.name == "variant":
            made.append(Control(field="variant", default=field.default, choices=cls.variants))
        elif issubclass(cls, RCDB) and field.name in WHOLE | REAL:
            low, high = (WHOLE | REAL)[field.name]
            span = Span(low, high, 1 if field.name in WHOLE else REAL_STEPS[field.name])
            ends = enumerate(field.default)  # type: ignore[arg-type]  # a range
            made.extend(Control(field=field.name, end=end, default=value, span=span) for end, value in ends)
        elif field.name in SPANS:
            made.append(Control(field=field.name, default=field.default, span=SPANS[field.name]))
        else:
            raise InputError(f"field {field.name} of {cls.name} must have a range in fdsl.explore.parameters")
    return tuple(made)


def options_of(cls: type[Family], values: Mapping[str, object]) -> dict[str, Any]:
    """Return the fields of a family that differ from the published ones, checked.

    Args:
        cls: the family's class.
        values: by field; ranges as two numbers.

    Raises:
        InputError: a field is none of the page's, or a value is beyond what the page draws.
    """
    groups: dict[str, list[Control]] = {}
    for control in controls(cls):
        groups.setdefault(control.field, []).append(control)
    for name in values:
        if name not in groups:
            shown = ", ".join(groups) or "none"
            near = did_you_mean(str(name), groups)
            raise InputError(f"field of {cls.name} must be one of {shown}, got {str(name)!r}{near}")
    read = {name: _read(groups[name], name, value) for name, value in values.items()}
    return {name: value for name, value in read.items() if value != _default(groups[name])}


def _read(group: list[Control], name: str, value: object) -> Any:
    if group[0].end is None:
        return group[0].read(value)
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InputError(f"{name} must be two numbers, the least and the most, got {value!r}")
    return tuple(control.read(end) for control, end in zip(group, value, strict=True))


def _default(group: list[Control]) -> Any:
    ends = tuple(control.default for control in group)
    return ends[0] if group[0].end is None else ends


def is_searched(cls: type[Family]) -> bool:
    """Whether a family's categories are searched for, which takes time."""
    return issubclass(cls, (MapFamily, OnePFrac))


def default_classes(cls: type[Family]) -> int:
    """Return how many categories a family has on the page at first."""
    return SEARCHED_DEFAULT if is_searched(cls) else published_classes(cls)


def published_classes(cls: type[Family]) -> int:
    """Return how many categories a family has when it is not told."""
    return next(int(field.default) for field in dataclasses.fields(cls) if field.name == "classes")  # type: ignore[arg-type]


def most_classes(cls: type[Family]) -> int:
    """Return how many categories a family may have on the page."""
    if is_searched(cls):
        return SEARCHED_CLASSES
    own = {"SegRCDB": LAST_NUMBER, "BezierCurveDB": MAX_SIDE**2, "PerlinNoiseDB": MAX_SIDE**2}
    return own.get(cls.name, MAX_CLASSES)
