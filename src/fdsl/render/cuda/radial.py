"""Radial strokes on a GPU: one block an image, a thread a vertex, whose place stays in its registers from stroke to
stroke. A barrier between strokes keeps the painter's order; within one, threads write the same gray in any order. Rings
and fills need no barriers before their last stroke, but the painter's order of their contours.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint8, uint32

from fdsl.compiled import inlined
from fdsl.geometry.radial import RadialStrokes, moved, noise_block, wavy
from fdsl.render.cpu.radial import ink_of, pixel_of, rows_of
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import Kernel, kernel
from fdsl.render.cuda.device import MOST_THREADS, Device, DeviceArray
from fdsl.render.cuda.polygons import bits_for, bytes_for, clear, draw_edge, fill_flipped, flip_edge, widen
from fdsl.render.frame import Frame

SHARED = (48 << 10) - MOST_THREADS
"""Bytes of a block's memory that the strokes' grays leave."""
LEAST_SOLID = 256
"""Threads of a block that fills: of its pixels there are more than of vertices."""


class Pixels(NamedTuple):
    """Where the vertices of one stroke and of the next are, a row an image: x of V vertices, then y, then the next's.

    Where they fit, a block's shared memory stands in for them.
    """

    places: DeviceArray
    """int32 [M, 4 V]."""
    pitch: int
    """V."""
    shared: bool


@inlined
def _begin(rows, row, vertex, e, x_E, y_E, offset_E):  # type: ignore[no-untyped-def]
    """Put a vertex on its contour's ellipse."""
    start, first, vertices = rows.start[row], rows.direction_begin[row], rows.vertices[row]
    sin_V = rows.sin_T[first : first + vertices]
    x_E[e], y_E[e] = rows.cos_T[first + vertex] * start[0], sin_V[vertex] * start[1]
    offset_E[e] = wavy(rows.offset[row], sin_V, vertex, vertices, rows.frequencies[row])


@inlined
def _move(rows, row, stroke, vertex, e, x_E, y_E, offset_E, words_2E, places, at, pitch):  # type: ignore[no-untyped-def]
    """Move a vertex to where a stroke has it, and write its pixel; a block of words serves two strokes."""
    a, b = words_2E[0, e], words_2E[1, e]
    if stroke % 2 == 0:
        a, b, c, d = noise_block(rows.address[row], stroke, vertex, rows.vertices[row])
        words_2E[0, e], words_2E[1, e] = c, d
    place, gain, direction = rows.places[row], rows.gain[row], rows.direction_begin[row] + vertex
    x = moved(x_E[e], rows.cos_T[direction], a, gain, offset_E[e])
    y = moved(y_E[e], rows.sin_T[direction], b, gain, offset_E[e])
    x_E[e], y_E[e] = x, y
    places[at + vertex] = pixel_of(place[0, 0], x, place[0, 1], y, place[0, 2])
    places[at + pitch + vertex] = pixel_of(place[1, 0], x, place[1, 1], y, place[1, 2])


@lru_cache
def _strokes_kernel(each: int) -> Kernel:
    """Return the kernel for contours of up to `each` vertices a thread: with one, all it keeps stays in registers."""

    @kernel
    def draw_strokes(rows, objects, background, side, canvas, pixels):  # type: ignore[no-untyped-def]
        """Draw all strokes of `objects` contours an image."""
        thread, threads, pitch = cuda.threadIdx.x, cuda.blockDim.x, pixels.pitch
        image, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
        places = cuda.shared.array(0, int32) if pixels.shared else pixels.places[cuda.blockIdx.x]
        grays = cuda.shared.array(MOST_THREADS, uint8)
        x_E, y_E = cuda.local.array(each, float32), cuda.local.array(each, float32)
        offset_E, words_2E = cuda.local.array(each, float32), cuda.local.array((2, each), uint32)
        fill(cells, toned(canvas, image, background))
        for row in range(image * objects, (image + 1) * objects):
            vertices = rows.vertices[row]
            for e in range(each):
                if thread + e * threads < vertices:
                    _begin(rows, row, thread + e * threads, e, x_E, y_E, offset_E)
            drawn = threads
            for stroke in range(rows.strokes[row]):
                at = 2 * pitch * (stroke & 1)
                if drawn == threads:
                    drawn = 0
                    cuda.syncthreads()
                    grays[thread] = toned(canvas, image, ink_of(rows, row, stroke + thread))
                for e in range(each):
                    vertex = thread + e * threads
                    if vertex < vertices:
                        _move(rows, row, stroke, vertex, e, x_E, y_E, offset_E, words_2E, places, at, pitch)
                # beyond this the stroke before is drawn, and its places are free for the next
                cuda.syncthreads()
                for e in range(each):
                    vertex = thread + e * threads
                    if vertex < vertices:
                        draw_edge(cells, side, places, at, pitch, vertex, vertices, grays[drawn])
                drawn += 1
            cuda.syncthreads()

    return draw_strokes


@inlined
def _walk(rows, row, vertex, x_E, y_E, offset_E, words_2E, places, pitch):  # type: ignore[no-untyped-def]
    """Write a vertex's pixels of the last stroke, and 2 `pitch` further on those of the first."""
    _begin(rows, row, vertex, 0, x_E, y_E, offset_E)
    for stroke in range(rows.strokes[row]):
        _move(rows, row, stroke, vertex, 0, x_E, y_E, offset_E, words_2E, places, 0, pitch)
        if stroke == 0:
            places[2 * pitch + vertex], places[3 * pitch + vertex] = places[vertex], places[pitch + vertex]


@kernel
def _draw_solids(rows, objects, background, side, planes, canvas, pixels, bits):  # type: ignore[no-untyped-def]
    """Draw the last polygons of `objects` contours an image filled, and with two planes the first ones empty over
    them; contours of fewer strokes than planes are not drawn."""
    thread, threads, pitch = cuda.threadIdx.x, cuda.blockDim.x, pixels.pitch
    image, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
    places = pixels.places[cuda.blockIdx.x]
    crossings, inside = bits.crossings[cuda.blockIdx.x], bits.inside[cuda.blockIdx.x]
    box = cuda.shared.array(4, int32)
    x_E, y_E, offset_E = (
        cuda.local.array(1, float32),
        cuda.local.array(1, float32),
        cuda.local.array(1, float32),
    )
    words_2E = cuda.local.array((2, 1), uint32)
    empty = toned(canvas, image, background)
    fill(cells, empty)
    fill(crossings, 0)
    for row in range(image * objects, (image + 1) * objects):
        strokes, vertices = rows.strokes[row], rows.vertices[row]
        if strokes >= planes:
            gray = toned(canvas, image, ink_of(rows, row, strokes - 1))
            # beyond this the contour before is drawn
            cuda.syncthreads()
            if thread == 0:
                clear(box)
            for vertex in range(thread, vertices, threads):
                _walk(rows, row, vertex, x_E, y_E, offset_E, words_2E, places, pitch)
            cuda.syncthreads()
            for vertex in range(thread, vertices, threads):
                for plane in range(planes):
                    at = 2 * pitch * plane
                    widen(box, places[at + vertex], places[at + pitch + vertex])
                    flip_edge(
                        crossings, plane * bits.plane, bits.words, side, places, at, pitch, vertex, vertices
                    )
            cuda.syncthreads()
            fill_flipped(cells, side, crossings, inside, bits, planes, box, gray, empty)
            cuda.syncthreads()
            for vertex in range(thread, vertices, threads):
                for plane in range(planes):
                    draw_edge(cells, side, places, 2 * pitch * plane, pitch, vertex, vertices, gray)


def drawer(table: RadialStrokes, frame: Frame, device: Device) -> Drawing:
    """Return what draws the contours of `table` on a GPU."""
    return _strokes(table, frame, device) if table.shape == "strokes" else _solids(table, frame, device)


def _solids(table: RadialStrokes, frame: Frame, device: Device) -> Drawing:
    rows, side, most = device.upload(rows_of(table, frame)), frame.drawn, int(table.vertices.max())
    threads, planes = device.threads(max(most, LEAST_SOLID)), 2 if table.shape == "ring" else 1

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        places = device.scratch("places", (images, 4 * most), np.int32)
        device.launch(
            _draw_solids, images, threads,
            rows, table.objects, table.background, side, planes, canvas, Pixels(places, most, False),
            bits_for(device, images, planes, side),
        )  # fmt: skip

    return Drawing(draw, 4 * most * 4 + bytes_for(planes, side))


def _strokes(table: RadialStrokes, frame: Frame, device: Device) -> Drawing:
    rows, side, most = device.upload(rows_of(table, frame)), frame.drawn, int(table.vertices.max())
    threads = device.threads(most)
    each = 1 << (-(-most // threads) - 1).bit_length()  # few kernels are compiled
    needed = 4 * most * 4
    shared = needed <= SHARED

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        places = device.scratch("places", (1 if shared else images, 4 * most), np.int32)
        device.launch(
            _strokes_kernel(each), images, threads,
            rows, table.objects, table.background, side, canvas, Pixels(places, most, shared),
            shared=needed if shared else 0,
        )  # fmt: skip

    return Drawing(draw, 0 if shared else needed)
