"""Affine maps of space, x' = A x + t with a 3x3 matrix, drawn by the chaos game and seen by a perspective camera."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import float32, float64, njit, uint64
from numpy.typing import NDArray

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
    new_halves,
    step_choices,
    steps_for,
)

ORBITS = 32
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
    """

    address: NDArray[np.uint32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    rotation: NDArray[np.float64]
    points: int = 10_000
    value: int = 255
    canvas: int = 224

    background = 0
    channels = 1

    def __len__(self) -> int:
        return len(self.maps)


class Orbits(NamedTuple):
    """Arrays that the orbits of one image after the other are traced with."""

    points_3SR: NDArray[np.float32]
    """Row s + 1 is where step s leads; row 0 is the origin."""
    random: Halves
    choice: Halves
    high_R: NDArray[np.uint32]
    tables: NDArray[np.float32]
    """Coefficients a coordinate, [3, 4, MAX_MAPS]: a matrix row's three, then the translation."""
    lows_R: NDArray[np.float32]
    highs_R: NDArray[np.float32]
    sums_2R: NDArray[np.float64]


def new_orbits(points: int) -> Orbits:
    """Return scratch for images of so many points."""
    return Orbits(
        np.zeros((3, 1 + steps_for(points, ORBITS), ORBITS), np.float32),
        new_halves(ORBITS), new_halves(ORBITS), np.empty(ORBITS, np.uint32),
        np.empty((3, 4, MAX_MAPS), np.float32), np.empty(ORBITS, np.float32), np.empty(ORBITS, np.float32),
        np.empty((2, ORBITS), np.float64),
    )  # fmt: skip


@njit
def _advance(table, choice_R, x_R, y_R, z_R, new_R):  # type: ignore[no-untyped-def]
    for first in range(uint64(0), uint64(ORBITS), uint64(LANES)):
        advance_lanes(table, choice_R, (x_R, y_R, z_R), new_R, first)


@njit(nogil=True, cache=True)
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
        choice_R = step_choices(orbits.choice.words_4R, step, orbits.high_R)
        x_R, y_R, z_R = x_SR[step], y_SR[step], z_SR[step]
        _advance(tables[0], choice_R, x_R, y_R, z_R, x_SR[step + 1])
        _advance(tables[1], choice_R, x_R, y_R, z_R, y_SR[step + 1])
        _advance(tables[2], choice_R, x_R, y_R, z_R, z_SR[step + 1])


@njit
def _gather(value_R, count, low_R, high_R, sum_R, square_R):  # type: ignore[no-untyped-def]
    for orbit in range(uint64(count)):
        value = value_R[orbit]
        low_R[orbit] = value if value < low_R[orbit] else low_R[orbit]
        high_R[orbit] = value if value > high_R[orbit] else high_R[orbit]
        wide = float64(value)
        sum_R[orbit] += wide
        square_R[orbit] += wide * wide


@njit
def _moments(values_SR, points, orbits):  # type: ignore[no-untyped-def]
    """Return (least, greatest, sum, sum of squares) of the first `points` drawn values.

    Sums run in float64 along each orbit, then over the orbits in order: one order, one result, on every device.
    """
    low_R, high_R, sum_R, square_R = orbits.lows_R, orbits.highs_R, orbits.sums_2R[0], orbits.sums_2R[1]
    low_R[:] = float32(np.inf)
    high_R[:] = float32(-np.inf)
    orbits.sums_2R[:] = 0.0
    whole = points // ORBITS
    for s in range(BURN_IN + 1, BURN_IN + 1 + whole):
        _gather(values_SR[s], ORBITS, low_R, high_R, sum_R, square_R)
    if whole * ORBITS < points:
        _gather(values_SR[BURN_IN + 1 + whole], points - whole * ORBITS, low_R, high_R, sum_R, square_R)
    low, high, total, square = low_R[0], high_R[0], 0.0, 0.0
    for orbit in range(ORBITS):
        low = min(low, low_R[orbit])
        high = max(high, high_R[orbit])
        total += sum_R[orbit]
        square += square_R[orbit]
    return low, high, total, square


@njit(nogil=True, cache=True)
def normalisation(orbits, points, centre_3, variance_3):  # type: ignore[no-untyped-def]
    """Find the scale that takes the cloud's global extent to [-1, 1], its centroid, and the variance along each axis.

    Returns:
        Scale, float64, to multiply `point - centre_3` with; 0 when an orbit diverged or the cloud is one point.
        centre_3 (cloud units) and variance_3 (after scaling) are written, float64 [3].
    """
    least, greatest = float32(np.inf), float32(-np.inf)
    for axis in range(3):
        low, high, total, square = _moments(orbits.points_3SR[axis], points, orbits)
        if not (low > -DIVERGED and high < DIVERGED):
            return 0.0
        least, greatest = min(least, low), max(greatest, high)
        centre_3[axis] = total / points
        variance_3[axis] = square / points - centre_3[axis] * centre_3[axis]
    extent = float64(greatest) - float64(least)
    if extent <= 0.0:
        return 0.0
    scale = 2.0 / extent
    for axis in range(3):
        variance_3[axis] *= scale * scale
    return scale


@njit(nogil=True, cache=True)
def camera_matrix(rotation, scale, centre_3, matrix_34):  # type: ignore[no-untyped-def]
    """Write the matrix from cloud units to (right, up, depth) before the camera, float32 [3, 4], rounded once."""
    for axis in range(3):
        sign = -1.0 if axis == 2 else 1.0
        shift = 0.0
        for part in range(3):
            matrix_34[axis, part] = float32(sign * rotation[axis, part] * scale)
            shift -= sign * rotation[axis, part] * scale * centre_3[part]
        matrix_34[axis, 3] = float32(shift + (DISTANCE if axis == 2 else 0.0))


@njit(inline="always")
def camera_rows(matrix_34):  # type: ignore[no-untyped-def]
    """Return the camera matrix as three tuples: scalars stay in registers, and the loop over points vectorises."""
    return (
        (matrix_34[0, 0], matrix_34[0, 1], matrix_34[0, 2], matrix_34[0, 3]),
        (matrix_34[1, 0], matrix_34[1, 1], matrix_34[1, 2], matrix_34[1, 3]),
        (matrix_34[2, 0], matrix_34[2, 1], matrix_34[2, 2], matrix_34[2, 3]),
    )


@njit(inline="always")
def project(rows, x, y, z):  # type: ignore[no-untyped-def]
    """Return (u, v, depth): place on the image plane in half-heights from its middle, y down, and depth.

    The one division of the geometry: IEEE float32, correctly rounded on every device.
    """
    right = rows[0][0] * x + rows[0][1] * y + rows[0][2] * z + rows[0][3]
    up = rows[1][0] * x + rows[1][1] * y + rows[1][2] * z + rows[1][3]
    depth = rows[2][0] * x + rows[2][1] * y + rows[2][2] * z + rows[2][3]
    inverse = float32(FOCAL) / depth
    return right * inverse, -(up * inverse), depth
