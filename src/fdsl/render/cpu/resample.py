"""A drawn canvas seen through a view: pixels looked up between pixels, as an image editor transforms a picture."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint8, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner

BEFORE, AFTER = 1, 2
"""Background pixels on either side of a framed canvas: what lies off the canvas is looked up there."""


class Lines(NamedTuple):
    """Scratch for one line of the image, W pixels."""

    place_W: NDArray[np.uint32]
    """Of the upper left of the four pixels around."""
    right_W: NDArray[np.float32]
    """Share of the right ones."""
    low_W: NDArray[np.float32]
    """Share of the lower ones."""
    around_4W: NDArray[np.uint8]


def new_lines(size: int) -> Lines:
    """Return scratch for images of so many pixels a side."""
    places, around = np.empty(size, np.uint32), np.empty((4, size), np.uint8)
    return Lines(places, np.empty(size, np.float32), np.empty(size, np.float32), around)


def framed_cells(side: int) -> int:
    """Return how many cells a canvas has with its frame."""
    return (side + BEFORE + AFTER) ** 2


@inner
def add_frame(canvas, side, outside, framed):  # type: ignore[no-untyped-def]
    """Copy a flat canvas into the middle of `framed`, background around it."""
    pitch = side + BEFORE + AFTER
    framed[: pitch * pitch] = outside
    for line in range(side):
        begin = (line + BEFORE) * pitch + BEFORE
        source, target = canvas[line * side : (line + 1) * side], framed[begin : begin + side]
        for x in range(uint64(len(target))):
            target[x] = source[x]


@inner
def resample(framed, side, back, tone, image, size, lines):  # type: ignore[no-untyped-def]
    """Write an image by bilinear interpolation.

    Args:
        framed: uint8, a canvas with its frame.
        side: of the canvas without.
        back: float32 [2, 3], from the image's pixel indices to the canvas's, entries within +-1e9.
        tone: uint8 [256].
        image: uint8 [size^2], written.
        size: side of the image.
        lines: scratch.
    """
    pitch = side + BEFORE + AFTER
    for line in range(size):
        _locate(back, line, side, pitch, lines.place_W, lines.right_W, lines.low_W)
        _fetch(framed, pitch, lines.place_W, lines.around_4W)
        out = image[line * size : (line + 1) * size]
        _between(lines.around_4W, lines.right_W, lines.low_W, out)
        for x in range(uint64(len(out))):
            out[x] = tone[out[x]]


@inlined
def _held(value, low, high):  # type: ignore[no-untyped-def]
    value = value if value > low else low
    return value if value < high else high


@inlined
def begin_of_line(back, axis, line):  # type: ignore[no-untyped-def]
    """Return the coordinate in the framed canvas, u or v for axis 0 or 1, of the first pixel of a line."""
    return back[axis, 1] * float32(line) + (back[axis, 2] + float32(BEFORE))


@inlined
def located(back, axis, x, begin, side):  # type: ignore[no-untyped-def]
    """Return (the cell of the framed canvas, the share of the next one) of a pixel's coordinate, held at the frame."""
    place = _held(back[axis, 0] * float32(int32(x)) + begin, float32(0.0), float32(side + BEFORE))
    cell = int32(place)
    return cell, place - float32(cell)


@inlined
def between(upper_left, upper_right, lower_left, lower_right, right, low):  # type: ignore[no-untyped-def]
    """Return the gray between four, which lies so far to the right and low of the first."""
    upper, lower = float32(upper_left), float32(lower_left)
    upper += right * (float32(upper_right) - upper)
    lower += right * (float32(lower_right) - lower)
    return uint8(int32(upper + low * (lower - upper) + float32(0.5)))


@inner
def _locate(back, line, side, pitch, place_W, right_W, low_W):  # type: ignore[no-untyped-def]
    """Find each pixel's place in the framed canvas; one far off is held at the frame."""
    begin_u, begin_v = begin_of_line(back, 0, line), begin_of_line(back, 1, line)
    for x in range(uint64(len(place_W))):
        left, right_W[x] = located(back, 0, x, begin_u, side)
        top, low_W[x] = located(back, 1, x, begin_v, side)
        place_W[x] = uint32(top * int32(pitch) + left)


@inner
def _fetch(framed, pitch, place_W, around_4W):  # type: ignore[no-untyped-def]
    one, below = uint64(1), uint64(pitch)
    for x in range(uint64(len(place_W))):
        place = uint64(place_W[x])
        around_4W[0, x], around_4W[1, x] = framed[place], framed[place + one]
        around_4W[2, x], around_4W[3, x] = framed[place + below], framed[place + below + one]


@inner
def _between(around_4W, right_W, low_W, out):  # type: ignore[no-untyped-def]
    upper_left_W, upper_right_W = around_4W[0], around_4W[1]
    lower_left_W, lower_right_W = around_4W[2], around_4W[3]
    for x in range(uint64(len(out))):
        out[x] = between(
            upper_left_W[x], upper_right_W[x], lower_left_W[x], lower_right_W[x], right_W[x], low_W[x]
        )
