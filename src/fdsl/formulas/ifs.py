"""What the map families share: candidates, probabilities, weightings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fdsl.geometry.maps import MAX_MAPS
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

MOST_MAPS = 7


def candidates(
    seed: int, stream: str, numbers: NDArray[np.int64], parts: int
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Draw candidate systems of I{2..7} maps with coefficients U(-1, 1).

    Returns:
        Maps, float64 [N, MAX_MAPS, parts], zero beyond a system's own; and how many it has, int64 [N].
    """
    word = words(seed, stream, numbers, np.array(NO_INSTANCE), Purpose.CANDIDATE, 1 + MOST_MAPS * parts)
    count = integer(word[:, 0], 2, MOST_MAPS)
    maps = np.zeros((len(numbers), MAX_MAPS, parts))
    maps[:, :MOST_MAPS] = uniform(word[:, 1:], -1, 1).reshape(-1, MOST_MAPS, parts)
    maps[np.arange(MAX_MAPS) >= count[:, None]] = 0
    return maps, count


def weigh(
    maps: NDArray[np.float64], weighting: NDArray[np.int64], factors: Sequence[float]
) -> NDArray[np.float64]:
    """Scale one coefficient of every map.

    Args:
        maps: float64 [N, MAX_MAPS, parts].
        weighting: int64 [N]; 0 leaves the maps alone, 1 + p * len(factors) + f scales part p by factor f.
        factors: the scales a coefficient can have.
    """
    weighted = maps.copy()
    rows = np.flatnonzero(weighting)
    part, factor = np.divmod(weighting[rows] - 1, len(factors))
    weighted[rows, :, part] *= np.asarray(factors)[factor][:, None]
    return weighted
