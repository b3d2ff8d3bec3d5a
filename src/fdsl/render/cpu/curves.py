"""Bezier curves on the CPU: control points through the view, a product with a table, 1-px lines along the result."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint64
from numpy.typing import NDArray

from fdsl.compiled import VECTOR, inlined, inner, kernel
from fdsl.geometry.curves import BezierCurves, basis_table, draw_points, vertices_for, weigh
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.cpu.segments import PLANES, draw_segments, prepare_segments
from fdsl.render.frame import Frame

FARTHEST = float32(2.0**20)


class Work(NamedTuple):
    """Arrays that one curve after the other is drawn with."""

    control_x_P: NDArray[np.float32]
    control_y_P: NDArray[np.float32]
    x_T: NDArray[np.float32]
    y_T: NDArray[np.float32]
    pixel_x_T: NDArray[np.int32]
    """One more than vertices."""
    pixel_y_T: NDArray[np.int32]
    segments_PT: NDArray[np.int32]


def _work(points: int) -> Work:
    vertices = vertices_for(points)
    control, position = np.empty((2, points + 1), np.float32), np.empty((2, vertices), np.float32)
    pixel, segments = np.empty((2, vertices + 1), np.int32), np.empty((PLANES, vertices), np.int32)
    return Work(control[0], control[1], position[0], position[1], pixel[0], pixel[1], segments)


@inlined
def pixel_of(position):  # type: ignore[no-untyped-def]
    """Truncate toward zero, after a clamp, because a huge float has no integer."""
    return int32(min(max(position, -FARTHEST), FARTHEST))


@inner
def _find_pixels(position_T, pixel_T):  # type: ignore[no-untyped-def]
    """Write every vertex's pixel; a segment from the last vertex to itself ends the line, and draws its pixel."""
    for first in range(uint64(0), uint64(len(position_T)), uint64(VECTOR)):
        for lane in range(VECTOR):
            vertex = first + uint64(lane)
            pixel_T[vertex] = pixel_of(position_T[vertex])
    pixel_T[len(position_T)] = pixel_T[len(position_T) - 1]


@inner
def _draw_image(address, points, curves, native, place, basis_PT, canvas, side, ink, work):  # type: ignore[no-untyped-def]
    vertices = len(basis_PT) // points
    x_T, y_T = work.x_T[:vertices], work.y_T[:vertices]
    pixel_x_T, pixel_y_T = work.pixel_x_T[: vertices + 1], work.pixel_y_T[: vertices + 1]
    for curve in range(curves):
        draw_points(address, curve, points, native, place, work.control_x_P, work.control_y_P)
        weigh(work.control_x_P, points, basis_PT, x_T)
        weigh(work.control_y_P, points, basis_PT, y_T)
        _find_pixels(x_T, pixel_x_T)
        _find_pixels(y_T, pixel_y_T)
        prepare_segments(pixel_x_T, pixel_y_T, side, work.segments_PT)
        draw_segments(canvas, side, pixel_x_T, pixel_y_T, vertices, work.segments_PT, ink)


@kernel
def _draw_rows(
    begin, end, address, points, curves, native, value, basis, basis_begin, sizes, places, work, finish
):  # type: ignore[no-untyped-def]
    for row in range(begin, end):
        first = basis_begin[row]
        begin_image(finish, row)
        _draw_image(
            address[row], points[row], curves[row], native, places[row], basis[first : first + sizes[row]],
            finish.canvas, finish.side, finish.ink_tone[value], work,
        )  # fmt: skip
        finish_image(finish, row, 0)


def drawer(table: BezierCurves, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    basis, basis_begin = basis_table(table.points)
    sizes = np.array([count * vertices_for(count) for count in table.points.tolist()], np.int64)
    places = frame.places.astype(np.float32)
    work = per_thread(lambda: _work(int(table.points.max())))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(
            begin, end, table.address, table.points, table.curves, table.canvas, table.value, basis, basis_begin,
            sizes, places, work(), finish(),
        )  # fmt: skip

    return draw
