"""Scenes on a GPU: backdrops, then all objects by themselves, then pixels, each of which asks what lies on top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda

from fdsl.geometry.scenes import BACKDROP, FractalScenes
from fdsl.render.cpu.placing import Plan, new_plans, plan_objects
from fdsl.render.cpu.scenes import Rows, backs_of, rows_of
from fdsl.render.cuda import backdrop
from fdsl.render.cuda.canvas import Canvas, Drawing
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.density import Cells, draw_objects, shares_of
from fdsl.render.cuda.device import Device, DeviceArray
from fdsl.render.cuda.laying import lay_objects
from fdsl.render.cuda.packed import soften_lines, write_pixels
from fdsl.render.frame import Frame


class Canvases(NamedTuple):
    """Memory that scenes are put together in, a row an image, flat."""

    packed: DeviceArray
    """uint32, packed colours."""
    softer: DeviceArray
    """The same, averaged along x, where there is an image to blur."""


@kernel
def _finish_scenes(rows, plans, cells, canvases, numbered, painted, side, canvas):  # type: ignore[no-untyped-def]
    """Lay the objects of an image, blur it and write it, a block an image."""
    thread, threads, image = cuda.threadIdx.x, cuda.blockDim.x, canvas.first + cuda.blockIdx.x
    packed, drawn = canvases.packed[cuda.blockIdx.x], cells.packed[cuda.blockIdx.x]
    lay_objects(rows, plans, drawn, cells.begins, image, numbered, painted, side, packed, thread, threads)
    cuda.syncthreads()
    weight, channels = rows.blur[image], 1 if numbered else 3
    if weight > 0:
        softer = canvases.softer[cuda.blockIdx.x]
        soften_lines(packed, side, weight, softer, thread, threads)
        cuda.syncthreads()
        packed = softer
    write_pixels(
        packed, side, weight, channels, canvas, image, canvas.pixels[cuda.blockIdx.x], thread, threads
    )


def _planned(table: FractalScenes, frame: Frame) -> tuple[Rows, Plan]:
    """Return a table's columns and the plans of its objects."""
    places = np.ascontiguousarray(frame.places)
    backs, plans = backs_of(places), new_plans(*table.grain.shape)
    plan_objects(table.count, table.boxes, table.grain, places, backs, frame.drawn, plans)
    rows = rows_of(table, backs)
    if table.backdrop is None:
        rows = rows._replace(backdrop=np.zeros((1, BACKDROP), np.int32))
    return rows, plans


def drawer(table: FractalScenes, frame: Frame, device: Device) -> Drawing:
    """Return what draws the scenes of `table` on a GPU."""
    side, painted = frame.drawn, table.backdrop is not None
    rows, plans = _planned(table, frame)
    begins, most = shares_of(plans)
    softer = side * side if table.blur.any() else 1
    rows, plans, begins = device.upload(rows), device.upload(plans), device.upload((begins,))[0]

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        canvases = Canvases(
            device.scratch("scenes_packed", (images, side * side), np.uint32),
            device.scratch("scenes_softer", (images, softer), np.uint32),
        )
        cells = Cells(
            device.scratch("scenes_counts", (images, most), np.uint32),
            device.scratch("scenes_cells", (images, most), np.uint32),
            begins,
        )
        if painted:
            backdrop.paint_backdrops(rows, canvas.first, images, side, canvases, device)
        draw_objects(rows, plans, canvas.first, images, cells, device)
        device.launch(
            _finish_scenes, images, device.threads(side * side),
            rows, plans, cells, canvases, table.numbered, painted, side, canvas,
        )  # fmt: skip

    return Drawing(draw, 4 * (side * side + softer + 2 * most) + (backdrop.BYTES if painted else 0))
