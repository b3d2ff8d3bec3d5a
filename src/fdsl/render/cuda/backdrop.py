"""A coloured noise field behind everything else, on a GPU: the field in memory, then a thread a pixel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint32

from fdsl import compiled
from fdsl.geometry.diamond_square import SIDE
from fdsl.render.cpu.backdrop import SHADES, colour_of_shade, is_still, located, mirrored, shade_of, value_at
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.device import Device, DeviceArray
from fdsl.render.cuda.field import POINTS, WORDS, draw_field
from fdsl.render.cuda.grids import after, apart, index_at

BYTES = 4 * (POINTS + WORDS)
"""Of scratch an image."""


class Fields(NamedTuple):
    """Memory that fields are drawn in, a row an image."""

    grid: DeviceArray
    words: DeviceArray


@compiled.inner
def _find_shades(backdrop, shades, thread, threads):  # type: ignore[no-untyped-def]
    for shade in range(thread, SHADES, threads):
        shades[shade] = colour_of_shade(backdrop, shade)


@compiled.inner
def _paint(grid, back, shades, side, canvas, thread, threads):  # type: ignore[no-untyped-def]
    """Paint one thread's pixels; arguments are those of the CPU's `paint`."""
    still = is_still(back, side)
    line, column = apart(thread, side)
    down, along = apart(threads, side)
    while line < side:
        value = int32(0)
        if still:
            value = grid[line * SIDE + column]
        else:
            x, y = float32(column), float32(line)
            place, right, low = located(mirrored(index_at(back, 0, x, y)), mirrored(index_at(back, 1, x, y)))
            value = value_at(grid, place, right, low)
        canvas[line * side + column] = shades[shade_of(value)]
        line, column = after(line, column, down, along, side)


@kernel
def _draw_backdrops(rows, first, fields, side, canvases):  # type: ignore[no-untyped-def]
    """Paint the backdrops of the rows from `first` on, a block an image."""
    thread, threads, image = cuda.threadIdx.x, cuda.blockDim.x, first + cuda.blockIdx.x
    grid, canvas = fields.grid[cuda.blockIdx.x], canvases.packed[cuda.blockIdx.x]
    shades = cuda.shared.array(SHADES, uint32)
    _find_shades(rows.backdrop[image], shades, thread, threads)
    draw_field(rows.address[image], rows.roughness[image], fields.words[cuda.blockIdx.x], grid)
    _paint(grid, rows.to_field[image], shades, side, canvas, thread, threads)


def paint_backdrops(rows, first: int, images: int, side: int, canvases, device: Device) -> None:  # type: ignore[no-untyped-def]
    """Paint whole canvases.

    Args:
        rows: the columns of a table, on the GPU.
        first: row of the first of `images`.
        images: how many.
        side: of a canvas, pixels.
        canvases: `packed` is written, uint32 [images, side^2].
        device: the GPU.
    """
    fields = Fields(
        device.scratch("scenes_grid", (images, POINTS), np.int32),
        device.scratch("scenes_words", (images, WORDS), np.uint32),
    )
    device.launch(_draw_backdrops, images, device.threads(side * side), rows, first, fields, side, canvases)
