"""RCDB, the Radial Contour DataBase (Kataoka et al., CVPR 2022)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import DataError, InputError, check_choice
from fdsl.formulas.published import (
    CategoryFiles,
    PublishedFamily,
    Row,
    check_columns,
    number,
    read_files,
    whole_number,
)
from fdsl.geometry.radial import RadialStrokes
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

CANVAS = 512
MIN_VERTICES, MAX_VERTICES, MEAN_VERTICES = 3, 200, 100.0
MAX_STROKES = 200
SHIFT = 400

Columns = dict[str, NDArray[Any]]


class Key(NamedTuple):
    """What a key of a category file stands for."""

    parameter: str
    whole: bool
    low: int
    high: int


KEYS = {
    "Vertex": Key("vertices", True, MIN_VERTICES, 1000),
    "Perlin_noise": Key("noise", False, 0, 16),
    "line_width": Key("drift", False, 0, 1),
    "Center_rad": Key("radius", True, 0, CANVAS),
    "Line_num": Key("strokes", True, 1, 1000),
    "Oval_rate_x": Key("oval_x", False, 0, 10),
    "Oval_rate_y": Key("oval_y", False, 0, 10),
    "start_pos_h": Key("centre_y", False, 0, CANVAS),
    "start_pos_w": Key("centre_x", False, 0, CANVAS),
}
"""In the order of the published files. The published program's options reach beyond its defaults; files may too."""


@dataclass(frozen=True, eq=False, kw_only=True)
class ContourFiles(CategoryFiles):
    """The parameters of a folder of contour files.

    Attributes:
        columns: the parameters by name, int64 or float64 [C] each.
    """

    columns: Columns


def _vertices(word: NDArray[np.uint32]) -> NDArray[np.int64]:
    """floor(Exp(mean 100)) given 3 <= V <= 200: the inverse of the truncated distribution, so nothing is redrawn."""
    most, least = np.exp(-MIN_VERTICES / MEAN_VERTICES), np.exp(-(MAX_VERTICES + 1) / MEAN_VERTICES)
    length = -MEAN_VERTICES * np.log(uniform(word, least, most))
    return np.clip(np.floor(length).astype(np.int64), MIN_VERTICES, MAX_VERTICES)


def _placement(word: NDArray[np.uint32]) -> Columns:
    """Radius, oval rates and centre from five words, [..., 5]."""
    return {
        "radius": integer(word[..., 0], 0, 100),
        "oval_x": uniform(word[..., 1], 1, 2),
        "oval_y": uniform(word[..., 2], 1, 2),
        "centre_x": (CANVAS + integer(word[..., 3], -SHIFT, SHIFT)) / 2,
        "centre_y": (CANVAS + integer(word[..., 4], -SHIFT, SHIFT)) / 2,
    }


@dataclass(frozen=True, kw_only=True)
class RCDB(PublishedFamily):
    """Radial contours, gray lines on white, native canvas 512.

    A category file has a row a key: Vertex, Perlin_noise, line_width (a vertex's drift, no pen's width), Center_rad,
    Line_num, Oval_rate_x, Oval_rate_y, start_pos_h (the centre's y) and start_pos_w (its x). The first image of a
    category is what the authors' script draws from these numbers, but for noise and grays: they have the same
    distributions, and are this library's own random numbers.

    Attributes:
        variant: "released", the authors' script: radius, oval rates and centre are drawn anew for every instance but
            the first, which uses those drawn with the category; "paper": radius and oval rates belong to the category
            and only the centre varies.
        files: categories read from published files instead of drawn ones: see `from_csv`.
    """

    variant: str = "released"
    files: ContourFiles | None = field(default=None, repr=False)

    form: ClassVar[type[CategoryFiles]] = ContourFiles
    name: ClassVar[str] = "RCDB"
    source: ClassVar[str] = "Kataoka et al., CVPR 2022, https://arxiv.org/abs/2206.09132"
    variants: ClassVar[tuple[str, ...]] = ("released", "paper")
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask", "contour")
    background: ClassVar[int] = 255

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, self.variants)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return V, L, noise c, drift w, and the radius, oval rates and centre that are drawn with the category."""
        self._identity(seed, [k], 0)
        return {name: column[0].item() for name, column in self._columns(seed, np.array([k])).items()}

    def definition(self) -> dict[str, Any]:
        values = super().definition()
        if self.files is None:  # as before there were files: digests that runs have kept still hold
            del values["files"]
        return values

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        k, i = self._identity(seed, categories, instances)
        column = self._columns(seed, k)
        own = _placement(words(seed, self.stream, k, i, Purpose.INSTANCE, 5))
        if self.variant == "paper":
            own = {name: values for name, values in own.items() if name.startswith("centre")}
            first = np.zeros(len(i), bool)
        else:
            first = i == 0
        column |= {name: np.where(first, column[name], values) for name, values in own.items()}
        return RadialStrokes(
            address=self._address(seed, k, i),
            vertices=column["vertices"].astype(np.int32),
            strokes=column["strokes"].astype(np.int32),
            start=np.stack(
                [column["radius"] * column["oval_x"], column["radius"] * column["oval_y"]], axis=1
            ).astype(np.float32),
            centre=np.stack([column["centre_x"], column["centre_y"]], axis=1).astype(np.float32),
            gain=(2 * column["noise"]).astype(np.float32),
            offset=(-column["noise"] - column["drift"]).astype(np.float32),
        )

    def _columns(self, seed: int, k: NDArray[np.int64]) -> Columns:
        """Return the parameters of categories `k`, a row each."""
        if self.files is not None:
            return {name: values[k] for name, values in self.files.columns.items()}
        return _categories(self.stream, seed, k)

    @classmethod
    def _read(cls, folder: Path) -> ContourFiles:
        names, categories = read_files(folder, _parse)
        columns = {
            key.parameter: np.array([values[name] for values in categories]) for name, key in KEYS.items()
        }
        digest = hashlib.sha256(b"".join(column.tobytes() for column in columns.values())).hexdigest()
        return ContourFiles(names=names, sha256=digest, columns=columns)

    def _rows(self, seed: int) -> Iterator[list[tuple[str, object]]]:
        columns = self._columns(seed, np.arange(self.classes))
        for k in range(self.classes):
            yield [(name, columns[key.parameter][k].item()) for name, key in KEYS.items()]


def _categories(stream: str, seed: int, k: NDArray[np.int64]) -> Columns:
    """Return the parameters of categories `k`, a row each."""
    word = words(seed, stream, k, np.array(NO_INSTANCE), Purpose.CATEGORY, 9)
    return {
        "vertices": _vertices(word[:, 0]),
        "strokes": integer(word[:, 1], 1, MAX_STROKES),
        "noise": uniform(word[:, 2], 0, 4),
        "drift": uniform(word[:, 3], 0, 0.1),
        **_placement(word[:, 4:9]),
    }


def _parse(file: Path, rows: list[Row]) -> dict[str, float]:
    """Return the values of a category file by key."""
    values: dict[str, float] = {}
    for row in rows:
        check_columns(row, "a row", ("key", "value"))
        name, text = row.cells
        try:
            low, high = KEYS[check_choice(f"{row.place}: key", name, KEYS)][2:]
        except InputError as error:
            raise DataError(str(error)) from error
        if name in values:
            raise DataError(f"{row.place}: key {name} comes twice; a category has each key once")
        read = whole_number if KEYS[name].whole else number
        values[name] = read(f"{row.place}, {name}", text, low, high)
    if missing := [name for name in KEYS if name not in values]:
        raise DataError(f"{file}: key {' and '.join(missing)} must be there, a category has {len(KEYS)} keys")
    return values
