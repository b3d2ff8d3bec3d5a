"""1p-frac (Nakamura et al., ECCV 2024): one fractal; its classes are that fractal slightly perturbed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import DataError, check_choice, check_float, check_int
from fdsl.formulas.base import Family
from fdsl.formulas.contractive import WORDS_A_MAP, around_fixed_point, contractions
from fdsl.formulas.ifs import SEARCH, Systems, areas, plain, shares
from fdsl.formulas.search import find
from fdsl.geometry import affine2d
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.maps import MAX_MAPS, thresholds
from fdsl.geometry.table import MAX_POINTS
from fdsl.random import NO_INSTANCE, Purpose, stream_word, uniform, words

CANVAS, PADDING, POINTS = 512, 6, 100_000
MAPS, PARTS = 2, 6
LEAST_LIT = 0.05
LIT_PATTERNS = 256 / 511
"""The share of the 511 patches in which a given bit is set: what of the pixels under patches is lit."""
INKS = {"patch_gray": "paste", "patch_or": "or", "patch_color": "paste"}
SIGMAS = (3.3, 5.8)
"""Below them attractors of two maps are too thin to light that much; 6 would leave no contraction."""
BASES = 1024
"""Systems tried as the one fractal."""


@dataclass(frozen=True, kw_only=True)
class OnePFrac(Family):
    """One system of 2 contractions of a given sigma-factor, a category for each perturbation of it, native canvas 512.

    A category has each of the six values of each map scaled by U(1 - delta, 1 + delta), with the unperturbed
    probabilities; perturbations are drawn until at least 5% of the canvas are lit. As in the released program all
    categories are drawn with one sequence of map choices: they differ by the perturbation alone. The one fractal of a
    seed is the first that is itself lit as much.

    The published dataset has one image a category. Instance i redraws the patches at the same points, as in 2D-OFDB.

    Attributes:
        sigma: the sigma-factor, sum of s1 + 2 s2 over the maps (the released program draws it within 0.1 of this).
        delta: greatest relative perturbation.
        variant: "patch_gray" (published), "patch_or" or "patch_color", as FractalDB's; plain points have no pattern to
            vary.
        points: points an image.
    """

    sigma: float = 3.5
    delta: float = 0.1
    variant: str = "patch_gray"
    points: int = POINTS

    name: ClassVar[str] = "OnePFrac"
    source: ClassVar[str] = "Nakamura et al., ECCV 2024"
    variants: ClassVar[tuple[str, ...]] = tuple(INKS)
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_float("sigma", self.sigma, *SIGMAS)
        check_float("delta", self.delta, 0.001, 1.0)
        check_choice("variant", self.variant, INKS)
        check_int("points", self.points, 1, MAX_POINTS)

    @property
    def channels(self) -> int:
        return 3 if self.variant == "patch_color" else 1

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the maps' coefficients and probabilities, as a category file has them."""
        self._identity(seed, [k], 0)
        return plain(self._systems(seed, np.array([k])), 0)

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps2D:
        k, i = self._identity(seed, categories, instances)
        return _table(
            self.stream, seed, self._systems(seed, k),
            points=self.points, ink=INKS[self.variant], colour=self.channels == 3,
            patterns=self._address(seed, k, i),
        )  # fmt: skip

    def _systems(self, seed: int, k: NDArray[np.int64]) -> Systems:
        """Return the systems of categories `k`, a row each."""
        numbers = _accepted(self.stream, seed, self.classes, self.sigma, self.delta)
        return _perturbed(self.stream, seed, self.sigma, self.delta, numbers[k])


def _table(stream: str, seed: int, systems: Systems, **fields: Any) -> AffineMaps2D:
    count = len(systems.maps)
    return AffineMaps2D(
        address=np.tile(np.array([seed, stream_word(stream), 0, SEARCH], np.uint32), (count, 1)),
        maps=around_fixed_point(systems.maps).astype(np.float32),
        begins=thresholds(systems.probability, systems.sizes),
        flips=np.zeros(count, np.uint8),
        canvas=CANVAS,
        padding=PADDING,
        **fields,
    )


def _lit(table: AffineMaps2D) -> NDArray[np.float64]:
    """Return the share of the canvas that random patches on each image's points light, float64 [N].

    It is that of the pixels under patches times that of the patches lit there: the mean over all patterns, from which
    a drawing strays by about half a hundredth of it.
    """
    orbits, hits = affine2d.new_orbits(table.points), np.empty(CANVAS**2, np.uint8)
    lit = np.empty(len(table))
    for row in range(len(table)):
        affine2d.trace(table.address[row], table.maps[row], table.begins[row], orbits)
        affine2d.fill(orbits, table.points, CANVAS, float(PADDING), hits)
        lit[row] = _covered(hits.reshape(CANVAS, CANVAS)) * LIT_PATTERNS
    return lit


def _covered(hits: NDArray[np.uint8]) -> float:
    """Return the share of the canvas that lies under the 3x3 patches around the hit pixels."""
    lines = hits.copy()
    lines[1:] |= hits[:-1]
    lines[:-1] |= hits[1:]
    both = lines.copy()
    both[:, 1:] |= lines[:, :-1]
    both[:, :-1] |= lines[:, 1:]
    return np.count_nonzero(both) / both.size


@lru_cache(maxsize=16)
def _base(stream: str, seed: int, sigma: float) -> Systems:
    """Return the one fractal: the first system of that sigma-factor whose drawing is lit as a category's must be."""
    for number in range(BASES):
        size = MAPS * WORDS_A_MAP
        word = words(seed, stream, np.array([number]), np.array(NO_INSTANCE), Purpose.CATEGORY, size)
        count = np.array([MAPS])
        maps = contractions(word.reshape(1, MAPS, WORDS_A_MAP), np.array([sigma]), count)
        system = Systems(maps, shares(areas(maps)), count)
        if _lit(_table(stream, seed, system, points=POINTS))[0] >= LEAST_LIT:
            return system
    raise DataError(f"none of {BASES} systems with sigma-factor {sigma} lights {LEAST_LIT:.0%} of its canvas")


def _perturbed(stream: str, seed: int, sigma: float, delta: float, numbers: NDArray[np.int64]) -> Systems:
    """Return the perturbations with these candidate numbers, a row each."""
    base = _base(stream, seed, sigma)
    word = words(seed, stream, numbers, np.array(NO_INSTANCE), Purpose.CANDIDATE, MAPS * PARTS)
    maps = np.repeat(base.maps, len(numbers), axis=0)
    maps[:, :MAPS] *= uniform(word, 1 - delta, 1 + delta).reshape(-1, MAPS, PARTS)
    probability = np.broadcast_to(base.probability, (len(numbers), MAX_MAPS))
    return Systems(maps, probability, np.full(len(numbers), MAPS))


@lru_cache(maxsize=16)
def _accepted(stream: str, seed: int, classes: int, sigma: float, delta: float) -> NDArray[np.int64]:
    """Return the numbers of the first `classes` perturbations that light enough of their canvas."""

    def accepted(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        systems = _perturbed(stream, seed, sigma, delta, numbers)
        return _lit(_table(stream, seed, systems, points=POINTS)) >= LEAST_LIT

    definition = {
        "family": OnePFrac.name, "stream": stream, "seed": seed,
        "sigma": sigma, "delta": delta, "least_lit": LEAST_LIT,
    }  # fmt: skip
    return find(definition, accepted, classes)
