"""Canvases of packed colours on a GPU: blurred, and written as grays, a thread a pixel."""

from __future__ import annotations

from numba import int32, uint8, uint16, uint32

from fdsl.compiled import inlined, inner
from fdsl.render.cpu.packed import softened
from fdsl.render.cuda.canvas import toned
from fdsl.render.cuda.grids import after, apart


@inlined
def _beside(place, side):  # type: ignore[no-untyped-def]
    """Return the neighbours of a column or line; the border is a mirror."""
    before = int32(place - 1) if place > 0 else int32(1)
    return before, int32(place + 1) if place + 1 < side else int32(side - 2)


@inlined
def _mean(before, here, behind, weight):  # type: ignore[no-untyped-def]
    """Return the mean of three packed colours, either neighbour of that weight of 256, uint16."""
    mean = uint32(0)
    for channel in range(3):
        shift = uint32(8 * channel)
        part = softened(uint8(before >> shift), uint8(here >> shift), uint8(behind >> shift), weight)
        mean = uint32(mean | uint32(uint32(part) << shift))
    return mean


@inner
def soften_lines(canvas, side, weight, softer, thread, threads):  # type: ignore[no-untyped-def]
    """Average one thread's pixels with their neighbours along x.

    Args:
        canvas: uint32 [side^2], packed colours.
        side: of the canvas.
        weight: of either neighbour, of 256.
        softer: uint32 [side^2], written.
        thread: of the block.
        threads: of the block.
    """
    line, column = apart(thread, side)
    down, along = apart(threads, side)
    while line < side:
        begin, (before, behind) = int32(line * int32(side)), _beside(column, side)
        here = canvas[begin + column]
        softer[begin + column] = _mean(canvas[begin + before], here, canvas[begin + behind], uint16(weight))
        line, column = after(line, column, down, along, side)


@inlined
def _write(colour, channels, pixel, canvas, row, pixels):  # type: ignore[no-untyped-def]
    for channel in range(channels):
        pixels[pixel * channels + channel] = toned(canvas, row, uint8(colour >> uint32(8 * channel)))


@inner
def write_pixels(packed, side, weight, channels, canvas, row, pixels, thread, threads):  # type: ignore[no-untyped-def]
    """Write one thread's pixels, averaged with their neighbours along y and toned.

    Args:
        packed: uint32 [side^2], packed colours.
        side: of the canvas.
        weight: of either neighbour, of 256.
        channels: 3, or 1 for the first alone.
        canvas: a `Canvas`.
        row: of the table.
        pixels: uint8 [side^2 channels], written.
        thread: of the block.
        threads: of the block.
    """
    line, column = apart(thread, side)
    down, along = apart(threads, side)
    while line < side:
        pixel = int32(int32(line * int32(side)) + column)
        colour = packed[pixel]
        if weight > 0:
            before, behind = _beside(line, side)
            above, below = packed[before * side + column], packed[behind * side + column]
            colour = _mean(above, colour, below, uint16(weight))
        _write(colour, channels, pixel, canvas, row, pixels)
        line, column = after(line, column, down, along, side)
