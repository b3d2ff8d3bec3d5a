"""Affine maps of the plane: x' = a x + b y + e, y' = c x + d y + f, drawn by the chaos game."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import float32, int32, njit
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

ORBITS = 128


@dataclass(frozen=True)
class AffineMaps2D:
    """A parameter table, one row an image.

    Attributes:
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance.
        maps: float32 [N, MAX_MAPS, 6], coefficients a b c d e f.
        begins: int32 [N, MAX_MAPS], from `maps.thresholds`.
        flips: uint8 [N], bit 0 mirrors left-right, bit 1 top-bottom.
        points: points an image.
        ink: "point" (the pixel), "paste" (an opaque random 3x3 patch) or "or" (a patch whose zeros leave pixels alone).
        value: gray of the ink.
        colour: the hue changes from point to point of an orbit, 128 in turn, instead of gray.
        canvas: side of the native canvas, pixels.
        padding: of the fitted attractor, canvas pixels.
    """

    address: NDArray[np.uint32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    flips: NDArray[np.uint8]
    points: int = 100_000
    ink: str = "paste"
    value: int = 127
    colour: bool = False
    canvas: int = 512
    padding: int = 6

    background = 0

    @property
    def channels(self) -> int:
        return 3 if self.colour else 1

    def __len__(self) -> int:
        return len(self.maps)


def scratch(points: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.uint32]]:
    """Return work arrays for `trace`: x and y, float32 [S, R], row 0 the origin; and words, uint32 [4, R]."""
    shape = (1 + steps_for(points, ORBITS), ORBITS)
    return np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.empty((4, ORBITS), np.uint32)


@njit
def _advance(words_R, step, begin, a, b, e, x_R, y_R, new_R):  # type: ignore[no-untyped-def]
    """Write one coordinate of every orbit after `step`. A call of its own: inlined, LLVM leaves it scalar."""
    for orbit in range(ORBITS):
        choice = int32(half(words_R[orbit], step))
        new_R[orbit] = (
            pick(choice, begin, a) * x_R[orbit] + pick(choice, begin, b) * y_R[orbit] + pick(choice, begin, e)
        )


@njit(nogil=True, cache=True)
def trace(address, maps, begins, x_SR, y_SR, words_4R):  # type: ignore[no-untyped-def]
    """Run all orbits of one image; step s is written to row s + 1 of x_SR and y_SR."""
    begin = row(begins)
    a, b, e = column(maps, 0), column(maps, 1), column(maps, 4)
    c, d, f = column(maps, 2), column(maps, 3), column(maps, 5)
    for step in range(len(x_SR) - 1):
        if step % 8 == 0:
            draw_halves(address, MAP_CHOICE, step // 8, words_4R)
        words_R = words_4R[(step % 8) >> 1]
        _advance(words_R, step, begin, a, b, e, x_SR[step], y_SR[step], x_SR[step + 1])
        _advance(words_R, step, begin, c, d, f, x_SR[step], y_SR[step], y_SR[step + 1])


@njit
def _extent(values_SR, first, last, low_R, high_R):  # type: ignore[no-untyped-def]
    """Return the least and greatest value of rows first..last-1. Orbit by orbit, so that the loop vectorises."""
    low_R[:] = float32(np.inf)
    high_R[:] = float32(-np.inf)
    for s in range(first, last):
        for orbit in range(ORBITS):
            value = values_SR[s, orbit]
            low_R[orbit] = value if value < low_R[orbit] else low_R[orbit]
            high_R[orbit] = value if value > high_R[orbit] else high_R[orbit]
    low, high = low_R[0], high_R[0]
    for orbit in range(1, ORBITS):
        low = min(low, low_R[orbit])
        high = max(high, high_R[orbit])
    return low, high


@njit
def _first_diverged(x_SR, y_SR, first):  # type: ignore[no-untyped-def]
    for s in range(first, len(x_SR)):
        for orbit in range(ORBITS):
            if not (abs(x_SR[s, orbit]) < DIVERGED and abs(y_SR[s, orbit]) < DIVERGED):
                return s
    return len(x_SR)


@njit(nogil=True, cache=True)
def bounds(x_SR, y_SR):  # type: ignore[no-untyped-def]
    """Return (rows end, least x, greatest x, least y, greatest y) of the drawn points.

    Drawn are rows BURN_IN + 1 .. end - 1; end falls short of the rows where an orbit diverges.
    """
    first, last = BURN_IN + 1, len(x_SR)
    low_R, high_R = np.empty(ORBITS, np.float32), np.empty(ORBITS, np.float32)
    low_x, high_x = _extent(x_SR, first, last, low_R, high_R)
    low_y, high_y = _extent(y_SR, first, last, low_R, high_R)
    if not (low_x > -DIVERGED and high_x < DIVERGED and low_y > -DIVERGED and high_y < DIVERGED):
        last = max(first, _first_diverged(x_SR, y_SR, 0))
        low_x, high_x = _extent(x_SR, first, last, low_R, high_R)
        low_y, high_y = _extent(y_SR, first, last, low_R, high_R)
    return last, low_x, high_x, low_y, high_y


@njit(inline="always")
def fit(low, high, canvas, padding):  # type: ignore[no-untyped-def]
    """Return (scale, offset), float64, that take [low, high] to the canvas less its padding."""
    extent = np.float64(high) - np.float64(low)
    scale = (canvas - 2.0 * padding) / extent if extent > 0.0 else 0.0
    return scale, padding - scale * np.float64(low)


@njit(nogil=True, cache=True)
def fill(x_SR, y_SR, points, canvas, padding, hits):  # type: ignore[no-untyped-def]
    """Return the share of the canvas's pixels that the points hit. `hits` is uint8 [canvas * canvas], scratch."""
    last, low_x, high_x, low_y, high_y = bounds(x_SR, y_SR)
    scale_x, offset_x = fit(low_x, high_x, canvas, padding)
    scale_y, offset_y = fit(low_y, high_y, canvas, padding)
    sx, ox, sy, oy = float32(scale_x), float32(offset_x), float32(scale_y), float32(offset_y)
    hits[:] = 0
    left = min(points, (last - BURN_IN - 1) * ORBITS)
    for s in range(BURN_IN + 1, last):
        for orbit in range(min(left, ORBITS)):
            x, y = sx * x_SR[s, orbit] + ox, sy * y_SR[s, orbit] + oy
            if (x >= 0.0) & (x < canvas) & (y >= 0.0) & (y < canvas):  # false for what is no number, too
                hits[int32(y) * canvas + int32(x)] = 1
        left -= ORBITS
    count = 0
    for place in range(len(hits)):
        count += hits[place]
    return count / len(hits)
