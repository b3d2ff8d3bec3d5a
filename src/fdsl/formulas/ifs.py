"""What the families of affine maps share: candidates, probabilities, weightings, category files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError, check_int
from fdsl.formulas.base import MAX_INSTANCE, Family
from fdsl.formulas.published import MapFiles, read_map_files
from fdsl.geometry.maps import MAX_MAPS
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

MOST_MAPS = 7
SEARCH = MAX_INSTANCE
"""The instance word under which a candidate's points are drawn."""


class Systems(NamedTuple):
    """The iterated function systems of all categories."""

    maps: NDArray[np.float64]
    """[C, MAX_MAPS, parts], zero beyond a category's own."""
    probability: NDArray[np.float64]
    """[C, MAX_MAPS], any positive scale, zero beyond."""
    sizes: NDArray[np.int64]
    """[C], maps a category."""


@dataclass(frozen=True, kw_only=True)
class MapFamily(Family):
    """A family whose categories are systems of affine maps: searched for, or read from published files.

    Attributes:
        files: published categories instead of searched ones: see `from_csv`.
    """

    files: MapFiles | None = field(default=None, repr=False)

    parts: ClassVar[int]

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.files is not None:
            if not isinstance(self.files, MapFiles):
                raise InputError(f"files must come from {self.name}.from_csv(folder), got {self.files!r}")
            check_int("classes", self.classes, 2, len(self.files.names))

    @classmethod
    def from_csv(cls, folder: str | Path, **fields: Any) -> Self:
        """Return the family of published category files: a row a map, its coefficients and its probability.

        Args:
            folder: one `*.csv` a category, taken in the order of their names.
            fields: other fields; `classes` takes the first so many (default all).

        Raises:
            InputError, DataError: as `read_map_files`.
        """
        files = read_map_files(folder, cls.parts)
        return cls.build(**{"classes": len(files.names), **fields}, files=files)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the maps' coefficients and probabilities, as a category file has them."""
        self._identity(seed, [k], 0)
        return plain(self.systems(seed), k)

    def systems(self, seed: int) -> Systems:
        """Return all categories' systems."""
        if self.files is not None:
            return Systems(self.files.maps, self.files.probability, self.files.count)
        return self._searched(seed)

    @abstractmethod
    def _searched(self, seed: int) -> Systems:
        """Return the systems that the publication's rule accepts."""


def plain(systems: Systems, k: int) -> dict[str, Any]:
    """Return system `k` as a category file has it: the maps' coefficients and their probabilities."""
    maps, probability, sizes = systems
    own = slice(int(sizes[k]))
    return {
        "maps": maps[k, own].tolist(),
        "probability": (probability[k, own] / probability[k].sum()).tolist(),
    }


def areas(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what area each map of the plane makes of a unit square, |a d - b c|, float64 [...] of maps [..., 6]."""
    a, b, c, d = (maps[..., part] for part in range(4))
    return np.abs(a * d - b * c)


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
