"""RCDB, the Radial Contour DataBase (Kataoka et al., CVPR 2022)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice, check_range
from fdsl.formulas.contour_files import RCDBFiles
from fdsl.formulas.contours import CANVAS, Columns, centres, contour_table, few_vertices, scaled
from fdsl.formulas.published import CategoryFiles, PublishedFamily
from fdsl.geometry.radial import RadialStrokes
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

SHIFT = 400
WHOLE = {"vertices": (3, 1000), "strokes": (1, 1000), "radius": (0, CANVAS)}
REAL = {"noise": (0.0, 16.0), "drift": (0.0, 1.0), "ovals": (0.1, 10.0)}
"""Within what the ranges that are drawn from may lie."""


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
        vertices: range of V, of which floor(Exp(mean 100)) keeps what lies in it; this and the next five are the
            published ranges, both ends in, for experiments that change one.
        strokes: range of L.
        noise: range of c; a vertex moves by noise of +-c a stroke.
        drift: range of w, by which a vertex moves outward a stroke besides; "line width" in the publication.
        radius: range of the starting ellipse's radius, canvas units.
        ovals: range of the two factors of that radius, in x and in y; the publication's resizing factor.
        files: categories read from published files instead of drawn ones: see `from_csv`.
    """

    variant: str = "released"
    vertices: tuple[int, int] = (3, 200)
    strokes: tuple[int, int] = (1, 200)
    noise: tuple[float, float] = (0.0, 4.0)
    drift: tuple[float, float] = (0.0, 0.1)
    radius: tuple[int, int] = (0, 100)
    ovals: tuple[float, float] = (1.0, 2.0)
    files: RCDBFiles | None = field(default=None, repr=False)

    form: ClassVar[type[CategoryFiles]] = RCDBFiles
    name: ClassVar[str] = "RCDB"
    source: ClassVar[str] = "Kataoka et al., CVPR 2022, https://arxiv.org/abs/2206.09132"
    variants: ClassVar[tuple[str, ...]] = ("released", "paper")
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask", "contour")
    background: ClassVar[int] = 255

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, self.variants)
        for name, (low, high) in (WHOLE | REAL).items():
            value = check_range(name, getattr(self, name), low, high, whole=name in WHOLE)
            object.__setattr__(self, name, value)  # a tuple, also from the lists of a configuration
            if self.files is not None and name in self._changed():
                raise InputError(f"{name} must not be given with files, got {value}: they hold the numbers")

    def _changed(self) -> set[str]:
        """Return the fields that are not as published."""
        return {field.name for field in fields(self) if getattr(self, field.name) != field.default}

    @property
    def most_vertices(self) -> int:  # type: ignore[override]  # fields decide
        return self.vertices[1] if self.files is None else int(self.files.columns["vertices"].max())

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return V, L, noise c, drift w, and the radius, oval rates and centre that are drawn with the category."""
        self._identity(seed, [k], 0)
        return {name: column[0].item() for name, column in self._columns(seed, np.array([k])).items()}

    def definition(self) -> dict[str, Any]:
        # as before there were files and ranges: digests that runs have kept still hold
        left_out = {*WHOLE, *REAL, "files"} - self._changed()
        return {name: value for name, value in super().definition().items() if name not in left_out}

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        k, i = self._identity(seed, categories, instances)
        column = self._images(seed, k, i)
        centre = np.stack([column["centre_x"], column["centre_y"]], axis=1)
        return contour_table(self._address(seed, k, i), column, centre, background=self.background)

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The parameters of an image by name, and between what numbers each is drawn."""
        side = (CANVAS - SHIFT) / 2, (CANVAS + SHIFT) / 2
        return {
            "vertices": self.vertices, "strokes": self.strokes, "noise": self.noise, "drift": self.drift,
            "radius": self.radius, "oval_x": self.ovals, "oval_y": self.ovals, "centre_x": side, "centre_y": side,
        }  # fmt: skip

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(self.ranges)

    def parameters(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.float32]:
        """Return `ranges`'s parameters of each image, float32 [N, 9]: the ends of a range are 0 and 1.

        Numbers from files may lie beyond.
        """
        return scaled(self._images(seed, *self._identity(seed, categories, instances)), self.ranges)

    def _images(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> Columns:
        """Return the parameters of images, a row each."""
        column = self._columns(seed, k)
        own = self._placement(words(seed, self.stream, k, i, Purpose.INSTANCE, 5))
        if self.variant == "paper":
            own = {name: values for name, values in own.items() if name.startswith("centre")}
            first = np.zeros(len(i), bool)
        else:
            first = i == 0
        return column | {name: np.where(first, column[name], values) for name, values in own.items()}

    def _columns(self, seed: int, k: NDArray[np.int64]) -> Columns:
        """Return the parameters of categories `k`, a row each."""
        if self.files is not None:
            return {name: values[k] for name, values in self.files.columns.items()}
        word = words(seed, self.stream, k, np.array(NO_INSTANCE), Purpose.CATEGORY, 9)
        return {
            "vertices": few_vertices(word[:, 0], *self.vertices),
            "strokes": integer(word[:, 1], *self.strokes),
            "noise": uniform(word[:, 2], *self.noise),
            "drift": uniform(word[:, 3], *self.drift),
            **self._placement(word[:, 4:9]),
        }

    def _placement(self, word: NDArray[np.uint32]) -> Columns:
        """Return radius, oval rates and centre from five words, [N, 5]."""
        return {
            "radius": integer(word[:, 0], *self.radius),
            "oval_x": uniform(word[:, 1], *self.ovals),
            "oval_y": uniform(word[:, 2], *self.ovals),
            "centre_x": centres(word[:, 3], SHIFT),
            "centre_y": centres(word[:, 4], SHIFT),
        }

    @classmethod
    def _read(cls, folder: Path) -> RCDBFiles:
        return RCDBFiles.read(folder)

    def _rows(self, seed: int) -> Iterator[list[tuple[str, object]]]:
        return RCDBFiles.rows(self._columns(seed, np.arange(self.classes)))
