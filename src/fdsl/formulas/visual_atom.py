"""VisualAtom (Takashima et al., CVPR 2023): RCDB's contours with many vertices, on which sine waves run around."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_choice
from fdsl.formulas.base import Family
from fdsl.formulas.contours import CANVAS, Columns, centres, contour_table, scaled
from fdsl.geometry.radial import RadialStrokes
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

MIN_VERTICES, MAX_VERTICES = 200, 1000
MAX_STROKES = 200
MAX_FREQUENCY = 20
# least noise, most drift, least radius: what the released program does when told nothing, and what its script tells it
VARIANTS = {"defaults": (2.0, 0.01, 0), "script": (0.0, 0.1, 10)}


@dataclass(frozen=True, kw_only=True)
class VisualAtom(Family):
    """Wavy radial contours, gray lines on black, native canvas 512; instances differ in where the centre lies.

    Attributes:
        variant: "defaults", the settings of the released program (noise 2..6, drift to 0.01, radius 0..50); "script",
            those of the shell script released with it (noise 0..4, drift to 0.1, radius 10..60).
    """

    variant: str = "defaults"

    name: ClassVar[str] = "VisualAtom"
    source: ClassVar[str] = "Takashima et al., CVPR 2023, https://arxiv.org/abs/2303.01112"
    variants: ClassVar[tuple[str, ...]] = tuple(VARIANTS)
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask", "contour")
    background: ClassVar[int] = 0
    most_vertices: ClassVar[int] = MAX_VERTICES

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, VARIANTS)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return V, L, noise c, drift w, radius, oval rates and the two frequencies."""
        self._identity(seed, [k], 0)
        return {name: column[0].item() for name, column in self._categories(seed, np.array([k])).items()}

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        k, i = self._identity(seed, categories, instances)
        column = self._categories(seed, k)
        return contour_table(
            self._address(seed, k, i),
            column,
            self._centres(seed, k, i),
            gain=1.0,
            waves=np.stack([column["frequency_1"], column["frequency_2"]], axis=1).astype(np.int32),
            gray_levels=256,
            background=self.background,
        )

    @property
    def ranges(self) -> dict[str, tuple[float, float]]:
        """The parameters of an image by name, and between what numbers each is drawn."""
        least_noise, most_drift, least_radius = VARIANTS[self.variant]
        return {
            "vertices": (MIN_VERTICES, MAX_VERTICES),
            "strokes": (1, MAX_STROKES),
            "noise": (least_noise, least_noise + 4),
            "drift": (0, most_drift),
            "radius": (least_radius, least_radius + 50),
            "oval_x": (1, 2),
            "oval_y": (1, 2),
            "frequency_1": (0, MAX_FREQUENCY),
            "frequency_2": (0, MAX_FREQUENCY),
            "centre_x": (0, CANVAS),
            "centre_y": (0, CANVAS),
        }

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return tuple(self.ranges)

    def parameters(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.float32]:
        """Return `ranges`'s parameters of each image, float32 [N, 11]: the ends of a range are 0 and 1."""
        k, i = self._identity(seed, categories, instances)
        centre_x, centre_y = self._centres(seed, k, i).T
        return scaled({**self._categories(seed, k), "centre_x": centre_x, "centre_y": centre_y}, self.ranges)

    def _centres(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return where images have their centres, canvas units, [N, 2]."""
        return centres(words(seed, self.stream, k, i, Purpose.INSTANCE, 2), CANVAS)

    def _categories(self, seed: int, k: NDArray[np.int64]) -> Columns:
        """Return the parameters of categories `k`, a row each."""
        ranges = self.ranges
        word = words(seed, self.stream, k, np.array(NO_INSTANCE), Purpose.CATEGORY, 9)
        frequency_1, frequency_2 = _frequencies(word[:, 7:9])
        least_radius, most_radius = map(int, ranges["radius"])
        return {
            "vertices": integer(word[:, 0], MIN_VERTICES, MAX_VERTICES),
            "strokes": integer(word[:, 1], 1, MAX_STROKES),
            "noise": uniform(word[:, 2], *ranges["noise"]),
            "drift": uniform(word[:, 3], *ranges["drift"]),
            "radius": integer(word[:, 4], least_radius, most_radius),
            "oval_x": uniform(word[:, 5], *ranges["oval_x"]),
            "oval_y": uniform(word[:, 6], *ranges["oval_y"]),
            "frequency_1": frequency_1,
            "frequency_2": frequency_2,
        }


def _frequencies(word: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """f1 and f2 from two words, [N, 2]: I{0..20} each, different unless f1 = 0; nothing is redrawn."""
    first = integer(word[:, 0], 0, MAX_FREQUENCY)
    others = integer(word[:, 1], 0, MAX_FREQUENCY - 1)
    return first, np.where(first == 0, integer(word[:, 1], 0, MAX_FREQUENCY), others + (others >= first))
