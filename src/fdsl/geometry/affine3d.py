"""Affine maps of space, x' = A x + t with a 3x3 matrix, drawn by the chaos game and seen by a perspective camera."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import float32, float64, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.errors import check_int
from fdsl.geometry.lockstep import LANES, advance_lanes
from fdsl.geometry.maps import (
    BURN_IN,
    DIVERGED,
    GROUP,
    MAP_CHOICE,
    MAX_MAPS,
    Halves,
    choose,
    draw_halves,
    extent,
    new_halves,
    steps_for,
)
from fdsl.geometry.table import MAX_POINTS, check_array, check_grays

ORBITS = 32
FIRST = (BURN_IN + 1) * ORBITS
DISTANCE = 4.0
NEAR = 1.0
FAR = 100.0
FOCAL = 1.0 / np.tan(np.radians(45.0) / 2)
"""Canvas half-heights an object of unit size spans at unit depth: vertical field of view 45 degrees."""


@dataclass(frozen=True)
class AffineMaps3D:
    """A parameter table, one row an image.

    Attributes:
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance of the point cloud.
        maps: float32 [N, MAX_MAPS, 12], the matrix row-major, then the translation.
        begins: int32 [N, MAX_MAPS], from `maps.thresholds`.
        rotation: float64 [N, 3, 3], world to camera: rows are the camera's right, up and backward axes.
        points: points a cloud.
        value: gray of a point.
        canvas: side of the native canvas, pixels.
        textures: uint32 [N, 4], the address under which each point of an image draws a gray of its own, I{1..255},
            instead of `value`; of the points in a pixel the nearest shows.
    """

    address: NDArray[np.uint32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    rotation: NDArray[np.float64]
    points: int = 10_000
    value: int = 255
    canvas: int = 224
    textures: NDArray[np.uint32] | None = None

    background = 0
    channels = 1

    def __post_init__(self) -> None:
        check_array("maps", self.maps, np.float32, ("N", MAX_MAPS, 12))
        count = len(self.maps)
        check_array("address", self.address, np.uint32, (count, 4))
        check_array("begins", self.begins, np.int32, (count, MAX_MAPS))
        check_array("rotation", self.rotation, np.float64, (count, 3, 3))
        check_int("points", self.points, 1, MAX_POINTS)
        check_grays(self.canvas, value=self.value)
        if self.textures is not None:
            check_array("textures", self.textures, np.uint32, (count, 4))

    def __len__(self) -> int:
        return len(self.maps)

    def mask(self) -> AffineMaps3D:
        """Return the table that draws 1 where this one draws a point, and 0 elsewhere."""
        return replace(self, value=1, textures=None)


class Orbits(NamedTuple):
    """Arrays that the orbits of one image after the other are traced with."""

    points_3SR: NDArray[np.float32]
    """Row s + 1 is where step s leads; row 0 is the origin."""
    points_3P: NDArray[np.float32]
    """The same memory, flat: drawn are the points from FIRST on."""
    random: Halves
    choice: Halves
    tables: NDArray[np.float32]
    """Coefficients a coordinate, [3, 4, MAX_MAPS]: a matrix row's three, then the translation."""
    low_3R: NDArray[np.float32]
    """Least coordinates of the drawn points, an orbit."""
    high_3R: NDArray[np.float32]
    sum_3R: NDArray[np.float64]


def new_orbits(points: int) -> Orbits:
    """Return scratch for images of so many points."""
    points_3SR = np.zeros((3, 1 + steps_for(points, ORBITS), ORBITS), np.float32)
    return Orbits(
        points_3SR, points_3SR.reshape(3, -1),
        new_halves(ORBITS), new_halves(ORBITS),
        np.empty((3, 4, MAX_MAPS), np.float32),
        np.empty((3, ORBITS), np.float32), np.empty((3, ORBITS), np.float32), np.empty((3, ORBITS), np.float64),
    )  # fmt: skip


@inlined
def _advance(tables, choice_R, shift, x_R, y_R, z_R, new_x_R, new_y_R, new_z_R):  # type: ignore[no-untyped-def]
    for first in range(uint64(0), uint64(ORBITS), uint64(LANES)):
        advance_lanes(tables, choice_R, shift, (x_R, y_R, z_R), (new_x_R, new_y_R, new_z_R), first)


@kernel
def trace(address, maps, begins, orbits):  # type: ignore[no-untyped-def]
    """Run all orbits of one image."""
    tables = orbits.tables
    for axis in range(3):
        for m in range(MAX_MAPS):
            for part in range(3):
                tables[axis, part, m] = maps[m, 3 * axis + part]
            tables[axis, 3, m] = maps[m, 9 + axis]
    x_SR, y_SR, z_SR = orbits.points_3SR[0], orbits.points_3SR[1], orbits.points_3SR[2]
    for step in range(len(x_SR) - 1):
        if step % GROUP == 0:
            draw_halves(address, MAP_CHOICE, step // GROUP, orbits.random.words_4R)
            choose(orbits.random.halves, begins, orbits.choice.halves)
        choice_R, shift = orbits.choice.words_4R[(step % GROUP) >> 1], uint32(16 * (step % 2))
        _advance(
            tables, choice_R, shift, x_SR[step], y_SR[step], z_SR[step],
            x_SR[step + 1], y_SR[step + 1], z_SR[step + 1],
        )  # fmt: skip


@inlined
def _gather(values_P, rows, count, low_R, high_R, sum_R):  # type: ignore[no-untyped-def]
    for orbit in range(uint64(count)):
        low, high, total = low_R[orbit], high_R[orbit], sum_R[orbit]
        for k in range(rows):
            value = values_P[uint64(k * ORBITS) + orbit]
            low = value if value < low else low
            high = value if value > high else high
            total += float64(value)
        low_R[orbit], high_R[orbit], sum_R[orbit] = low, high, total


@inner
def _gather_group(values_P, low_R, high_R, sum_R):  # type: ignore[no-untyped-def]
    """Take in the first rows of a group: with their number known they stay in registers."""
    _gather(values_P, GROUP, ORBITS, low_R, high_R, sum_R)


@inner
def _gather_row(values_P, count, low_R, high_R, sum_R):  # type: ignore[no-untyped-def]
    _gather(values_P, 1, count, low_R, high_R, sum_R)


@inner
def _gather_all(values_P, low_R, high_R, sum_R):  # type: ignore[no-untyped-def]
    """Write the least and the greatest of each orbit's drawn values, and their sum, float64, in order."""
    low_R[:] = float32(np.inf)
    high_R[:] = float32(-np.inf)
    sum_R[:] = 0.0
    whole = len(values_P) // (GROUP * ORBITS) * (GROUP * ORBITS)
    for begin in range(0, whole, GROUP * ORBITS):
        _gather_group(values_P[begin:], low_R, high_R, sum_R)
    for begin in range(whole, len(values_P), ORBITS):
        _gather_row(values_P[begin:], min(ORBITS, len(values_P) - begin), low_R, high_R, sum_R)


@inner
def find_scale(low_3R, high_3R, sum_3R, points, centre_3):  # type: ignore[no-untyped-def]
    """Return what `normalisation` returns, from each orbit's least and greatest coordinates and their sums.

    Sums run in float64 along each orbit, then over the orbits in order: one order, one result, on every device.
    """
    least, greatest = float32(np.inf), float32(-np.inf)
    for axis in range(3):
        low, high = extent(low_3R[axis], high_3R[axis])
        if not (low > -DIVERGED and high < DIVERGED):
            return 0.0
        least, greatest = min(least, low), max(greatest, high)
        total = 0.0
        for orbit in range(ORBITS):
            total += sum_3R[axis, orbit]
        centre_3[axis] = total / points
    reach = float64(greatest) - float64(least)
    return 2.0 / reach if reach > 0.0 else 0.0


@kernel
def normalisation(orbits, points, centre_3):  # type: ignore[no-untyped-def]
    """Find the scale that takes the cloud's global extent to [-1, 1], and its centroid.

    Returns:
        Scale, float64, to multiply `point - centre_3` with; 0 when an orbit diverged or the cloud is one point.
        centre_3 (cloud units) is written, float64 [3].
    """
    low_3R, high_3R, sum_3R = orbits.low_3R, orbits.high_3R, orbits.sum_3R
    for axis in range(3):
        values_P = orbits.points_3P[axis, FIRST : FIRST + points]
        _gather_all(values_P, low_3R[axis], high_3R[axis], sum_3R[axis])
    return find_scale(low_3R, high_3R, sum_3R, points, centre_3)


@kernel
def normalise(orbits, points, scale, centre_3, cloud_P3):  # type: ignore[no-untyped-def]
    """Write the drawn points in world coordinates, float32 [P, 3]."""
    for axis in range(3):
        values_P, centre = orbits.points_3P[axis], centre_3[axis]
        for p in range(uint64(points)):
            cloud_P3[p, axis] = float32((float64(values_P[uint64(FIRST) + p]) - centre) * scale)


@kernel
def least_variance(orbits, points, scale, centre_3):  # type: ignore[no-untyped-def]
    """Return the least variance of the normalised cloud along an axis."""
    least = np.inf
    for axis in range(3):
        values_P = orbits.points_3P[axis, FIRST : FIRST + points]
        sum_R = orbits.sum_3R[axis]
        sum_R[:] = 0.0
        for begin in range(0, points, ORBITS):
            for orbit in range(uint64(min(ORBITS, points - begin))):
                value = float64(values_P[uint64(begin) + orbit])
                sum_R[orbit] += value * value
        square = 0.0
        for orbit in range(ORBITS):
            square += sum_R[orbit]
        variance = square / points - centre_3[axis] * centre_3[axis]
        least = min(least, variance * (scale * scale))
    return least


@kernel
def camera_matrix(rotation, scale, centre_3, matrix_34):  # type: ignore[no-untyped-def]
    """Write the matrix from cloud units to (right, up, depth) before the camera, float32 [3, 4], rounded once."""
    for axis in range(3):
        sign = -1.0 if axis == 2 else 1.0
        shift = 0.0
        for part in range(3):
            matrix_34[axis, part] = float32(sign * rotation[axis, part] * scale)
            shift -= sign * rotation[axis, part] * scale * centre_3[part]
        matrix_34[axis, 3] = float32(shift + (DISTANCE if axis == 2 else 0.0))


@inlined
def camera_rows(matrix_34):  # type: ignore[no-untyped-def]
    """Return the camera matrix as three tuples: scalars stay in registers, and the loop over points vectorises."""
    return (
        (matrix_34[0, 0], matrix_34[0, 1], matrix_34[0, 2], matrix_34[0, 3]),
        (matrix_34[1, 0], matrix_34[1, 1], matrix_34[1, 2], matrix_34[1, 3]),
        (matrix_34[2, 0], matrix_34[2, 1], matrix_34[2, 2], matrix_34[2, 3]),
    )


@inlined
def project(rows, x, y, z):  # type: ignore[no-untyped-def]
    """Return (u, v, depth): place on the image plane in half-heights from its middle, y down, and depth.

    The one division of the geometry: IEEE float32, correctly rounded on every device.
    """
    right = rows[0][0] * x + rows[0][1] * y + rows[0][2] * z + rows[0][3]
    up = rows[1][0] * x + rows[1][1] * y + rows[1][2] * z + rows[1][3]
    depth = rows[2][0] * x + rows[2][1] * y + rows[2][2] * z + rows[2][3]
    inverse = float32(FOCAL) / depth
    return right * inverse, -(up * inverse), depth
