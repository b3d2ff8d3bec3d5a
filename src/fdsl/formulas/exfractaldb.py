"""ExFractalDB and MV-FractalDB (Kataoka et al., CVPR 2022; Yamada et al., IROS 2021): fractals in space."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_float, check_int
from fdsl.formulas.ifs import SEARCH, MapFamily, Systems, candidates, shares, weigh
from fdsl.formulas.search import find
from fdsl.geometry import affine3d
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.maps import thresholds
from fdsl.geometry.table import MAX_POINTS
from fdsl.random import Purpose, stream_word, uniform, words

CANVAS = 224
PARTS = 12
POINTS = 10_000
WEIGHTING_SETS = (25, 49, 73, 97, 121, 145)
VIEWS = 12
JITTER_DEGREES = 3.15


@dataclass(frozen=True, kw_only=True)
class ExFractalDB(MapFamily):
    """Attractors of 2 to 7 affine maps of space seen from a random viewpoint: white points on black, native canvas 224.

    Instance i has weighting i mod `weightings`: none, or one of the 12 coefficients of every map scaled by 0.4, 0.5 ...
    1.6; and a viewpoint of its own, uniform on the sphere.

    Attributes:
        weightings: 145, or a smaller published set (121, 97, 73, 49, 25) with the factors nearest 1.
        least_variance: a category's normalised cloud varies more than this along each axis (the released script's
            setting is 0.05, its code's default 0.15).
        points: points a cloud.
        files: published categories instead of searched ones, columns a..l, p: see `from_csv`.
    """

    weightings: int = 145
    least_variance: float = 0.05
    points: int = POINTS

    name: ClassVar[str] = "ExFractalDB"
    source: ClassVar[str] = "Kataoka et al., CVPR 2022, https://arxiv.org/abs/2206.09132"
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("parameters", "box", "mask", "points", "depth", "camera")
    parts: ClassVar[int] = PARTS

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weightings not in WEIGHTING_SETS:
            raise InputError(f"weightings must be one of {WEIGHTING_SETS}, got {self.weightings!r}")
        check_float("least_variance", self.least_variance, 0.0, 0.3)
        check_int("points", self.points, 1, MAX_POINTS)

    @property
    def factors(self) -> tuple[float, ...]:
        """What a coefficient may be scaled by."""
        reach = (self.weightings - 1) // PARTS // 2
        return tuple(round(1 + step / 10, 1) for step in range(-reach, reach + 1) if step)

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps3D:
        k, i = self._identity(seed, categories, instances)
        cloud, yaw, height = self._views(seed, k, i)
        maps, probability, count = self.systems(seed)
        return AffineMaps3D(
            address=self._address(seed, k, cloud),
            maps=weigh(maps[k], cloud % self.weightings, self.factors).astype(np.float32),
            begins=thresholds(probability[k], count[k]),
            rotation=camera_rotation(yaw, height),
            points=self.points,
        )

    def _views(
        self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the cloud's number, and the camera's yaw (radians) and height (sine of its elevation)."""
        word = words(seed, self.stream, k, i, Purpose.VIEWPOINT, 2)
        return i, uniform(word[:, 0], 0, 2 * np.pi), uniform(word[:, 1], -1, 1)

    def _searched(self, seed: int) -> Systems:
        return _searched(seed, self.classes, self.least_variance)


@dataclass(frozen=True, kw_only=True)
class MVFractalDB(ExFractalDB):
    """ExFractalDB's categories from 12 fixed viewpoints around the vertical axis.

    Instance i is view i mod 12, at a yaw of 30 degrees more each, with a jitter of at most 3.15 degrees, of cloud
    i div 12; cloud c has weighting c mod `weightings`.
    """

    name: ClassVar[str] = "MVFractalDB"
    source: ClassVar[str] = "Yamada et al., IROS 2021"

    def _views(
        self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        word = words(seed, self.stream, k, i, Purpose.VIEWPOINT, 1)
        degrees = (i % VIEWS + 1) * (360 / VIEWS) + uniform(word[:, 0], -JITTER_DEGREES, JITTER_DEGREES)
        return i // VIEWS, np.radians(degrees), np.zeros(len(i))


def camera_rotation(yaw: NDArray[np.float64], height: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotations from world to camera, float64 [N, 3, 3]: rows right, up, backward; the world's up is +y.

    Args:
        yaw: around the vertical axis, radians, [N].
        height: sine of the elevation, [N].
    """
    sin, cos = np.sin(yaw), np.cos(yaw)
    level = np.sqrt(1 - height**2)
    right = np.stack([cos, np.zeros_like(yaw), -sin], axis=1)
    up = np.stack([-height * sin, level, -height * cos], axis=1)
    backward = np.stack([level * sin, height, level * cos], axis=1)
    return np.stack([right, up, backward], axis=1)


def _determinants(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    a, b, c, d, e, f, g, h, i = (maps[..., part] for part in range(9))
    return np.abs(a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g))


@lru_cache(maxsize=16)
def _searched(seed: int, classes: int, least_variance: float) -> Systems:
    """Find the first `classes` systems whose normalised cloud varies enough along each axis.

    All spatial families of one seed share ExFractalDB's categories.
    """
    stream = f"{ExFractalDB.name}/{ExFractalDB.version}"

    def accepted(numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        maps, count = candidates(seed, stream, numbers, PARTS)
        begins = thresholds(_determinants(maps), count)
        orbits = affine3d.new_orbits(POINTS)
        centre_3 = np.empty(3)
        good = np.zeros(len(numbers), np.bool_)
        for row, number in enumerate(numbers):
            address = np.array([seed, stream_word(stream), number, SEARCH], np.uint32)
            affine3d.trace(address, maps[row].astype(np.float32), begins[row], orbits)
            scale = affine3d.normalisation(orbits, POINTS, centre_3)
            good[row] = (
                scale > 0 and affine3d.least_variance(orbits, POINTS, scale, centre_3) > least_variance
            )
        return good

    definition = {
        "family": ExFractalDB.name, "stream": stream, "seed": seed, "least_variance": least_variance,
    }  # fmt: skip
    maps, count = candidates(seed, stream, find(definition, accepted, classes), PARTS)
    return Systems(maps, shares(_determinants(maps)), count)
