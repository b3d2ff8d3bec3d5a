"""SegRCDB (Shinoda et al., ICCV 2023): images full of radial contours, and masks that name their categories."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice, check_int
from fdsl.formulas.contour_files import LAST_NUMBER, SegRCDBFiles
from fdsl.formulas.contours import CANVAS, Columns, centres, contour_table, few_vertices
from fdsl.formulas.published import CategoryFiles, PublishedFamily
from fdsl.geometry.radial import MAX_OBJECTS, RadialStrokes
from fdsl.random import NO_INSTANCE, Purpose, integer, stream_word, uniform, words

MIN_VERTICES, MAX_VERTICES = 3, 500
MAX_STROKES = 50
MAX_RADIUS = 50
SHAPES = {"M1": "strokes", "M2": "ring", "M3": "fill"}
"""What a mask shows of a contour, by variant."""
NUMBERS = ("number", "mask_gray")
"""What files say besides the parameters: a category's own number, both of them."""


@dataclass(frozen=True, kw_only=True)
class SegRCDB(PublishedFamily):
    """Images full of radial contours, gray lines on black, native canvas 512, with masks that name their categories.

    The last contour of an image, which none covers, is of the image's own category; the others are of categories at
    random, all equally likely. So a label names something to be seen, and over all images every category is as
    frequent as any other, as in the authors' images, whose contours are all drawn at random; with more classes the
    others are others. A mask's gray is the
    number of a category, its index + 1, and 0 where there is no contour.

    Two things are as in the authors' program. The hole in a contour's ring (M2) is cut into the mask whatever lies
    there, so that earlier contours are missing in it; and a contour of a single stroke has no ring. In M3 the last
    stroke is drawn too: that program fills its polygon, and leaves out pixels of the stroke that lie half outside.

    A category file has a row a key: Category_num, Vertex, Perlin_noise, line_width (a vertex's drift, no pen's width),
    Center_rad, Line_num, Oval_rate_x, Oval_rate_y, Color_Gray (the gray in masks). Category_num and Color_Gray are the
    file's place in the order of names, from 1 on.

    Attributes:
        classes: number of categories, 254 at most: a mask has a gray for each, beside 0 for none and 255, which losses
            over masks leave out.
        variant: what masks show, the images being the same: "M1", the strokes; "M2", the ring between the last stroke
            and the first; "M3", what lies within the last stroke.
        contours: contours an image, 1 to 254.
        files: categories read from published files instead of drawn ones: see `from_csv`.
    """

    classes: int = LAST_NUMBER
    variant: str = "M1"
    contours: int = 32
    files: SegRCDBFiles | None = field(default=None, repr=False)

    form: ClassVar[type[CategoryFiles]] = SegRCDBFiles
    first_file: ClassVar[int] = 1
    name: ClassVar[str] = "SegRCDB"
    source: ClassVar[str] = "Shinoda et al., ICCV 2023, https://arxiv.org/abs/2309.17083"
    variants: ClassVar[tuple[str, ...]] = tuple(SHAPES)
    native_size: ClassVar[int] = CANVAS
    background: ClassVar[int] = 0
    labels: ClassVar[tuple[str, ...]] = ("box", "mask", "contour")
    target: ClassVar[str] = "mask"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, SHAPES)
        check_int("contours", self.contours, 1, MAX_OBJECTS)
        if self.classes > LAST_NUMBER:
            why = "a mask's gray is a category's number"
            raise InputError(f"classes must be in 2..{LAST_NUMBER}, got {self.classes}: {why}")

    @property
    def objects(self) -> int:  # type: ignore[override]  # a field decides
        """Contours an image."""
        return self.contours

    @property
    def most_vertices(self) -> int:  # type: ignore[override]  # files may have more
        return MAX_VERTICES if self.files is None else int(self.files.columns["vertices"].max())

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return V, L, noise c, drift w, radius and oval rates."""
        self._identity(seed, [k], 0)
        return {name: column[k].item() for name, column in self._columns(seed).items()}

    def contents(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.int64]:
        k, i = self._identity(seed, categories, instances)
        drawn = words(seed, self.stream, k, i, Purpose.CONTENT, self.contours)
        held_NO = integer(drawn, 0, self.classes - 1)
        held_NO[:, -1] = k
        return held_NO

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        k, i = self._identity(seed, categories, instances)
        held_R = self.contents(seed, k, i).reshape(-1)
        place = words(seed, self.stream, k, i, Purpose.PLACE, 2 * self.contours)
        address = np.repeat(self._address(seed, k, i), self.contours, axis=0)
        # contours of an image differ in the stream: category and instance are the image's, for all of them
        address[:, 1] = np.tile(_streams(self.stream, self.contours), len(k))
        return contour_table(
            address,
            {name: values[held_R] for name, values in self._columns(seed).items()},
            centres(place, CANVAS).reshape(-1, 2),
            gray_levels=256,
            background=self.background,
            objects=self.contours,
        )

    def mask_table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        return replace(self.table(seed, categories, instances).mask(), shape=SHAPES[self.variant])

    def _columns(self, seed: int) -> Columns:
        """Return the parameters of all categories."""
        if self.files is not None:
            read = self.files.columns.items()
            return {name: each[: self.classes] for name, each in read if name not in NUMBERS}
        return _columns(self.stream, seed, self.classes)

    @classmethod
    def _read(cls, folder: Path) -> SegRCDBFiles:
        return SegRCDBFiles.read(folder)

    def _rows(self, seed: int) -> Iterator[list[tuple[str, object]]]:
        number = np.arange(1, self.classes + 1)
        return SegRCDBFiles.rows({**self._columns(seed), **dict.fromkeys(NUMBERS, number)})


@lru_cache(maxsize=8)
def _columns(stream: str, seed: int, classes: int) -> Columns:
    word = words(seed, stream, np.arange(classes), np.array(NO_INSTANCE), Purpose.CATEGORY, 7)
    return {
        "vertices": few_vertices(word[:, 0], MIN_VERTICES, MAX_VERTICES),
        "strokes": integer(word[:, 1], 1, MAX_STROKES),
        "noise": uniform(word[:, 2], 0, 4),
        "drift": uniform(word[:, 3], 0, 0.1),
        "radius": integer(word[:, 4], 0, MAX_RADIUS),
        "oval_x": uniform(word[:, 5], 1, 2),
        "oval_y": uniform(word[:, 6], 1, 2),
    }


@lru_cache(maxsize=8)
def _streams(stream: str, contours: int) -> NDArray[np.uint32]:
    """Return the stream of each contour of an image, uint32 [O]."""
    return np.array([stream_word(f"{stream}/{number}") for number in range(contours)], np.uint32)
