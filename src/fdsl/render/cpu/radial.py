"""Radial strokes on the CPU."""

from __future__ import annotations

import numpy as np
from numba import float32, int32, njit, uint32
from numpy.typing import NDArray

from fdsl.geometry.radial import RadialStrokes, direction_table, moved, noise_block, stroke_gray
from fdsl.render.cpu.finish import finish
from fdsl.render.cpu.segments import draw_polygon
from fdsl.render.frame import Frame

FAR = float32(2.0**20)


@njit
def _draw_words(address, stroke, vertices, words_4V):  # type: ignore[no-untyped-def]
    for vertex in range(vertices):
        a, b, c, d = noise_block(address, stroke, vertex, vertices)
        words_4V[0, vertex] = a
        words_4V[1, vertex] = b
        words_4V[2, vertex] = c
        words_4V[3, vertex] = d


@njit
def _move(position_V, direction_V, words_V, gain, offset, vertices):  # type: ignore[no-untyped-def]
    for vertex in range(vertices):
        position_V[vertex] = moved(position_V[vertex], direction_V[vertex], words_V[vertex], gain, offset)


@njit(inline="always")
def _pixel(a, x, b, y, c):  # type: ignore[no-untyped-def]
    """Truncate toward zero, after a clamp that no allowed view reaches, because a huge float has no integer."""
    return int32(min(max(a * x + b * y + c, -FAR), FAR))


@njit
def _place(x_V, y_V, place, pixel_x_V, pixel_y_V, vertices):  # type: ignore[no-untyped-def]
    a, b, c = place[0, 0], place[0, 1], place[0, 2]
    d, e, f = place[1, 0], place[1, 1], place[1, 2]
    for vertex in range(vertices):
        pixel_x_V[vertex] = _pixel(a, x_V[vertex], b, y_V[vertex], c)
        pixel_y_V[vertex] = _pixel(d, x_V[vertex], e, y_V[vertex], f)


@njit
def _draw_image(
    address, vertices, strokes, start, gain, offset, gray_levels, cos_V, sin_V, place, canvas, side,
    words_4V, position_2V, pixel_2V,
):  # type: ignore[no-untyped-def]  # fmt: skip
    x_V, y_V, pixel_x_V, pixel_y_V = position_2V[0], position_2V[1], pixel_2V[0], pixel_2V[1]
    for vertex in range(vertices):
        x_V[vertex] = cos_V[vertex] * start[0]
        y_V[vertex] = sin_V[vertex] * start[1]
    for stroke in range(strokes):
        if stroke % 2 == 0:
            _draw_words(address, stroke, vertices, words_4V)
        word = 2 * (stroke % 2)
        _move(x_V, cos_V, words_4V[word], gain, offset, vertices)
        _move(y_V, sin_V, words_4V[word + 1], gain, offset, vertices)
        _place(x_V, y_V, place, pixel_x_V, pixel_y_V, vertices)
        gray = stroke_gray(address, stroke, gray_levels)
        draw_polygon(canvas, side, pixel_x_V, pixel_y_V, vertices, gray)


@njit(nogil=True, cache=True)
def _draw_rows(
    begin, end, address, vertices, strokes, start, gain, offset, gray_levels, background, cos_T, sin_T, direction_begin,
    places, tones, factor, canvas, words_4V, position_2V, pixel_2V, sums_W, images,
):  # type: ignore[no-untyped-def]  # fmt: skip
    side = images.shape[1] * factor
    for row in range(begin, end):
        canvas[:] = background
        first, past = direction_begin[row], direction_begin[row] + vertices[row]
        _draw_image(
            address[row], vertices[row], strokes[row], start[row], gain[row], offset[row], uint32(gray_levels),
            cos_T[first:past], sin_T[first:past], places[row], canvas, side,
            words_4V, position_2V, pixel_2V,
        )  # fmt: skip
        finish(canvas, factor, tones[row], sums_W, images[row])


def drawer(table: RadialStrokes, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    # two flat arrays: a slice of a 2-D one has a run-time stride, and loops over it do not vectorise
    (cos_T, sin_T), direction_begin = direction_table(table.vertices)
    # the centre joins the placement, so that positions stay small and precise
    places = frame.places.copy()
    places[:, :, 2] += np.einsum("nij,nj->ni", places[:, :, :2], table.centre.astype(np.float64))
    places = places.astype(np.float32)

    def draw(begin: int, end: int) -> None:
        side, most = frame.drawn, int(table.vertices[begin:end].max(initial=1))
        _draw_rows(
            begin, end, table.address, table.vertices, table.strokes, table.start, table.gain, table.offset,
            table.gray_levels, table.background, cos_T, sin_T, direction_begin, places, frame.tones, frame.factor,
            np.empty(side * side, np.uint8), np.empty((4, most), np.uint32), np.empty((2, most), np.float32),
            np.empty((2, most), np.int32), np.empty(side, np.uint32), images,
        )  # fmt: skip

    return draw
