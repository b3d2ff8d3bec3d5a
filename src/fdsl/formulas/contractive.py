"""Contractive systems by sigma-factor (Anderson & Farrell, WACV 2022): none is searched for, all have attractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_choice, check_int
from fdsl.formulas.base import Family
from fdsl.formulas.ifs import MOST_MAPS, Systems, areas, plain, shares
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.maps import MAX_MAPS, thresholds
from fdsl.geometry.table import MAX_POINTS
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

CANVAS, PADDING = 224, 0.5
INKS = {"patch_or": "or", "patch_gray": "paste", "point_gray": "point"}
FEWEST_MAPS = 2
WORDS_A_MAP = 7
TRIES, SMALLEST, LARGEST = 4, 0.8, 1.1


@dataclass(frozen=True, kw_only=True)
class Contractive(Family):
    """Attractors of 2 to 4 contracting maps of the plane, drawn by the chaos game on black, native canvas 224.

    A map is U diag(s1, s2) V with random rotations and reflections U, V and a translation U(-1, 1); its singular values
    are those of `singular_values` for a sigma-factor U((5 + n)/2, (6 + n)/2). Map i is chosen with a probability
    proportional to |det|. The attractor touches the edges of the canvas.

    Instance i has points and patches of its own, and as in the released program one map, translation and all, scaled by
    U(0.8, 1.1): drawn up to four times until it still contracts, else left alone. Zooming, flips and transposition are
    left to augmentation.

    Attributes:
        variant: "patch_or", a random 3x3 patch a point, whose zeros leave the pixel alone (nearest to the published,
            where one pattern serves a whole image); "patch_gray", opaque patches as FractalDB's; "point_gray", a pixel
            a point.
        most_maps: maps a system has at most: I{2..most_maps}. The released files have 4, its function defaults to 7.
        points: points an image.
    """

    variant: str = "patch_or"
    most_maps: int = 4
    points: int = 100_000

    name: ClassVar[str] = "Contractive"
    source: ClassVar[str] = "Anderson and Farrell, WACV 2022, https://arxiv.org/abs/2110.03091"
    variants: ClassVar[tuple[str, ...]] = tuple(INKS)
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, INKS)
        check_int("most_maps", self.most_maps, FEWEST_MAPS, MOST_MAPS)
        check_int("points", self.points, 1, MAX_POINTS)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the maps' coefficients and probabilities, as a category file has them."""
        self._identity(seed, [k], 0)
        return plain(self._systems(seed, np.array([k])), 0)

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps2D:
        k, i = self._identity(seed, categories, instances)
        maps, _, count = self._systems(seed, k)
        maps = jittered(maps, count, words(seed, self.stream, k, i, Purpose.INSTANCE, 2 * TRIES))
        return AffineMaps2D(
            address=self._address(seed, k, i),
            maps=around_fixed_point(maps).astype(np.float32),
            begins=thresholds(areas(maps), count),
            flips=np.zeros(len(k), np.uint8),
            points=self.points,
            ink=INKS[self.variant],
            canvas=CANVAS,
            padding=PADDING,
        )

    def _systems(self, seed: int, k: NDArray[np.int64]) -> Systems:
        """Return the systems of categories `k`, a row each."""
        size = 2 + WORDS_A_MAP * self.most_maps
        word = words(seed, self.stream, k, np.array(NO_INSTANCE), Purpose.CATEGORY, size)
        count = integer(word[:, 0], FEWEST_MAPS, self.most_maps)
        sigma = (5 + count) / 2 + uniform(word[:, 1], 0, 0.5)
        maps = contractions(word[:, 2:].reshape(len(k), self.most_maps, WORDS_A_MAP), sigma, count)
        return Systems(maps, shares(areas(maps)), count)


def singular_values(
    word: NDArray[np.uint32], sigma: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Draw singular values 0 <= s2 <= s1 <= 1 of each map of a system, such that the sum of s1 + 2 s2 is `sigma`.

    One map after the other, the published way: s1 is uniform over what leaves the others a solution, then s2 is, given
    s1; the last map takes what is left, its s2 uniform over what leaves its s1 one.

    Args:
        word: uint32 [N, M, 2].
        sigma: sigma-factors, [N], between 0 and 3 * count.
        count: maps a system, [N], up to M.

    Returns:
        float64 [N, M, 2], zero beyond a system's own.
    """
    share = uniform(word)
    values = np.zeros(share.shape)
    left = sigma
    for m in range(share.shape[1]):
        least = left - 3.0 * (count - 1 - m)  # the later maps can take no more than 3 each
        s1 = _between(np.maximum(0, least / 3), np.minimum(1, left), share[:, m, 0])
        s2 = _between(np.maximum(0, (least - s1) / 2), np.minimum(s1, (left - s1) / 2), share[:, m, 1])
        last = m == count - 1
        s2 = np.where(last, _between(np.maximum(0, (left - 1) / 2), left / 3, share[:, m, 1]), s2)
        s1 = np.where(last, left - 2 * s2, s1)
        values[:, m] = np.where((m < count)[:, None], np.stack([s1, s2], axis=1), 0.0)
        left = left - values[:, m] @ (1.0, 2.0)
    return values


def _between(
    low: NDArray[np.float64], high: NDArray[np.float64], share: NDArray[np.float64]
) -> NDArray[np.float64]:
    return low + (high - low) * share


def contractions(
    word: NDArray[np.uint32], sigma: NDArray[np.float64], count: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Draw systems of contractions with the given sigma-factors.

    A map is R(v) diag(s1, +-s2) R(w) with angles v, w uniform on the circle and either sign equally likely, which is
    what random rotations and reflections on both sides amount to; its translation is U(-1, 1).

    Args:
        word: uint32 [N, M, 7].
        sigma: sigma-factors, [N], between 0 and 3 * count.
        count: maps a system, [N], up to M.

    Returns:
        Coefficients a b c d e f, float64 [N, MAX_MAPS, 6], zero beyond a system's own.
    """
    values = singular_values(word[:, :, :2], sigma, count)
    s1, s2 = values[:, :, 0], np.where(integer(word[:, :, 2], 0, 1) == 0, values[:, :, 1], -values[:, :, 1])
    v, w = uniform(word[:, :, 3], -np.pi, np.pi), uniform(word[:, :, 4], -np.pi, np.pi)
    a = s1 * np.cos(v) * np.cos(w) - s2 * np.sin(v) * np.sin(w)
    b = -s1 * np.cos(v) * np.sin(w) - s2 * np.sin(v) * np.cos(w)
    c = s1 * np.sin(v) * np.cos(w) + s2 * np.cos(v) * np.sin(w)
    d = -s1 * np.sin(v) * np.sin(w) + s2 * np.cos(v) * np.cos(w)
    e, f = uniform(word[:, :, 5], -1, 1), uniform(word[:, :, 6], -1, 1)
    maps = np.zeros((len(word), MAX_MAPS, 6))
    maps[:, : word.shape[1]] = np.stack([a, b, c, d, e, f], axis=2)
    maps[np.arange(MAX_MAPS) >= count[:, None]] = 0
    return maps


def stretches(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how much each map of the plane stretches a vector at most, s1, float64 [...] of maps [..., 6]."""
    a, b, c, d = (maps[..., part] for part in range(4))
    return (np.hypot(a + d, b - c) + np.hypot(a - d, b + c)) / 2


def jittered(
    maps: NDArray[np.float64], count: NDArray[np.int64], word: NDArray[np.uint32]
) -> NDArray[np.float64]:
    """Scale one map of each system, translation and all, by U(0.8, 1.1), the first try that leaves it a contraction.

    Args:
        maps: float64 [N, MAX_MAPS, 6].
        count: maps a system, [N].
        word: uint32 [N, 2 * tries].
    """
    rows, tries = np.arange(len(maps)), word.shape[1] // 2
    chosen = (uniform(word[:, :tries]) * count[:, None]).astype(np.int64)
    factor = uniform(word[:, tries:], SMALLEST, LARGEST)
    good = factor * stretches(maps)[rows[:, None], chosen] < 1
    first = good.argmax(axis=1)
    scaled = maps.copy()
    scaled[rows, chosen[rows, first]] *= np.where(good.any(axis=1), factor[rows, first], 1.0)[:, None]
    return scaled


def around_fixed_point(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the same systems in coordinates whose origin is the first map's fixed point.

    Orbits start at the origin, which then is a point of the attractor (where the released program starts, too). From
    elsewhere some would still be on their way when the burn-in ends: by a pixel in 12% of `Contractive`'s systems, and
    by up to half the image in 1p-frac. The drawing, fitted to its canvas, is the same elsewhere.
    """
    a, b, c, d, e, f = np.moveaxis(maps[:, 0], -1, 0)
    determinant = (1 - a) * (1 - d) - b * c
    fixed = np.stack([(1 - d) * e + b * f, c * e + (1 - a) * f], axis=1) / determinant[:, None]
    moved = maps.copy()
    matrix = maps[..., :4].reshape(*maps.shape[:2], 2, 2)
    moved[..., 4:] += (matrix @ fixed[:, None, :, None])[..., 0] - fixed[:, None]
    return moved
