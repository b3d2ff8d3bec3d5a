"""Affine maps of space, x' = A x + t with a 3x3 matrix, drawn by the chaos game and seen by a perspective camera."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import float32, float64, int32, njit
from numpy.typing import NDArray

from fdsl.geometry.maps import (
    BURN_IN,
    DIVERGED,
    MAP_CHOICE,
    column,
    draw_halves,
    half,
    pick,
    row,
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


def scratch(points: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return work arrays for `trace`: coordinates, float32 [3, S, R], row 0 the origin; and words, uint32 [4, R]."""
    return np.zeros((3, 1 + steps_for(points, ORBITS), ORBITS), np.float32), np.empty((4, ORBITS), np.uint32)


@njit(inline="always")
def _advance(words_R, step, begin, a, b, c, t, x_R, y_R, z_R, new_R):  # type: ignore[no-untyped-def]
    """Write one coordinate of every orbit after `step`."""
    for orbit in range(ORBITS):
        choice = int32(half(words_R[orbit], step))
        new_R[orbit] = (
            pick(choice, begin, a) * x_R[orbit]
            + pick(choice, begin, b) * y_R[orbit]
            + pick(choice, begin, c) * z_R[orbit]
            + pick(choice, begin, t)
        )


@njit(nogil=True, cache=True)
def trace(address, maps, begins, points_3SR, words_4R):  # type: ignore[no-untyped-def]
    """Run all orbits of one image; step s is written to row s + 1 of points_3SR.

    The coefficients are loaded once, outside the steps: that, and inlining, is worth three times the speed.
    """
    begin = row(begins)
    a, b, c, p = column(maps, 0), column(maps, 1), column(maps, 2), column(maps, 9)
    d, e, f, q = column(maps, 3), column(maps, 4), column(maps, 5), column(maps, 10)
    g, h, i, r = column(maps, 6), column(maps, 7), column(maps, 8), column(maps, 11)
    x_SR, y_SR, z_SR = points_3SR[0], points_3SR[1], points_3SR[2]
    for step in range(len(x_SR) - 1):
        if step % 8 == 0:
            draw_halves(address, MAP_CHOICE, step // 8, words_4R)
        words_R = words_4R[(step % 8) >> 1]
        x_R, y_R, z_R = x_SR[step], y_SR[step], z_SR[step]
        _advance(words_R, step, begin, a, b, c, p, x_R, y_R, z_R, x_SR[step + 1])
        _advance(words_R, step, begin, d, e, f, q, x_R, y_R, z_R, y_SR[step + 1])
        _advance(words_R, step, begin, g, h, i, r, x_R, y_R, z_R, z_SR[step + 1])


@njit
def _moments(values_SR, first, points, low_R, high_R, sum_R, square_R):  # type: ignore[no-untyped-def]
    """Return (least, greatest, sum, sum of squares) of the first `points` values from row `first` on.

    Sums run in float64 along each orbit, then over the orbits in order: one order, one result, on every device.
    """
    low_R[:] = float32(np.inf)
    high_R[:] = float32(-np.inf)
    sum_R[:] = 0.0
    square_R[:] = 0.0
    left = points
    s = first
    while left > 0:
        for orbit in range(min(left, ORBITS)):
            value = values_SR[s, orbit]
            low_R[orbit] = value if value < low_R[orbit] else low_R[orbit]
            high_R[orbit] = value if value > high_R[orbit] else high_R[orbit]
            wide = float64(value)
            sum_R[orbit] += wide
            square_R[orbit] += wide * wide
        left -= ORBITS
        s += 1
    low, high, total, square = low_R[0], high_R[0], 0.0, 0.0
    for orbit in range(ORBITS):
        low = min(low, low_R[orbit])
        high = max(high, high_R[orbit])
        total += sum_R[orbit]
        square += square_R[orbit]
    return low, high, total, square


@njit(nogil=True, cache=True)
def normalisation(points_3SR, points, centre_3, variance_3):  # type: ignore[no-untyped-def]
    """Find the scale that takes the cloud's global extent to [-1, 1], its centroid, and the variance along each axis.

    Returns:
        Scale, float64, to multiply `point - centre_3` with; 0 when an orbit diverged or the cloud is one point.
        centre_3 (cloud units) and variance_3 (after scaling) are written, float64 [3].
    """
    low_R, high_R = np.empty(ORBITS, np.float32), np.empty(ORBITS, np.float32)
    sum_R, square_R = np.empty(ORBITS, np.float64), np.empty(ORBITS, np.float64)
    least, greatest = float32(np.inf), float32(-np.inf)
    for axis in range(3):
        low, high, total, square = _moments(
            points_3SR[axis], BURN_IN + 1, points, low_R, high_R, sum_R, square_R
        )
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
