"""What the families of affine maps share: candidates, probabilities, weightings, category files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError
from fdsl.formulas.base import MAX_INSTANCE, Family
from fdsl.formulas.map_files import MapFiles, columns, read_map_files
from fdsl.formulas.published import CategoryFiles, PublishedFamily
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.maps import MAX_MAPS, NEVER
from fdsl.random import NO_INSTANCE, Purpose, integer, uniform, words

MOST_MAPS = 7
SEARCH = MAX_INSTANCE
"""The instance word under which a candidate's points are drawn."""


class Systems(NamedTuple):
    """The iterated function systems of all categories."""

    maps: NDArray[np.float64]
    """[C, MAX_MAPS, parts], zero beyond a category's own."""
    probability: NDArray[np.float64]
    """[C, MAX_MAPS], the numbers a category file has: they sum to 1 but for rounding; zero beyond."""
    sizes: NDArray[np.int64]
    """[C], maps a category."""


@dataclass(frozen=True, kw_only=True)
class DrawnByMaps(Family):
    """A family whose images are drawn by one system of affine maps each."""

    parts: ClassVar[int]

    @abstractmethod
    def table(
        self, seed: int, categories: ArrayLike, instances: ArrayLike
    ) -> AffineMaps2D | AffineMaps3D: ...

    @property
    def slots(self) -> int:
        """Maps a system has at most."""
        return MOST_MAPS

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """Coefficients a0, b0 ... of one map after the other, then the maps' probabilities p0, p1 ..."""
        letters, p = columns(self.parts)[:-1], columns(self.parts)[-1]
        numbers = range(self.slots)
        return tuple(f"{letter}{m}" for m in numbers for letter in letters) + tuple(
            f"{p}{m}" for m in numbers
        )

    def parameters(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.float32]:
        """Return the system that draws each image, weighted or jittered as there, float32 [N, P]; unscaled.

        Coefficients lie in about -1..1, and within twice that where instances weight them; beyond the last map that is
        ever chosen they are 0. Probabilities are those of the drawing, multiples of 2^-16. How an attractor is then
        placed, flipped or seen is not among the parameters.
        """
        k, i = self._identity(seed, categories, instances)
        table = self.table(seed, k, i)
        ends = np.pad(table.begins[:, 1:], ((0, 0), (0, 1)), constant_values=NEVER)
        chances = ((ends - table.begins) / NEVER).astype(np.float32)
        maps = np.where((table.begins < NEVER)[:, :, None], self._maps(seed, k, i), 0).astype(np.float32)
        coefficients = maps[:, : self.slots].reshape(len(table), self.slots * self.parts)
        return np.concatenate([coefficients, chances[:, : self.slots]], axis=1)

    def _maps(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> NDArray[Any]:
        """Return the maps of images in the coordinates they are published in, float [N, MAX_MAPS, parts]."""
        return self.table(seed, k, i).maps


@dataclass(frozen=True, kw_only=True)
class MapFamily(DrawnByMaps, PublishedFamily):
    """A family whose categories are systems of affine maps: searched for, or read from published files.

    A file has a row a map: its coefficients and its probability.

    Attributes:
        files: published categories instead of searched ones: see `from_csv`.
    """

    files: MapFiles | None = field(default=None, repr=False)

    form: ClassVar[type[CategoryFiles]] = MapFiles

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.files is not None and self.files.maps.shape[2] != self.parts:
            raise InputError(
                f"files must hold maps of {self.parts} coefficients, got {self.files.maps.shape[2]}: "
                f"they come from another family than {self.name}"
            )

    @property
    def slots(self) -> int:
        """Maps a system has at most: files may hold one more than is searched for."""
        return MOST_MAPS if self.files is None else max(MOST_MAPS, int(self.files.count.max()))

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the maps' coefficients and probabilities, as a category file has them."""
        self._identity(seed, [k], 0)
        return plain(self.systems(seed), k)

    @classmethod
    def _read(cls, folder: Path) -> MapFiles:
        return read_map_files(folder, cls.parts)

    def _rows(self, seed: int) -> Iterator[list[list[float]]]:
        for k in range(self.classes):
            maps, probability = self.category(seed, k).values()
            yield [[*coefficients, p] for coefficients, p in zip(maps, probability, strict=True)]

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
    return {"maps": maps[k, own].tolist(), "probability": probability[k, own].tolist()}


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


def shares(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights, float64 [C, MAX_MAPS], as probabilities: each row over its sum.

    A search ends with this, so that what is drawn, written to category files and read from them are the same bits.
    """
    return weights / weights.sum(axis=1, keepdims=True)


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
