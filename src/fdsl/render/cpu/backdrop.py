"""A noise field, coloured, behind everything else."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner
from fdsl.geometry.diamond_square import CELLS, SIDE
from fdsl.render.cpu.packed import packed_hsv

SHADES, LOWEST = 1280, -512
"""Colours of a field, 256 a unit: of values from -2 up to 3."""
STEPS = 8
"""Bits of a place between two points."""
_FARTHEST = 2.0**20
_PERIOD = 2 * CELLS << STEPS
_SHARE = (1 << STEPS) - 1


class Lookup(NamedTuple):
    """Scratch for one line of the canvas, W pixels."""

    place_W: NDArray[np.uint32]
    """Of the upper left of the four points around."""
    right_W: NDArray[np.int32]
    """Share of the right ones, of 2^STEPS."""
    low_W: NDArray[np.int32]
    """Share of the lower ones."""
    values_W: NDArray[np.int32]
    upper_W: NDArray[np.uint32]
    """Colours of the line of points above it, and"""
    lower_W: NDArray[np.uint32]
    """below."""
    left_W: NDArray[np.uint32]
    """Colours of the points to the left, and"""
    next_W: NDArray[np.uint32]
    """to the right."""


def new_lookup(side: int) -> Lookup:
    """Return scratch for canvases of so many pixels a side."""
    right, low, values = (np.empty(side, np.int32) for _ in range(3))
    place, upper, lower, left, after = (np.empty(side, np.uint32) for _ in range(5))
    return Lookup(place, right, low, values, upper, lower, left, after)


@inlined
def _held(value):  # type: ignore[no-untyped-def]
    value = value if value > int32(0) else int32(0)
    return value if value < int32(255) else int32(255)


@inlined
def colour_of_shade(backdrop, shade):  # type: ignore[no-untyped-def]
    """Return the packed colour of the noise value of this number. `backdrop` is int32 [6], as in `FractalScenes`."""
    z = int32(shade + LOWEST)
    hue = ((z * backdrop[0] + backdrop[1]) >> 16) & 255
    saturation = _held((z * backdrop[2] + backdrop[3]) >> 16)
    return packed_hsv(hue, saturation, _held((z * backdrop[4] + backdrop[5]) >> 16))


@inner
def find_shades(backdrop, shades):  # type: ignore[no-untyped-def]
    """Write the packed colour of each of SHADES noise values."""
    for shade in range(SHADES):
        shades[shade] = colour_of_shade(backdrop, shade)


@inlined
def shade_of(value):  # type: ignore[no-untyped-def]
    """Return the number of a value of the field, int32, among SHADES, uint32."""
    shade = (value >> int32(8)) - int32(LOWEST)
    shade = shade if shade > int32(0) else int32(0)
    return uint32(shade if shade < int32(SHADES - 1) else int32(SHADES - 1))


@inlined
def mirrored(place):  # type: ignore[no-untyped-def]
    """Return a coordinate in steps, held where no float32 knows a point from the next, then mirrored into the field."""
    place = abs(place)
    place = place if place < float32(_FARTHEST) else float32(_FARTHEST)
    steps = int32(place * float32(1 << STEPS)) & int32(_PERIOD - 1)
    return steps if steps <= int32(_PERIOD // 2) else int32(_PERIOD) - steps


@inlined
def located(u, v):  # type: ignore[no-untyped-def]
    """Return (place, right, low) of a point of the field, as `Lookup` has them; u and v are from `mirrored`."""
    place = uint32(int32(int32(v >> int32(STEPS)) * int32(SIDE)) + int32(u >> int32(STEPS)))
    return place, u & int32(_SHARE), v & int32(_SHARE)


@inlined
def _between(a, b, share):  # type: ignore[no-untyped-def]
    return int32(a + (int32(int32(b - a) * share) >> int32(STEPS)))


@inlined
def value_at(grid, place, right, low):  # type: ignore[no-untyped-def]
    """Return the field's value at a point that was located, bilinear between points."""
    place, one, pitch = uint64(place), uint64(1), uint64(SIDE)
    upper = _between(grid[place], grid[place + one], right)
    lower = _between(grid[place + pitch], grid[place + pitch + one], right)
    return _between(upper, lower, low)


@inner
def _locate(back, line, lookup):  # type: ignore[no-untyped-def]
    """Find each pixel of a line of the canvas in the field."""
    a, b = back[0, 0], back[0, 1] * float32(line) + back[0, 2]
    d, e = back[1, 0], back[1, 1] * float32(line) + back[1, 2]
    place_W, right_W, low_W = lookup.place_W, lookup.right_W, lookup.low_W
    for x in range(uint64(len(place_W))):
        along = float32(int32(x))
        place_W[x], right_W[x], low_W[x] = located(mirrored(a * along + b), mirrored(d * along + e))


@inner
def _fetch(grid, lookup):  # type: ignore[no-untyped-def]
    """Write the field's values at the places found, between points bilinear."""
    place_W, right_W, low_W, values_W = lookup.place_W, lookup.right_W, lookup.low_W, lookup.values_W
    for x in range(uint64(len(values_W))):
        values_W[x] = value_at(grid, place_W[x], right_W[x], low_W[x])


@inlined
def is_still(back, side):  # type: ignore[no-untyped-def]
    """Return whether each pixel of the canvas is a point of the field."""
    still = (back[0, 0] == 1) & (back[0, 1] == 0) & (back[0, 2] == 0)
    return still & (back[1, 0] == 0) & (back[1, 1] == 1) & (back[1, 2] == 0) & (side <= SIDE)


@inner
def paint(grid, back, shades, side, lookup, canvas):  # type: ignore[no-untyped-def]
    """Paint the whole canvas.

    Args:
        grid: int32, the finished `diamond_square.Field`.
        back: float32 [2, 3], from the canvas's pixel indices to the field's.
        shades: uint32 [SHADES].
        side: of the canvas.
        lookup: scratch.
        canvas: uint32 [side^2], written.
    """
    still = is_still(back, side)
    for line in range(side):
        out_W = canvas[line * side : (line + 1) * side]
        if still:
            _shade(grid[line * SIDE : line * SIDE + side], shades, lookup.place_W, out_W)
        else:
            _locate(back, line, lookup)
            _fetch(grid, lookup)
            _shade(lookup.values_W, shades, lookup.place_W, out_W)


@inner
def _find_shades(values_W, place_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(values_W))):
        place_W[x] = shade_of(values_W[x])


@inner
def _shade(values_W, shades, place_W, out_W):  # type: ignore[no-untyped-def]
    """Write the values' colours. In two loops: the first is vector code, which it is not in one with looking up."""
    _find_shades(values_W, place_W)
    for x in range(uint64(len(out_W))):
        out_W[x] = shades[uint64(place_W[x])]
