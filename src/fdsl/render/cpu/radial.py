"""Radial strokes on the CPU.

A stroke is four loops over its vertices that vectorise (noise words, movement, pixels, segments), then one over its
segments that draws. Every loop that vectorises runs over whole VECTOR; vertices past the last repeat the first. Rings
and fills walk the same way and draw the first and last polygon alone.
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
from fdsl.render.cpu.polygons import fill_polygon
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.cpu.segments import PLANES, draw_segments, prepare_segments
from fdsl.render.frame import Frame

FARTHEST = float32(2.0**20)


class Rows(NamedTuple):
    """The contours of a batch, as in `RadialStrokes`, and what kernels need beside."""

    address: NDArray[np.uint32]
    vertices: NDArray[np.int32]
    strokes: NDArray[np.int32]
    start: NDArray[np.float32]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    frequencies: NDArray[np.int32]
    inks: NDArray[np.int16]
    """[R], -1 where a stroke's gray is random."""
    gray_levels: int
    cos_T: NDArray[np.float32]
    sin_T: NDArray[np.float32]
    """Two flat arrays: a slice of a 2-D one has a run-time stride, and loops over it do not vectorise."""
    direction_begin: NDArray[np.int64]
    places: NDArray[np.float32]
    """[R, 2, 3], from about the centre to pixels of the drawn canvas."""


def rows_of(table: RadialStrokes, frame: Frame) -> Rows:
    (cos_T, sin_T), direction_begin = direction_table(table.vertices)
    # the centre joins the placement, so that positions stay small and precise
    places = np.repeat(frame.places, table.objects, axis=0)
    places[:, :, 2] += np.einsum("nij,nj->ni", places[:, :, :2], table.centre.astype(np.float64))
    inks = np.full(len(table.vertices), -1) if table.inks is None else table.inks
    return Rows(
        table.address, table.vertices, table.strokes, table.start, table.gain, table.offset, table.frequencies,
        inks.astype(np.int16), table.gray_levels, cos_T, sin_T, direction_begin, places.astype(np.float32),
    )  # fmt: skip


class Work(NamedTuple):
    """Arrays that one contour after the other is drawn with."""

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


class Solid(NamedTuple):
    """Further arrays that rings and fills are drawn with."""

    first_x_V: NDArray[np.int32]
    """Pixels of the first polygon, as those of the last are in `Work`."""
    first_y_V: NDArray[np.int32]
    crossings: NDArray[np.uint8]
    """[side^2] zeros, as `fill_polygon` wants and leaves them."""


def _solid(vertices: int, side: int) -> Solid:
    pixel = np.empty((2, lanes_for(vertices) + 1), np.int32)
    return Solid(pixel[0], pixel[1], np.zeros(side * side, np.uint8))


@inner
def _draw_words(address, stroke, vertices, words_4V):  # type: ignore[no-untyped-def]
    a_V, b_V, c_V, d_V = words_4V[0], words_4V[1], words_4V[2], words_4V[3]
    for first in range(uint64(0), uint64(vertices), uint64(VECTOR)):
        for lane in range(VECTOR):
            vertex = first + uint64(lane)
            a, b, c, d = noise_block(address, stroke, vertex, vertices)
            a_V[vertex], b_V[vertex], c_V[vertex], d_V[vertex] = a, b, c, d


@inner
def _draw_grays(address, strokes, gray_levels, ink, tone, gray_L):  # type: ignore[no-untyped-def]
    """Write the strokes' grays, toned: all the contour's ink where `ink`, int, is not below 0."""
    if ink >= 0:
        gray_L[:strokes] = tone[ink]
        return
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
def pixel_of(a, x, b, y, c):  # type: ignore[no-untyped-def]
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
            pixel_x_V[vertex] = pixel_of(a, x_V[vertex], b, y_V[vertex], c)
            pixel_y_V[vertex] = pixel_of(d, x_V[vertex], e, y_V[vertex], f)
    for vertex in range(vertices, len(pixel_x_V)):
        pixel_x_V[vertex], pixel_y_V[vertex] = pixel_x_V[0], pixel_y_V[0]


@inlined
def ink_of(rows, row, stroke):  # type: ignore[no-untyped-def]
    """Return the gray of a stroke: its contour's ink, or one of its own."""
    if rows.inks[row] >= 0:
        return uint32(rows.inks[row])
    return uint32(stroke_gray(rows.address[row], stroke, uint32(rows.gray_levels)))


@inner
def _start(rows, row, cos_V, sin_V, tone, work):  # type: ignore[no-untyped-def]
    """Put a contour's vertices on its ellipse, and draw its grays."""
    start, vertices = rows.start[row], rows.vertices[row]
    for vertex in range(len(cos_V)):
        work.x_V[vertex] = cos_V[vertex] * start[0]
        work.y_V[vertex] = sin_V[vertex] * start[1]
        work.offset_V[vertex] = wavy(rows.offset[row], sin_V, vertex, vertices, rows.frequencies[row])
    gray_levels = uint32(rows.gray_levels)
    _draw_grays(rows.address[row], rows.strokes[row], gray_levels, rows.inks[row], tone, work.gray_L)


@inlined
def _step(address, stroke, vertices, gain, cos_V, sin_V, work):  # type: ignore[no-untyped-def]
    """Move the vertices to where a stroke has them; strokes come in order from 0 on."""
    if stroke % 2 == 0:
        _draw_words(address, stroke, vertices, work.words_4V)
    word = 2 * (stroke % 2)
    _move(work.x_V, cos_V, work.words_4V[word], gain, work.offset_V, vertices)
    _move(work.y_V, sin_V, work.words_4V[word + 1], gain, work.offset_V, vertices)


@inner
def _draw_strokes(rows, row, cos_V, sin_V, finish, work):  # type: ignore[no-untyped-def]
    address, vertices, gain, place = rows.address[row], rows.vertices[row], rows.gain[row], rows.places[row]
    canvas, side = finish.canvas, finish.side
    _start(rows, row, cos_V, sin_V, finish.ink_tone, work)
    closed_x_V, closed_y_V = work.pixel_x_V[: len(cos_V) + 1], work.pixel_y_V[: len(cos_V) + 1]
    for stroke in range(rows.strokes[row]):
        _step(address, stroke, vertices, gain, cos_V, sin_V, work)
        _place(work.x_V, work.y_V, place, closed_x_V, closed_y_V, vertices)
        prepare_segments(closed_x_V, closed_y_V, side, work.segments_PV)
        draw_segments(canvas, side, closed_x_V, closed_y_V, vertices, work.segments_PV, work.gray_L[stroke])


@inner
def _draw_solid(rows, row, hollow, cos_V, sin_V, finish, work, solid):  # type: ignore[no-untyped-def]
    """Draw the last polygon filled, and if `hollow` the first one empty over it, where that is another."""
    address, vertices, gain, place = rows.address[row], rows.vertices[row], rows.gain[row], rows.places[row]
    canvas, side, strokes = finish.canvas, finish.side, rows.strokes[row]
    if strokes < (2 if hollow else 1):
        return
    _start(rows, row, cos_V, sin_V, finish.ink_tone, work)
    past = len(cos_V) + 1
    first_x_V, first_y_V = solid.first_x_V[:past], solid.first_y_V[:past]
    last_x_V, last_y_V = work.pixel_x_V[:past], work.pixel_y_V[:past]
    for stroke in range(strokes):
        _step(address, stroke, vertices, gain, cos_V, sin_V, work)
        if stroke == 0:
            _place(work.x_V, work.y_V, place, first_x_V, first_y_V, vertices)
    _place(work.x_V, work.y_V, place, last_x_V, last_y_V, vertices)
    gray = work.gray_L[strokes - 1]
    fill_polygon(canvas, side, last_x_V, last_y_V, vertices, solid.crossings, gray)
    if hollow:
        empty = finish.ink_tone[finish.background]
        fill_polygon(canvas, side, first_x_V, first_y_V, vertices, solid.crossings, empty)
        prepare_segments(first_x_V, first_y_V, side, work.segments_PV)
        draw_segments(canvas, side, first_x_V, first_y_V, vertices, work.segments_PV, gray)
    prepare_segments(last_x_V, last_y_V, side, work.segments_PV)
    draw_segments(canvas, side, last_x_V, last_y_V, vertices, work.segments_PV, gray)


@inlined
def _directions(rows, row):  # type: ignore[no-untyped-def]
    """Return where a contour's directions begin and end."""
    first = rows.direction_begin[row]
    return first, first + (rows.vertices[row] + VECTOR - 1) // VECTOR * VECTOR


@kernel
def _draw_rows(begin, end, objects, rows, work, finish):  # type: ignore[no-untyped-def]
    for image in range(begin, end):
        begin_image(finish, image)
        for row in range(image * objects, (image + 1) * objects):
            first, past = _directions(rows, row)
            _draw_strokes(rows, row, rows.cos_T[first:past], rows.sin_T[first:past], finish, work)
        finish_image(finish, image, 0)


@kernel
def _draw_solid_rows(begin, end, objects, rows, work, finish, hollow, solid):  # type: ignore[no-untyped-def]
    for image in range(begin, end):
        begin_image(finish, image)
        for row in range(image * objects, (image + 1) * objects):
            first, past = _directions(rows, row)
            cos_V, sin_V = rows.cos_T[first:past], rows.sin_T[first:past]
            _draw_solid(rows, row, hollow, cos_V, sin_V, finish, work, solid)
        finish_image(finish, image, 0)


@kernel
def _write_outlines(begin, end, rows, tone, work, points_RV2):  # type: ignore[no-untyped-def]
    for row in range(begin, end):
        first, past = _directions(rows, row)
        cos_V, sin_V, place = rows.cos_T[first:past], rows.sin_T[first:past], rows.places[row]
        vertices = rows.vertices[row]
        _start(rows, row, cos_V, sin_V, tone, work)
        for stroke in range(rows.strokes[row]):
            _step(rows.address[row], stroke, vertices, rows.gain[row], cos_V, sin_V, work)
        for vertex in range(points_RV2.shape[1]):
            own = min(vertex, vertices - 1)
            x, y = work.x_V[own], work.y_V[own]
            for axis in range(2):
                points_RV2[row, vertex, axis] = place[axis, 0] * x + place[axis, 1] * y + place[axis, 2]


def outline_writer(table: RadialStrokes, frame: Frame, points_RV2: NDArray[np.float32]):  # type: ignore[no-untyped-def]
    """Return write(begin, end), which writes where those rows' vertices end, pixels; a row repeats its last vertex."""
    rows, tone = rows_of(table, frame), np.zeros(256, np.uint8)
    work = per_thread(lambda: _work(int(table.vertices.max()), int(table.strokes.max())))

    def write(begin: int, end: int) -> None:
        _write_outlines(begin, end, rows, tone, work(), points_RV2)

    return write


def drawer(table: RadialStrokes, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those images of `table` into `images`, uint8 [N, H, W]."""
    rows, objects = rows_of(table, frame), table.objects
    vertices, strokes = int(table.vertices.max()), int(table.strokes.max())
    work = per_thread(lambda: _work(vertices, strokes))
    finish = per_thread(lambda: finishing(frame, images, table.background))
    solid = per_thread(lambda: _solid(vertices, frame.drawn))

    def draw(begin: int, end: int) -> None:
        if table.shape == "strokes":
            _draw_rows(begin, end, objects, rows, work(), finish())
        else:
            _draw_solid_rows(begin, end, objects, rows, work(), finish(), table.shape == "ring", solid())

    return draw
