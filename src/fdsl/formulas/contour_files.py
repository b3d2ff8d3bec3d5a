"""Published files of radial contours: one category a file, a key and its value a row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple, Self

import numpy as np

from fdsl.errors import DataError, InputError, check_choice
from fdsl.formulas.contours import CANVAS, Columns
from fdsl.formulas.published import CategoryFiles, Row, check_columns, number, read_files, whole_number


class Key(NamedTuple):
    """What a key of a category file stands for."""

    parameter: str
    whole: bool
    low: int
    high: int


# in the order of the published files; the published programs' options reach beyond their defaults, and files may too
SHAPE = {
    "Vertex": Key("vertices", True, 3, 1000),
    "Perlin_noise": Key("noise", False, 0, 16),
    "line_width": Key("drift", False, 0, 1),
    "Center_rad": Key("radius", True, 0, CANVAS),
    "Line_num": Key("strokes", True, 1, 1000),
    "Oval_rate_x": Key("oval_x", False, 0, 10),
    "Oval_rate_y": Key("oval_y", False, 0, 10),
}
PLACE = {
    "start_pos_h": Key("centre_y", False, 0, CANVAS),
    "start_pos_w": Key("centre_x", False, 0, CANVAS),
}
CATEGORY_NUMBER, MASK_GRAY = "Category_num", "Color_Gray"
LAST_NUMBER = 254
"""Of a category in a mask: 0 is none, and 255 is what losses over masks leave out."""

KEYS = {
    "RCDB": {**SHAPE, **PLACE},
    "SegRCDB": {
        CATEGORY_NUMBER: Key("number", True, 1, LAST_NUMBER),
        **SHAPE,
        MASK_GRAY: Key("mask_gray", True, 1, LAST_NUMBER),
    },
}
"""By the family whose files have them."""


class Value(NamedTuple):
    """The value of a key, and its file and line for messages."""

    value: float
    place: str


@dataclass(frozen=True, eq=False, kw_only=True)
class ContourFiles(CategoryFiles):
    """The parameters of a folder of contour files.

    Attributes:
        columns: the parameters by name, int64 or float64 [C] each.
    """

    columns: Columns

    family: ClassVar[str]
    """Whose files they are: one of KEYS."""

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a folder; errors as `PublishedFamily.from_csv`."""
        names, categories = read_files(folder, lambda file, rows: _parse(cls.family, file, rows))
        cls.check(categories)
        columns = {
            key.parameter: np.array([values[name].value for values in categories])
            for name, key in KEYS[cls.family].items()
        }
        digest = hashlib.sha256(b"".join(column.tobytes() for column in columns.values())).hexdigest()
        return cls(names=names, sha256=digest, columns=columns)

    @classmethod
    def check(cls, categories: list[dict[str, Value]]) -> None:
        """Raise DataError if these are not the categories of one dataset."""

    @classmethod
    def rows(cls, columns: Columns) -> Iterator[list[tuple[str, object]]]:
        """Return the rows of each category's file."""
        keys = KEYS[cls.family].items()
        for k in range(len(columns["vertices"])):
            yield [(name, columns[key.parameter][k].item()) for name, key in keys]


class RCDBFiles(ContourFiles):
    """Files of RCDB: a contour, and the place of its first image."""

    family: ClassVar[str] = "RCDB"


class SegRCDBFiles(ContourFiles):
    """Files of SegRCDB: a contour, and its number in masks."""

    family: ClassVar[str] = "SegRCDB"

    @classmethod
    def check(cls, categories: list[dict[str, Value]]) -> None:
        for own, values in enumerate(categories, start=1):
            for name in (CATEGORY_NUMBER, MASK_GRAY):
                value, place = values[name]
                if value != own:
                    why = "masks number categories in the order of their files, without gaps"
                    raise DataError(f"{place}, {name} must be {own}, got {value}: {why}")


def _parse(family: str, file: Path, rows: list[Row]) -> dict[str, Value]:
    """Return the values of a category file by key."""
    keys, values = KEYS[family], {}
    for row in rows:
        check_columns(row, "a row", ("key", "value"))
        name, text = row.cells
        try:
            _, whole, low, high = keys[check_choice(f"{row.place}: key", name, keys)]
        except InputError as error:
            others = [other for other, theirs in KEYS.items() if name in theirs]
            raise DataError(f"{error}{', as in a file of ' if others else ''}{''.join(others)}") from error
        if name in values:
            raise DataError(f"{row.place}: key {name} comes twice; a category has each key once")
        value = (whole_number if whole else number)(f"{row.place}, {name}", text, low, high)
        values[name] = Value(value, row.place)
    if missing := [name for name in keys if name not in values]:
        raise DataError(f"{file}: key {' and '.join(missing)} must be there, a category has {len(keys)} keys")
    return values
