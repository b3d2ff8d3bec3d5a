"""Numbers of attention maps against marked pixels: share, lift, control and correlation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Mean and deviation of a number over images."""

    mean: float | None
    """None where no image has the number."""
    deviation: float | None
    """Sample standard deviation; None of less than two images."""
    images: int
    """How many have the number."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        return dict(vars(self))


def spread_of(values: Numbers) -> Spread:
    """Return mean and deviation of the values that are numbers, float64 [N] with NaN for none."""
    known = values[np.isfinite(values)]
    return Spread(
        mean=float(known.mean()) if len(known) else None,
        deviation=float(known.std(ddof=1)) if len(known) > 1 else None,
        images=len(known),
    )


@dataclass(frozen=True, kw_only=True)
class Measures:
    """How attention lies to marked pixels: contours of rendered images, edges of real ones."""

    share: Spread
    """Part of the attention on marked pixels, 0..1. By itself it says little: it grows with what is marked."""
    lift: Spread
    """The share over the marked part of the same image, a ratio each and then their mean: 1 is attention that is spread
    evenly. It can be no more than the fullest patch holds over that part: little on a coarse grid over a full image,
    much where one small thing is drawn, and such images decide most of the mean. The ratio of the mean share to the
    mean part weighs the other way."""
    control: Spread
    """The same maps against the marks of another image. Objects lie in the middle, and attention may do so whatever is
    there: what `lift` has beyond `control` is owed to the image that is looked at."""
    correlation: Spread
    """Spearman's rank correlation of attention and marked part over the patches of an image, -1..1: whether fuller
    patches get more, however little more. It says nothing of how much."""

    def to_json(self) -> dict[str, Any]:
        """Return them as plain JSON values."""
        return {name: value.to_json() for name, value in vars(self).items()}


def measure(maps: Numbers, densities: Numbers) -> Measures:
    """Measure maps against the marked part of each cell.

    Args:
        maps: float64 [N, g, g], each adds up to 1; NaN where there is no map.
        densities: float64 [N, g, g], in 0..1, as `fdsl.evaluate.attention.contours.densities` returns them.
    """
    flat, marked = maps.reshape(len(maps), -1), densities.reshape(len(maps), -1)
    share = (flat * marked).sum(axis=1)
    other = np.roll(marked, 1, axis=0)
    nothing = np.full(len(maps), np.nan)
    return Measures(
        share=spread_of(share),
        lift=spread_of(lifts(share, marked)),
        control=spread_of(lifts((flat * other).sum(axis=1), other) if len(maps) > 1 else nothing),
        correlation=spread_of(
            np.array([_spearman(*pair) for pair in zip(flat, marked, strict=True)], np.float64)
        ),
    )


def lifts(share: Numbers, densities: Numbers) -> Numbers:
    """Return shares over the marked part of each image, NaN where nothing is marked.

    Args:
        share: float64 [N, ...].
        densities: float64 [N, cells].
    """
    area = densities.mean(axis=1).reshape(-1, *[1] * (share.ndim - 1))
    return np.divide(
        share, area, out=np.full(share.shape, np.nan), where=np.broadcast_to(area > 0, share.shape)
    )


def _spearman(one: Numbers, other: Numbers) -> float:
    """Return the rank correlation of two lists; NaN where one is the same everywhere or no number.

    scipy.stats.spearmanr warns of the first, and tests significance that is not asked for.
    """
    if not np.isfinite(one).all() or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(rankdata(one), rankdata(other))[0, 1])
