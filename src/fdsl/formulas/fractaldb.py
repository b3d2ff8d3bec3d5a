"""FractalDB (Kataoka et al., ACCV 2020, IJCV 2022)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_choice, check_float, check_int
from fdsl.formulas.ifs import SEARCH, MapFamily, Systems, areas, candidates, shares, weigh
from fdsl.formulas.search import find
from fdsl.geometry import affine2d
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.maps import thresholds
from fdsl.geometry.table import MAX_POINTS
from fdsl.random import stream_word

CANVAS, PADDING = 512, 6
LEAST_FILL = 0.2
PARTS = 6
FACTORS = (0.2, 0.6, 1.4, 1.8)
WEIGHTINGS = 1 + PARTS * len(FACTORS)
FLIPS = 4
VARIANTS = ("patch_gray", "point_gray", "patch_or", "patch_color", "point_color")


@dataclass(frozen=True, kw_only=True)
class FractalDB(MapFamily):
    """Attractors of 2 to 7 affine maps of the plane, drawn by the chaos game on black, native canvas 512.

    Instance i is flip i mod 4 (none, left-right, top-bottom, both) of drawing i div 4; drawing d has weighting d mod 25
    (none, or one of a..f of every map scaled by 0.2, 0.6, 1.4 or 1.8) and its own random numbers. The publication's
    1,000 instances are 4 flips x 25 weightings x 10 patterns.

    Attributes:
        variant: "patch_gray", an opaque random 3x3 patch a point (the published default); "point_gray", a pixel a
            point; "patch_or", patches whose zeros leave the pixel alone (fuller images); "patch_color" and
            "point_color", hue by point number.
        points: points an image.
        least_fill: weightings whose trial drawing diverges, or hits less than this share of the canvas, are skipped;
            0 keeps all, as released (4% of them diverge, a quarter fills under 0.1).
        files: published categories instead of searched ones, columns a, b, c, d, e, f, p: see `from_csv`.
    """

    variant: str = "patch_gray"
    points: int = 100_000
    least_fill: float = 0.0

    name: ClassVar[str] = "FractalDB"
    source: ClassVar[str] = "Kataoka et al., ACCV 2020 and IJCV 2022, https://arxiv.org/abs/2101.08515"
    variants: ClassVar[tuple[str, ...]] = VARIANTS
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask")
    parts: ClassVar[int] = PARTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, VARIANTS)
        check_int("points", self.points, 1, MAX_POINTS)
        check_float("least_fill", self.least_fill, 0.0, 1.0)

    @property
    def channels(self) -> int:
        return 3 if self.variant.endswith("color") else 1

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps2D:
        k, i = self._identity(seed, categories, instances)
        drawing, flip = np.divmod(i, FLIPS)
        weighting = self._weightings(seed, k, drawing)
        table = self._table(seed, k, drawing, weighting)
        return replace(table, flips=flip.astype(np.uint8))

    def _table(
        self, seed: int, k: NDArray[np.int64], word: NDArray[np.int64], weighting: NDArray[np.int64]
    ) -> AffineMaps2D:
        maps, probability, count = self.systems(seed)
        kind = self.variant.split("_")[0]
        return AffineMaps2D(
            address=self._address(seed, k, word),
            maps=weigh(maps[k], weighting, FACTORS).astype(np.float32),
            begins=thresholds(probability[k], count[k]),
            flips=np.zeros(len(k), np.uint8),
            points=self.points,
            ink="or" if self.variant == "patch_or" else "paste" if kind == "patch" else "point",
            colour=self.channels == 3,
            canvas=CANVAS,
            padding=PADDING,
        )

    def _searched(self, seed: int) -> Systems:
        return _searched(self.stream, seed, self.classes)

    def _weightings(self, seed: int, k: NDArray[np.int64], drawing: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.least_fill == 0.0:
            return drawing % WEIGHTINGS
        usable = [_usable_weightings(self, seed, int(category)) for category in k]
        return np.array([kept[d % len(kept)] for kept, d in zip(usable, drawing, strict=True)], np.int64)


def _fills(table: AffineMaps2D) -> NDArray[np.float64]:
    """Return the share of the canvas that each image's points hit, float64 [N]."""
    orbits = affine2d.new_orbits(table.points)
    hits = np.empty(table.canvas**2, np.uint8)
    fills = np.empty(len(table))
    for row in range(len(table)):
        affine2d.trace(table.address[row], table.maps[row], table.begins[row], orbits)
        fills[row] = affine2d.fill(orbits, table.points, table.canvas, float(table.padding), hits)
    return fills


@lru_cache(maxsize=16)
def _searched(stream: str, seed: int, classes: int) -> Systems:
    """Find the first `classes` systems whose 100,000 points hit a fifth of the canvas."""

    def accepted(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        maps, count = candidates(seed, stream, numbers, PARTS)
        address = np.empty((len(numbers), 4), np.uint32)
        address[:, 0], address[:, 1], address[:, 2], address[:, 3] = (
            seed,
            stream_word(stream),
            numbers,
            SEARCH,
        )
        table = AffineMaps2D(
            address,
            maps.astype(np.float32),
            thresholds(areas(maps), count),
            np.zeros(len(maps), np.uint8),
        )
        return _fills(table) >= LEAST_FILL

    definition = {"family": stream.split("/")[0], "stream": stream, "seed": seed, "least_fill": LEAST_FILL}
    maps, count = candidates(seed, stream, find(definition, accepted, classes), PARTS)
    return Systems(maps, shares(areas(maps)), count)


@lru_cache(maxsize=65536)
def _usable_weightings(family: FractalDB, seed: int, k: int) -> NDArray[np.int64]:
    """Return the weightings of category `k` that fill at least `least_fill`; the unscaled one if none does."""
    weightings = np.arange(WEIGHTINGS)
    table = family._table(seed, np.full(WEIGHTINGS, k), SEARCH + 1 + weightings, weightings)
    kept = np.flatnonzero(_fills(table) >= family.least_fill)
    return kept if len(kept) else np.zeros(1, np.int64)
