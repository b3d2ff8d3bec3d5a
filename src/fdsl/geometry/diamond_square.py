"""Noise by the diamond-square algorithm (Fournier, Fussell and Carpenter, 1982), in integers.

A grid of 2^8 + 1 points a side begins with its corners and is refined level by level: each square's middle is the mean
of its corners, each edge's middle that of its ends and the two middles beside it, and every new point is displaced by
a uniform number within the level's amplitude. At the border, the middle from the opposite border stands in for the one
that is missing. Values are in units of 1 / ONE; the corners lie in 0..1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import int32, uint64
from numpy.typing import NDArray

from fdsl.compiled import VECTOR, inlined, inner
from fdsl.geometry.maps import Halves, draw_halves, new_halves
from fdsl.random.purpose import Purpose

FIELD = int(Purpose.FIELD)
LEVELS = 8
CELLS = 1 << LEVELS
SIDE = CELLS + 1
"""Points a side."""
ONE = 1 << 16
BLOCKS = -(-SIDE * SIDE // 8 // VECTOR) * VECTOR
"""A block of words is eight halves, one a point."""


class Field(NamedTuple):
    """Arrays that one grid after the other is drawn with."""

    grid: NDArray[np.int32]
    """The finished grid, flat, SIDE a line; a line and a point follow that lookups between points may touch."""
    other: NDArray[np.int32]
    middle: NDArray[np.int32]
    """Of the squares of a level."""
    random: Halves


def new_field() -> Field:
    """Return scratch for one grid."""
    cells = SIDE * SIDE + SIDE + 1
    grids = np.zeros((2, cells), np.int32)
    return Field(grids[0], grids[1], np.empty((CELLS // 2) ** 2, np.int32), new_halves(BLOCKS))


def amplitudes(decay: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return how far the points of each level move at most, 0.5 exp(-decay level), int32 [N, LEVELS] of ONE."""
    return np.rint(0.5 * ONE * np.exp(-np.multiply.outer(decay, np.arange(LEVELS)))).astype(np.int32)


@inlined
def displaced(total, half, amplitude):  # type: ignore[no-untyped-def]
    """Return the mean of four whose sum is given, displaced by a uniform number within the amplitude."""
    return int32(
        (int32(total) >> int32(2)) + (int32(int32(int32(half) - int32(32768)) * amplitude) >> int32(15))
    )


@inner
def _find_middles(coarse, squares, halves, amplitude, middle):  # type: ignore[no-untyped-def]
    """Write the middles of a level's squares, `squares` a side, line by line."""
    points = squares + 1
    for i in range(squares):
        upper, lower = coarse[i * points : (i + 1) * points], coarse[(i + 1) * points : (i + 2) * points]
        half_W, out_W = halves[i * squares : (i + 1) * squares], middle[i * squares : (i + 1) * squares]
        for j in range(uint64(len(out_W))):
            right = j + uint64(1)
            total = int32(int32(upper[j] + upper[right]) + int32(lower[j] + lower[right]))
            out_W[j] = displaced(total, half_W[j], amplitude)


@inner
def _level_lines(coarse, squares, halves, amplitude, middle, fine):  # type: ignore[no-untyped-def]
    """Write the lines of the finer grid that hold old points: between two of them a new one."""
    points, pitch = squares + 1, 2 * squares + 1
    for i in range(points):
        above, below = (i - 1 if i > 0 else squares - 1), (i if i < squares else 0)
        upper, lower = (
            middle[above * squares : (above + 1) * squares],
            middle[below * squares : (below + 1) * squares],
        )
        old_W, half_W = coarse[i * points : (i + 1) * points], halves[i * squares : (i + 1) * squares]
        out_W = fine[2 * i * pitch : (2 * i + 1) * pitch]
        for j in range(uint64(squares)):
            total = int32(int32(upper[j] + lower[j]) + int32(old_W[j] + old_W[j + uint64(1)]))
            out_W[j + j] = old_W[j]
            out_W[j + j + uint64(1)] = displaced(total, half_W[j], amplitude)
        out_W[2 * squares] = old_W[squares]


@inner
def _lines_between(coarse, squares, halves, amplitude, middle, fine):  # type: ignore[no-untyped-def]
    """Write the lines of the finer grid that hold the middles of squares: between two of them a new point."""
    points, pitch = squares + 1, 2 * squares + 1
    for i in range(squares):
        upper, lower = coarse[i * points : (i + 1) * points], coarse[(i + 1) * points : (i + 2) * points]
        middle_W, half_W = middle[i * squares : (i + 1) * squares], halves[i * points : (i + 1) * points]
        out_W = fine[(2 * i + 1) * pitch : (2 * i + 2) * pitch]
        around = int32(middle_W[0] + middle_W[squares - 1])
        out_W[0] = displaced(int32(around + int32(upper[0] + lower[0])), half_W[0], amplitude)
        last = int32(around + int32(upper[squares] + lower[squares]))
        out_W[2 * squares] = displaced(last, half_W[squares], amplitude)
        out_W[1] = middle_W[0]
        for j in range(uint64(1), uint64(squares)):
            total = int32(int32(upper[j] + lower[j]) + int32(middle_W[j - uint64(1)] + middle_W[j]))
            out_W[j + j] = displaced(total, half_W[j], amplitude)
            out_W[j + j + uint64(1)] = middle_W[j]


@inner
def draw_field(address, amplitude_K, field):  # type: ignore[no-untyped-def]
    """Draw one image's grid into `field.grid`.

    Points take their 16 random bits in order: corners, then of each level the middles of squares, of level edges and
    of upright ones, line by line.
    """
    draw_halves(address, FIELD, 0, field.random.words_4R)
    halves, coarse, fine = field.random.halves, field.grid, field.other
    for corner in range(4):
        coarse[corner] = int32(halves[corner])
    begin = 4
    for level in range(LEVELS):
        squares, amplitude = 1 << level, int32(amplitude_K[level])
        edges = squares * (squares + 1)
        _find_middles(coarse, squares, halves[begin:], amplitude, field.middle)
        begin += squares * squares
        _level_lines(coarse, squares, halves[begin:], amplitude, field.middle, fine)
        begin += edges
        _lines_between(coarse, squares, halves[begin:], amplitude, field.middle, fine)
        begin += edges
        coarse, fine = fine, coarse  # as often as brings the last back into `grid`
