"""Where a batch is drawn: a canvas an image, in the GPU's memory, whose caches hold those that are being drawn on."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from numba import cuda, uint32

from fdsl.compiled import inlined
from fdsl.render.cuda.compiled import inner
from fdsl.render.cuda.device import DeviceArray


class Canvas(NamedTuple):
    """Canvases of the rows first, first + 1, ... of a table: block b draws row first + b on `pixels[b]`."""

    pixels: DeviceArray
    """uint8 [M, side^2 C], channels innermost."""
    first: int
    inks: DeviceArray
    """uint8 [1 or N, 256], the curves that inks are looked up in before they are drawn."""
    step: int
    """0 if there is one curve for all rows, otherwise 1."""


class Drawing(NamedTuple):
    """What is known of a table once its columns are on the GPU."""

    draw: Callable[[Canvas], None]
    """Launches what draws the rows of a canvas, and returns without waiting."""
    bytes: int = 0
    """Of scratch that `draw` takes a row."""


@inlined
def toned(canvas, row, gray):  # type: ignore[no-untyped-def]
    """Return what a gray, int or uint8, of a row's image is drawn as."""
    return canvas.inks[row * canvas.step, gray]


@inner
def fill(cells, value):  # type: ignore[no-untyped-def]
    """Write `value` everywhere, with all threads of the block; they do not wait for each other.

    8 instructions a cell. A `range` takes three times as many, and before it begins divides 64 bits to count its turns.
    """
    cell, past, step = uint32(cuda.threadIdx.x), uint32(len(cells)), uint32(cuda.blockDim.x)
    while cell < past:
        cells[cell] = value
        cell = uint32(cell + step)
