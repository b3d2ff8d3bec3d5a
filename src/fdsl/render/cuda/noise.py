"""Noise fields on a GPU: one block an image, which draws its part of the lattice's random words, then a thread a pixel.

The words hold a node's direction in four bits. Where the view neither turns nor shears, the CPU makes one node of an
upper and a lower one for a whole row of pixels, and rounds in that order; here each pixel does so for itself.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, int64, uint8, uint32
from numpy.typing import NDArray

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.noise import NODES_A_BLOCK, NoiseField, directions, fade, node_block
from fdsl.render.cpu.noise import gray_amid, gray_between, lattice, said, upright
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.device import MOST_THREADS, Device, DeviceArray
from fdsl.render.frame import Frame

WARP = 32
WORDS = 4
"""Of a group of nodes, which a block of Philox is."""


class Rows(NamedTuple):
    """The images of a batch: as in `NoiseField`, and as in the CPU's `Lattice`."""

    address: NDArray[np.uint32]
    shown: NDArray[np.bool_]
    first: NDArray[np.int64]
    size: NDArray[np.int64]
    ways: NDArray[np.float32]
    straight: NDArray[np.bool_]
    direction_2D: NDArray[np.float32]


class Nodes(NamedTuple):
    """Directions of the nodes that images show."""

    words: DeviceArray
    """uint32 [M, most], eight nodes each, the lowest four bits' first; flat, row by row of the lattice."""


@compiled.inner
def _draw_group(rows, row, group, words):  # type: ignore[no-untyped-def]
    """Draw 32 nodes."""
    first, groups = rows.first[row], uint32(rows.size[row, 0])
    down = uint32(uint32(group) // groups)
    across = uint32(uint32(group) - uint32(down * groups))
    at = WORDS * group
    words[at], words[at + 1], words[at + 2], words[at + 3] = node_block(
        rows.address[row], first[0] + int64(across), first[1] + int64(down)
    )


@inlined
def _direction(words, node):  # type: ignore[no-untyped-def]
    return uint32(words[node >> uint32(3)] >> uint32(uint32(node & uint32(7)) << uint32(2))) & uint32(15)


@inlined
def _upright(words, upper, lower, direction_2D, part, share):  # type: ignore[no-untyped-def]
    """Return slope and level of one node made of two."""
    above, below = _direction(words, upper), _direction(words, lower)
    return upright(
        direction_2D[0, above],
        direction_2D[1, above],
        direction_2D[0, below],
        direction_2D[1, below],
        part,
        share,
    )


@inlined
def _said(words, node, direction_2D, x, y):  # type: ignore[no-untyped-def]
    way = _direction(words, node)
    return said(direction_2D[0, way], direction_2D[1, way], x, y)


@compiled.inner
def _draw_straight(rows, row, words, y, begin, step, side, inks, line):  # type: ignore[no-untyped-def]
    """Draw every `step`-th pixel of a row of pixels that lies along the lattice, from `begin` on."""
    way, columns, direction_2D = rows.ways[row], uint32(rows.size[row, 0] * NODES_A_BLOCK), rows.direction_2D
    place = way[1, 1] * float32(int32(y)) + way[1, 2]
    cell = int32(place)
    upper, part_y = uint32(uint32(cell) * columns), place - float32(cell)
    share_y = fade(part_y)
    for x in range(int32(begin), int32(side), int32(step)):
        place = way[0, 0] * float32(x) + way[0, 2]
        cell = int32(place)
        node, part = uint32(upper + uint32(cell)), place - float32(cell)
        after = uint32(node + uint32(1))
        slope, level = _upright(words, node, uint32(node + columns), direction_2D, part_y, share_y)
        next_slope, next_level = _upright(
            words, after, uint32(after + columns), direction_2D, part_y, share_y
        )
        line[x] = inks[uint8(gray_between(slope, level, next_slope, next_level, part, fade(part)))]


@compiled.inner
def _draw_slanted(rows, row, words, y, begin, step, side, inks, line):  # type: ignore[no-untyped-def]
    """Draw every `step`-th pixel of a row of pixels that lies anyhow, from `begin` on."""
    way, columns, direction_2D = rows.ways[row], uint32(rows.size[row, 0] * NODES_A_BLOCK), rows.direction_2D
    one, below = float32(1.0), float32(int32(y))
    left, top = way[0, 1] * below + way[0, 2], way[1, 1] * below + way[1, 2]
    for pixel in range(int32(begin), int32(side), int32(step)):
        along = float32(pixel)
        x, y = way[0, 0] * along + left, way[1, 0] * along + top
        column, cell = int32(x), int32(y)
        upper = uint32(uint32(uint32(cell) * columns) + uint32(column))
        lower = uint32(upper + columns)
        x, y = x - float32(column), y - float32(cell)
        a = _said(words, upper, direction_2D, x, y)
        b = _said(words, uint32(upper + uint32(1)), direction_2D, x - one, y)
        c = _said(words, lower, direction_2D, x, y - one)
        d = _said(words, uint32(lower + uint32(1)), direction_2D, x - one, y - one)
        line[pixel] = inks[uint8(gray_amid(a, b, c, d, x, y))]


@kernel
def _draw_fields(rows, background, side, canvas, nodes):  # type: ignore[no-untyped-def]
    """Draw the noise of an image."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    row, cells, words = (
        canvas.first + cuda.blockIdx.x,
        canvas.pixels[cuda.blockIdx.x],
        nodes.words[cuda.blockIdx.x],
    )
    inks = canvas.inks[row * canvas.step]
    for group in range(thread, rows.size[row, 0] * rows.size[row, 1], threads):
        _draw_group(rows, row, group, words)
    cuda.syncthreads()
    # neighbours in a line are neighbours in a warp
    across = min(threads, WARP)
    down, lane = threads // across, thread % across
    if not rows.shown[row]:
        fill(cells, toned(canvas, row, background))
    elif thread < down * across:
        for y in range(thread // across, side, down):
            line = cells[y * side : (y + 1) * side]
            if rows.straight[row]:
                _draw_straight(rows, row, words, y, lane, across, side, inks, line)
            else:
                _draw_slanted(rows, row, words, y, lane, across, side, inks, line)


def drawer(table: NoiseField, frame: Frame, device: Device) -> Drawing:
    """Return what draws the fields of `table` on a GPU."""
    shown = lattice(table.cells, table.canvas, frame)
    rows = device.upload(Rows(table.address, *shown, directions()))
    threads, side = device.threads(MOST_THREADS), frame.drawn
    most = max(1, WORDS * int(shown.size.prod(axis=1).max()))

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        nodes = Nodes(device.scratch("noise words", (images, most), np.uint32))
        device.launch(_draw_fields, images, threads, rows, table.background, side, canvas, nodes)

    return Drawing(draw, 4 * most)
