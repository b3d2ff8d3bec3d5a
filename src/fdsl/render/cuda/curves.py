"""Bezier curves on a GPU: one block an image, one curve after the other, a thread a vertex and then a segment.

All lines of an image are of one gray, so that threads draw the segments of one curve while others begin the next.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32
from numpy.typing import NDArray

from fdsl import compiled
from fdsl.geometry.curves import MAX_CONTROL_POINTS, BezierCurves, basis_table, draw_pair, vertices_for
from fdsl.render.cpu.curves import pixel_of
from fdsl.render.cpu.segments import draw_segment
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.device import Device
from fdsl.render.frame import Frame

MOST_VERTICES = vertices_for(MAX_CONTROL_POINTS)


class Rows(NamedTuple):
    """The images of a batch, as in `BezierCurves`, and what kernels need beside."""

    address: NDArray[np.uint32]
    points: NDArray[np.int32]
    curves: NDArray[np.int32]
    vertices: NDArray[np.int32]
    """[N], of a curve."""
    basis: NDArray[np.float32]
    basis_begin: NDArray[np.int64]
    places: NDArray[np.float32]
    """[N, 2, 3], from the native canvas to pixels of the drawn one."""


def _rows_of(table: BezierCurves, frame: Frame) -> Rows:
    basis, basis_begin = basis_table(table.points)
    vertices = np.array([vertices_for(count) for count in table.points.tolist()], np.int32)
    places = frame.places.astype(np.float32)
    return Rows(table.address, table.points, table.curves, vertices, basis, basis_begin, places)


@compiled.inner
def _draw_pair(rows, row, curve, pair, native, control_2P):  # type: ignore[no-untyped-def]
    pairs = (rows.points[row] + 1) // 2
    draw_pair(rows.address[row], curve, pair, pairs, native, rows.places[row], control_2P[0], control_2P[1])


@compiled.inner
def _place(rows, row, vertex, control_2P, pixel_2T):  # type: ignore[no-untyped-def]
    """Write a vertex's pixel: the sum of its curve's control points, from the first on, weighted."""
    points, vertices = rows.points[row], rows.vertices[row]
    x, y, weight = float32(0.0), float32(0.0), rows.basis_begin[row] + vertex
    for point in range(points):
        x += control_2P[0, point] * rows.basis[weight]
        y += control_2P[1, point] * rows.basis[weight]
        weight += vertices
    pixel_2T[0, vertex], pixel_2T[1, vertex] = pixel_of(x), pixel_of(y)


@compiled.inner
def _draw(cells, side, vertex, vertices, pixel_2T, gray):  # type: ignore[no-untyped-def]
    """Draw the segment from a vertex to the next; that from the last one to itself is its pixel."""
    after = vertex + 1 if vertex + 1 < vertices else vertex
    x, y = pixel_2T[0], pixel_2T[1]
    draw_segment(cells, side, x[vertex], y[vertex], x[after], y[after], gray)


@kernel
def _draw_curves(rows, native, value, background, side, canvas):  # type: ignore[no-untyped-def]
    """Draw all curves of an image."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    row, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
    control_2P = cuda.shared.array((2, MAX_CONTROL_POINTS), float32)
    pixel_2T = cuda.shared.array((2, MOST_VERTICES), int32)
    points, vertices, gray = rows.points[row], rows.vertices[row], toned(canvas, row, value)
    fill(cells, toned(canvas, row, background))
    for curve in range(rows.curves[row]):
        for pair in range(thread, (points + 1) // 2, threads):
            _draw_pair(rows, row, curve, pair, native, control_2P)
        # beyond this the curve before is drawn, too, and the first one's canvas is empty
        cuda.syncthreads()
        for vertex in range(thread, vertices, threads):
            _place(rows, row, vertex, control_2P, pixel_2T)
        cuda.syncthreads()
        for vertex in range(thread, vertices, threads):
            _draw(cells, side, vertex, vertices, pixel_2T, gray)


def drawer(table: BezierCurves, frame: Frame, device: Device) -> Drawing:
    """Return what draws the curves of `table` on a GPU."""
    host, side = _rows_of(table, frame), frame.drawn
    rows, threads = device.upload(host), device.threads(int(host.vertices.max()))

    def draw(canvas: Canvas) -> None:
        device.launch(
            _draw_curves, len(canvas.pixels), threads,
            rows, table.canvas, table.value, table.background, side, canvas,
        )  # fmt: skip

    return Drawing(draw)
