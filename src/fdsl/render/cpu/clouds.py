"""What a cloud of points is besides its picture: the points themselves, and how far each pixel's nearest lies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numba import float32, uint64
from numpy.typing import NDArray

from fdsl.compiled import kernel
from fdsl.geometry import affine3d as geometry
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.render.cpu.affine3d import CHUNK, new_work, place_chunk, placements
from fdsl.render.cpu.points import put_nearest
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import Frame


@kernel
def _write_clouds(begin, end, address, maps, begins, points, work, clouds):  # type: ignore[no-untyped-def]
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], work.orbits)
        scale = geometry.normalisation(work.orbits, points, work.centre_3)
        clouds[row] = 0.0
        if scale > 0.0:
            geometry.normalise(work.orbits, points, scale, work.centre_3, clouds[row])


@kernel
def _draw_depths(
    begin, end, address, maps, begins, rotation, points, places, side, work, nearest, depths
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], work.orbits)
        scale = geometry.normalisation(work.orbits, points, work.centre_3)
        nearest[:] = float32(np.inf)
        if scale > 0.0:
            geometry.camera_matrix(rotation[row], scale, work.centre_3, work.matrix_34)
            for first in range(0, points, CHUNK):
                count = place_chunk(work, first, points, places[row], side)
                put_nearest(nearest, work.cell_P, work.depth_P, count)
        for pixel in range(uint64(side * side)):
            depth = nearest[pixel]
            depths[row, pixel] = depth if depth < float32(np.inf) else float32(0.0)


def cloud_writer(table: AffineMaps3D, clouds: NDArray[np.float32]) -> Callable[[int, int], None]:
    """Return write(begin, end), which writes those rows' clouds into `clouds`, float32 [N, P, 3]."""
    work = per_thread(lambda: new_work(table.points))

    def write(begin: int, end: int) -> None:
        _write_clouds(begin, end, table.address, table.maps, table.begins, table.points, work(), clouds)

    return write


def depth_drawer(
    table: AffineMaps3D, frame: Frame, depths: NDArray[np.float32]
) -> Callable[[int, int], None]:
    """Return draw(begin, end), which draws those rows' depths into `depths`, float32 [N, H * W]."""
    places = placements(table, frame)
    work = per_thread(lambda: new_work(table.points))
    nearest = per_thread(lambda: np.empty(frame.drawn**2 + 1, np.float32))

    def draw(begin: int, end: int) -> None:
        _draw_depths(
            begin, end, table.address, table.maps, table.begins, table.rotation, table.points, places, frame.drawn,
            work(), nearest(), depths,
        )  # fmt: skip

    return draw
