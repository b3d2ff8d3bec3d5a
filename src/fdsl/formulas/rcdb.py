"""RCDB, the Radial Contour DataBase (Kataoka et al., CVPR 2022)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_choice
from fdsl.formulas.base import Family
from fdsl.geometry.radial import RadialStrokes
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

CANVAS = 512
MIN_VERTICES, MAX_VERTICES, MEAN_VERTICES = 3, 200, 100.0
MAX_STROKES = 200
SHIFT = 400

Columns = dict[str, NDArray[Any]]


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
class RCDB(Family):
    """Radial contours, black lines on white, native canvas 512.

    Attributes:
        variant: "released", the authors' script: radius, oval rates and centre are drawn anew for every instance but
            the first, which uses those drawn with the category; "paper": radius and oval rates belong to the category
            and only the centre varies.
    """

    variant: str = "released"

    name: ClassVar[str] = "RCDB"
    native_size: ClassVar[int] = CANVAS
    background: ClassVar[int] = 255

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, ("released", "paper"))

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return V, L, noise c, drift w, and the radius, oval rates and centre that are drawn with the category."""
        self._identity(seed, [k], 0)
        drawn = _categories(self.stream, seed, np.array([k]))
        return {name: column[0].item() for name, column in drawn.items()}

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> RadialStrokes:
        k, i = self._identity(seed, categories, instances)
        column = _categories(self.stream, seed, k)
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
