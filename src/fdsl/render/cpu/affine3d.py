"""Affine maps of space on the CPU."""

from __future__ import annotations

import numpy as np
from numba import float32, int32, njit
from numpy.typing import NDArray

from fdsl.geometry import affine3d as geometry
from fdsl.geometry.affine3d import FAR, NEAR, ORBITS, AffineMaps3D
from fdsl.geometry.maps import BURN_IN
from fdsl.render.cpu.finish import finish
from fdsl.render.frame import Frame


@njit(error_model="numpy")  # Python's would test every division for zero, one by one
def _cells(x_R, y_R, z_R, matrix_34, place, side, cell_R):  # type: ignore[no-untyped-def]
    """Write each point's pixel, or the cell past the canvas for one that is clipped."""
    rows = geometry.camera_rows(matrix_34)
    a, b, c = place[0, 0], place[0, 1], place[0, 2]
    d, e, f = place[1, 0], place[1, 1], place[1, 2]
    end, outside = float32(side), int32(side * side)
    for orbit in range(len(cell_R)):
        u, v, depth = geometry.project(rows, x_R[orbit], y_R[orbit], z_R[orbit])
        x, y = a * u + b * v + c, d * u + e * v + f
        seen = (depth >= float32(NEAR)) & (depth <= float32(FAR))
        inside = seen & (x >= float32(0.0)) & (x < end) & (y >= float32(0.0)) & (y < end)
        cell_R[orbit] = int32(y) * int32(side) + int32(x) if inside else outside


@njit(nogil=True, cache=True)
def _draw_rows(
    begin, end, address, maps, begins, rotation, points, value, places, tones, factor,
    points_3SR, words_4R, centre_3, variance_3, matrix_34, cell_R, canvas, sums_W, images,
):  # type: ignore[no-untyped-def]  # fmt: skip
    side = images.shape[1] * factor
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], points_3SR, words_4R)
        scale = geometry.normalisation(points_3SR, points, centre_3, variance_3)
        canvas[:] = 0
        geometry.camera_matrix(rotation[row], scale, centre_3, matrix_34)
        left = points if scale > 0.0 else 0  # a system that diverges has no attractor to show
        s = BURN_IN + 1
        while left > 0:
            _cells(points_3SR[0, s], points_3SR[1, s], points_3SR[2, s], matrix_34, places[row], side, cell_R)
            for orbit in range(min(left, ORBITS)):
                canvas[cell_R[orbit]] = value
            left -= ORBITS
            s += 1
        finish(canvas, factor, tones[row], sums_W, images[row])


def drawer(table: AffineMaps3D, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    half = table.canvas / 2
    to_canvas = np.array([[half, 0.0, half], [0.0, half, half], [0.0, 0.0, 1.0]])
    places = (frame.places @ to_canvas).astype(np.float32)

    def draw(begin: int, end: int) -> None:
        points_3SR, words_4R = geometry.scratch(table.points)
        _draw_rows(
            begin, end, table.address, table.maps, table.begins, table.rotation, table.points, np.uint8(table.value),
            places, frame.tones, frame.factor, points_3SR, words_4R, np.empty(3), np.empty(3),
            np.empty((3, 4), np.float32), np.empty(ORBITS, np.int32), np.empty(frame.drawn**2 + 1, np.uint8),
            np.empty(frame.drawn, np.uint32), images,
        )  # fmt: skip

    return draw
