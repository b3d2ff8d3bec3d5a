"""Affine maps of space on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inner, kernel
from fdsl.geometry import affine3d as geometry
from fdsl.geometry.affine3d import FAR, FIRST, NEAR, AffineMaps3D, Orbits
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.points import put_value
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import Frame

CHUNK = 1024
"""Points whose pixels are found before they are drawn; a row of orbits would be too short to vectorise well."""


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    orbits: Orbits
    centre_3: NDArray[np.float64]
    matrix_34: NDArray[np.float32]
    cell_P: NDArray[np.int32]
    """Of CHUNK points."""


def _work(points: int) -> Work:
    orbits, matrix_34 = geometry.new_orbits(points), np.empty((3, 4), np.float32)
    return Work(orbits, np.empty(3), matrix_34, np.empty(CHUNK, np.int32))


@inner
def _cells(x_P, y_P, z_P, matrix_34, place, side, cell_P):  # type: ignore[no-untyped-def]
    """Write each point's pixel, or the cell past the canvas for one that is clipped."""
    rows = geometry.camera_rows(matrix_34)
    a, b, c = place[0, 0], place[0, 1], place[0, 2]
    d, e, f = place[1, 0], place[1, 1], place[1, 2]
    end, outside = float32(side), int32(side * side)
    for p in range(uint64(len(x_P))):
        u, v, depth = geometry.project(rows, x_P[p], y_P[p], z_P[p])
        x, y = a * u + b * v + c, d * u + e * v + f
        seen = (depth >= float32(NEAR)) & (depth <= float32(FAR))
        inside = seen & (x >= float32(0.0)) & (x < end) & (y >= float32(0.0)) & (y < end)
        cell_P[p] = int32(int32(int32(y) * int32(side)) + int32(x)) if inside else outside


@inner
def _draw_points(work, points, value, place, side, canvas):  # type: ignore[no-untyped-def]
    clouds, cell_P = work.orbits.points_3P, work.cell_P
    for begin in range(FIRST, FIRST + points, CHUNK):
        end = min(begin + CHUNK, FIRST + points)
        _cells(
            clouds[0, begin:end],
            clouds[1, begin:end],
            clouds[2, begin:end],
            work.matrix_34,
            place,
            side,
            cell_P,
        )
        put_value(canvas, cell_P, end - begin, value)


@kernel
def _draw_rows(
    begin, end, address, maps, begins, rotation, points, value, places, work, finish
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], work.orbits)
        scale = geometry.normalisation(work.orbits, points, work.centre_3)
        begin_image(finish, row)
        if scale > 0.0:  # a system that diverges has no attractor to show
            geometry.camera_matrix(rotation[row], scale, work.centre_3, work.matrix_34)
            _draw_points(work, points, finish.ink_tone[value], places[row], finish.side, finish.canvas)
        finish_image(finish, row, 0)


def drawer(table: AffineMaps3D, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    half = table.canvas / 2
    to_canvas = np.array([[half, 0.0, half], [0.0, half, half], [0.0, 0.0, 1.0]])
    places = (frame.places @ to_canvas).astype(np.float32)

    work = per_thread(lambda: _work(table.points))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(
            begin, end, table.address, table.maps, table.begins, table.rotation, table.points, np.uint8(table.value),
            places, work(), finish(),
        )  # fmt: skip

    return draw
