"""Filled polygons on a GPU: a thread an edge flips bits, one a line reads what lies within, one a pixel draws.

A flip is an atomic xor, whose order is all one. Bits rather than bytes: there are no atomics on these, and a line's
parities are a few shifts a word. Two polygons of an image are filled in one go, the second one covering the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, int32, int64, uint32

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.render.cpu.polygons import crossing_at, lines_crossed, next_crossing
from fdsl.render.cpu.segments import draw_segment
from fdsl.render.cuda.compiled import inner
from fdsl.render.cuda.device import Device, DeviceArray

WORD = 32
"""Pixels of a word, the first one its lowest bit."""
LEFT, TOP, RIGHT, BOTTOM = range(4)
"""Of a box, which holds pixels of vertices."""
NOWHERE = 1 << 30


class Bits(NamedTuple):
    """Pixels as bits, a row an image: plane after plane, a polygon each, lines of `words` words."""

    crossings: DeviceArray
    """uint32 [M, planes * plane], where edges cross lines; zeros between fillings."""
    inside: DeviceArray
    """The same of what lies within; of lines that no edge crosses it is not set."""
    words: int
    plane: int
    """Words of one."""


def bits_for(device: Device, images: int, planes: int, side: int) -> Bits:
    """Return memory for `planes` polygons an image, unset; it is that of whoever asks next, too."""
    words = -(-side // WORD)
    shape, plane = (images, planes * side * words), side * words
    return Bits(
        device.scratch("polygons crossings", shape, np.uint32), device.scratch("polygons inside", shape, np.uint32),
        words, plane,
    )  # fmt: skip


def bytes_for(planes: int, side: int) -> int:
    """Return how many bytes an image `bits_for` takes."""
    return 2 * 4 * planes * side * -(-side // WORD)


@compiled.inner
def draw_edge(cells, side, places, at, pitch, vertex, vertices, gray):  # type: ignore[no-untyped-def]
    """Draw the segment from a vertex to the next, or from the last one to the first."""
    here, there = at + vertex, at + (vertex + 1 if vertex + 1 < vertices else 0)
    draw_segment(cells, side, places[here], places[here + pitch], places[there], places[there + pitch], gray)


@inner
def clear(box):  # type: ignore[no-untyped-def]
    """Make a box hold nothing."""
    box[LEFT] = box[TOP] = NOWHERE
    box[RIGHT] = box[BOTTOM] = -NOWHERE


@inner
def widen(box, x, y):  # type: ignore[no-untyped-def]
    """Have a box, int32 [4] in a block's shared memory, hold a pixel."""
    cuda.atomic.min(box, LEFT, x)
    cuda.atomic.max(box, RIGHT, x)
    cuda.atomic.min(box, TOP, y)
    cuda.atomic.max(box, BOTTOM, y)


@inner
def flip(crossings, begin, words, side, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Flip a bit in each line that an edge crosses, of the plane that begins at word `begin`."""
    first, last = lines_crossed(y0, y1, side)
    if first < last:
        column, over, step, more, high = crossing_at(first, x0, y0, x1, y1)
        for line in range(first, last):
            if column < side:
                cell = max(column, 0)
                bit = uint32(uint32(1) << uint32(cell & (WORD - 1)))
                cuda.atomic.xor(crossings, begin + line * words + (cell >> 5), bit)
            column, over = next_crossing(column, over, step, more, high)


@inner
def flip_edge(crossings, begin, words, side, places, at, pitch, vertex, vertices):  # type: ignore[no-untyped-def]
    """Flip the bits of the edge from a vertex to the next, or from the last one to the first."""
    here, there = at + vertex, at + (vertex + 1 if vertex + 1 < vertices else 0)
    x0, y0, x1, y1 = places[here], places[here + pitch], places[there], places[there + pitch]
    flip(crossings, begin, words, side, int64(x0), int64(y0), int64(x1), int64(y1))


@compiled.inner
def _find_inside(crossings, inside, begin, words):  # type: ignore[no-untyped-def]
    """Turn the flips of one line into what lies within, and take them back."""
    before = uint32(0)
    for word in range(begin, begin + words):
        bits, crossings[word] = crossings[word], uint32(0)
        for shift in (1, 2, 4, 8, 16):
            bits = uint32(bits ^ uint32(bits << uint32(shift)))
        bits = uint32(bits ^ before)
        inside[word] = bits
        # all ones if the word ends within
        before = uint32(uint32(0) - uint32(bits >> uint32(WORD - 1)))


@inlined
def _is_inside(inside, line, column):  # type: ignore[no-untyped-def]
    bits = inside[uint32(line + (column >> uint32(5)))]
    return uint32(bits >> uint32(column & uint32(WORD - 1))) & uint32(1)


@compiled.inner
def _paint_line(cells, first, begin, end, step, inside, line, plane, planes, gray, cover):  # type: ignore[no-untyped-def]
    """Paint every `step`-th pixel of the columns `begin` .. `end` - 1 of a line that begins at cell `first`."""
    line, second, first = uint32(line), uint32(line + plane), uint32(first)
    for place in range(int32(begin), int32(end), int32(step)):
        column = uint32(place)
        if planes > 1 and _is_inside(inside, second, column):
            cells[uint32(first + column)] = cover
        elif _is_inside(inside, line, column):
            cells[uint32(first + column)] = gray


@inner
def fill_flipped(cells, side, crossings, inside, bits, planes, box, gray, cover):  # type: ignore[no-untyped-def]
    """Fill the polygons whose edges have flipped bits, the first with `gray`, then the second with `cover`; all
    threads of the block call this, after a barrier, and `box` holds all vertices."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    top, bottom = max(box[TOP], 0), min(box[BOTTOM], side)
    for line in range(top + thread, bottom, threads):
        for plane in range(planes):
            _find_inside(crossings, inside, plane * bits.plane + line * bits.words, bits.words)
    cuda.syncthreads()
    # neighbours in a line are neighbours in a warp, and mostly of one word
    across = min(threads, WORD)
    down, lane = threads // across, thread % across
    left, right = max(box[LEFT], 0) & ~(WORD - 1), min(box[RIGHT] + 1, side)
    if thread < down * across:
        for line in range(top + thread // across, bottom, down):
            _paint_line(
                cells, line * side, left + lane, right, across, inside, line * bits.words, bits.plane,
                planes, gray, cover,
            )  # fmt: skip
