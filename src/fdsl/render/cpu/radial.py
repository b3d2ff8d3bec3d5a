"""Radial strokes on the CPU.

A stroke is four loops over its vertices that vectorise (noise words, movement, pixels, segments), then one over its
segments that draws. Every loop that vectorises runs over whole VECTOR; vertices past the last repeat the first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import VECTOR, inlined, inner, kernel
from fdsl.geometry.radial import (
    RadialStrokes,
    direction_table,
    lanes_for,
    moved,
    noise_block,
    stroke_gray,
    wavy,
)
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.cpu.segments import PLANES, draw_segments, prepare_segments
from fdsl.render.frame import Frame

FARTHEST = float32(2.0**20)


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    words_4V: NDArray[np.uint32]
    x_V: NDArray[np.float32]
    y_V: NDArray[np.float32]
    offset_V: NDArray[np.float32]
    pixel_x_V: NDArray[np.int32]
    pixel_y_V: NDArray[np.int32]
    segments_PV: NDArray[np.int32]
    gray_L: NDArray[np.uint8]
    """Rounded up to whole VECTOR."""


def _work(vertices: int, strokes: int) -> Work:
    lanes = lanes_for(vertices)
    position, pixel = np.empty((3, lanes), np.float32), np.empty((2, lanes + 1), np.int32)
    words, segments = np.empty((4, lanes), np.uint32), np.empty((PLANES, lanes), np.int32)
    grays = np.empty(lanes_for(strokes), np.uint8)
    return Work(words, position[0], position[1], position[2], pixel[0], pixel[1], segments, grays)


@inner
def _draw_words(address, stroke, vertices, words_4V):  # type: ignore[no-untyped-def]
    a_V, b_V, c_V, d_V = words_4V[0], words_4V[1], words_4V[2], words_4V[3]
    for first in range(uint64(0), uint64(vertices), uint64(VECTOR)):
        for lane in range(VECTOR):
            vertex = first + uint64(lane)
            a, b, c, d = noise_block(address, stroke, vertex, vertices)
            a_V[vertex], b_V[vertex], c_V[vertex], d_V[vertex] = a, b, c, d


@inner
def _draw_grays(address, strokes, gray_levels, tone, gray_L):  # type: ignore[no-untyped-def]
    for first in range(uint64(0), uint64(strokes), uint64(VECTOR)):
        for lane in range(VECTOR):
            stroke = first + uint64(lane)
            gray_L[stroke] = tone[stroke_gray(address, stroke, gray_levels)]


@inner
def _move(position_V, direction_V, words_V, gain, offset_V, vertices):  # type: ignore[no-untyped-def]
    for first in range(uint64(0), uint64(vertices), uint64(VECTOR)):
        for lane in range(VECTOR):
            vertex = first + uint64(lane)
            position_V[vertex] = moved(
                position_V[vertex], direction_V[vertex], words_V[vertex], gain, offset_V[vertex]
            )


@inlined
def _pixel(a, x, b, y, c):  # type: ignore[no-untyped-def]
    """Truncate toward zero, after a clamp that no allowed view reaches, because a huge float has no integer."""
    return int32(min(max(a * x + b * y + c, -FARTHEST), FARTHEST))


@inner
def _place(x_V, y_V, place, pixel_x_V, pixel_y_V, vertices):  # type: ignore[no-untyped-def]
    """Write every vertex's pixel, and close the polygon: what lies past the last vertex is the first."""
    a, b, c = place[0, 0], place[0, 1], place[0, 2]
    d, e, f = place[1, 0], place[1, 1], place[1, 2]
    for first in range(uint64(0), uint64(vertices), uint64(VECTOR)):
        for lane in range(VECTOR):
            vertex = first + uint64(lane)
            pixel_x_V[vertex] = _pixel(a, x_V[vertex], b, y_V[vertex], c)
            pixel_y_V[vertex] = _pixel(d, x_V[vertex], e, y_V[vertex], f)
    for vertex in range(vertices, len(pixel_x_V)):
        pixel_x_V[vertex], pixel_y_V[vertex] = pixel_x_V[0], pixel_y_V[0]


@inner
def _draw_image(
    address, vertices, strokes, start, gain, offset, frequencies, gray_levels, cos_V, sin_V, place, canvas, side, tone,
    work,
):  # type: ignore[no-untyped-def]  # fmt: skip
    x_V, y_V, pixel_x_V, pixel_y_V = work.x_V, work.y_V, work.pixel_x_V, work.pixel_y_V
    lanes = len(cos_V)
    for vertex in range(lanes):
        x_V[vertex] = cos_V[vertex] * start[0]
        y_V[vertex] = sin_V[vertex] * start[1]
        work.offset_V[vertex] = wavy(offset, sin_V, vertex, vertices, frequencies)
    _draw_grays(address, strokes, gray_levels, tone, work.gray_L)
    closed_x_V, closed_y_V = pixel_x_V[: lanes + 1], pixel_y_V[: lanes + 1]
    for stroke in range(strokes):
        if stroke % 2 == 0:
            _draw_words(address, stroke, vertices, work.words_4V)
        word = 2 * (stroke % 2)
        _move(x_V, cos_V, work.words_4V[word], gain, work.offset_V, vertices)
        _move(y_V, sin_V, work.words_4V[word + 1], gain, work.offset_V, vertices)
        _place(x_V, y_V, place, closed_x_V, closed_y_V, vertices)
        prepare_segments(closed_x_V, closed_y_V, side, work.segments_PV)
        draw_segments(canvas, side, closed_x_V, closed_y_V, vertices, work.segments_PV, work.gray_L[stroke])


@kernel
def _draw_rows(
    begin, end, address, vertices, strokes, start, gain, offset, frequencies, gray_levels, cos_T, sin_T,
    direction_begin, places, work, finish,
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        first = direction_begin[row]
        past = first + (vertices[row] + VECTOR - 1) // VECTOR * VECTOR
        begin_image(finish, row)
        _draw_image(
            address[row], vertices[row], strokes[row], start[row], gain[row], offset[row], frequencies[row],
            uint32(gray_levels), cos_T[first:past], sin_T[first:past], places[row], finish.canvas, finish.side,
            finish.ink_tone, work,
        )  # fmt: skip
        finish_image(finish, row, 0)


def drawer(table: RadialStrokes, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    # two flat arrays: a slice of a 2-D one has a run-time stride, and loops over it do not vectorise
    (cos_T, sin_T), direction_begin = direction_table(table.vertices)
    # the centre joins the placement, so that positions stay small and precise
    places = frame.places.copy()
    places[:, :, 2] += np.einsum("nij,nj->ni", places[:, :, :2], table.centre.astype(np.float64))
    places = places.astype(np.float32)

    frequencies = table.frequencies
    work = per_thread(lambda: _work(int(table.vertices.max()), int(table.strokes.max())))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(
            begin, end, table.address, table.vertices, table.strokes, table.start, table.gain, table.offset,
            frequencies, table.gray_levels, cos_T, sin_T, direction_begin, places, work(), finish(),
        )  # fmt: skip

    return draw
