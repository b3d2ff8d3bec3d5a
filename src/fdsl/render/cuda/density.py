"""Densities on a GPU: one block an object, a thread an orbit, then a thread a cell."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint32
from numpy.typing import NDArray

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.affine2d import ORBITS
from fdsl.geometry.maps import GROUP, MAX_MAPS
from fdsl.render.cpu.density import LEVELS, cell_around, colour_of_level, level_of, scale_of
from fdsl.render.cpu.placing import Plan, place_points
from fdsl.render.cpu.points import PATCH_BITS
from fdsl.render.cuda.affine2d import find_cells
from fdsl.render.cuda.compiled import inner, kernel
from fdsl.render.cuda.device import Device, DeviceArray
from fdsl.render.cuda.grids import after, apart, clear
from fdsl.render.cuda.orbits import (
    FIRST_GROUP,
    System,
    advance_plane,
    drawn_points,
    find_bounds,
    groups_for,
    load_system,
)

HUES = LEVELS + 1
"""Colours of densities: none, then one a level."""
COLOURING = 512
"""Threads a block at most, some two dozen cells each: as many blocks as a scene has objects share a multiprocessor."""


class Cells(NamedTuple):
    """Memory that objects are drawn in, a row an image, one object after the other."""

    counts: DeviceArray
    """uint32 [M, C], as `count_points` of the CPU writes them."""
    packed: DeviceArray
    """uint32 [M, C], densities, then packed colours; laid out as `colour_cells` of the CPU does."""
    begins: DeviceArray
    """int32 [N, O + 1], where each object's begin, and where the last one's end."""


def shares_of(plans: Plan) -> tuple[NDArray[np.int32], int]:
    """Return where each object's cells begin among those of its image, `Cells.begins`, and the most of an image.

    Counted are (side + 2)^2 + 1 of them; colours take no more.
    """
    sides = plans.cells_1[..., 0]
    begins = np.zeros((len(sides), sides.shape[1] + 1), np.int32)
    np.cumsum(np.where(sides > 0, (sides + 2) ** 2 + 1, 0), axis=1, out=begins[:, 1:])
    return begins, max(int(begins.max()), 1)


@inner
def _count_points(system, place, side, drawn, counts):  # type: ignore[no-untyped-def]
    """Count the points of each cell, but for those that lie in none."""
    at_2 = cuda.local.array(2, float32)
    x_G = cuda.local.array(GROUP, float32)
    y_G = cuda.local.array(GROUP, float32)
    cell_G = cuda.local.array(GROUP, int32)
    outside = (side + 2) * (side + 2)
    for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
        at_2[0], at_2[1] = float32(0.0), float32(0.0)
        for group in range(groups_for(drawn)):
            advance_plane(system, orbit, group, at_2, x_G, y_G)
            if group >= FIRST_GROUP:
                find_cells(place, 1, side + 2, orbit, group, drawn, x_G, y_G, cell_G)
                for k in range(GROUP):
                    if cell_G[k] < outside:
                        cuda.atomic.add(counts, cell_G[k], uint32(1))


@inlined
def _density(counts, patch, line, column, pitch):  # type: ignore[no-untyped-def]
    total = uint32(0)
    for bit in range(PATCH_BITS):
        if (patch >> bit) & 1:
            total = uint32(total + counts[cell_around(line, bit, pitch) + column])
    return total


@compiled.inner
def _spread_patch(counts, patch, side, packed, thread, threads):  # type: ignore[no-untyped-def]
    """Write the density of one thread's cells, and return the greatest."""
    most = uint32(0)
    line, column = apart(thread, side)
    down, along = apart(threads, side)
    while line < side:
        density = _density(counts, int32(patch), line, column, int32(side + 2))
        packed[line * (side + 1) + column] = density
        most = density if density > most else most
        line, column = after(line, column, down, along, side)
    return most


@compiled.inner
def _find_hues(colour, hues, thread, threads):  # type: ignore[no-untyped-def]
    for level in range(thread, HUES, threads):
        hues[level] = colour_of_level(colour, level - 1) if level > 0 else uint32(0)


@compiled.inner
def _colour_cells(most_1, hues, side, packed, thread, threads):  # type: ignore[no-untyped-def]
    """Write the colours of one thread's cells over their densities; a column, two lines and a cell more have none."""
    wide, scale = int32(side + 1), scale_of(most_1[0])
    line, column = apart(thread, wide)
    down, along = apart(threads, wide)
    place = int32(thread)
    while place <= (side + 2) * wide:
        inside = (line < side) & (column < side)
        packed[place] = hues[level_of(packed[place], scale)] if inside else uint32(0)
        place = int32(place + threads)
        line, column = after(line, column, down, along, wide)


@compiled.inner
def _place(bounds_5, flips, way, place_23):  # type: ignore[no-untyped-def]
    place_points(bounds_5[1], bounds_5[2], bounds_5[3], bounds_5[4], flips, way, place_23)


@inner
def _object_of_block(first, objects):  # type: ignore[no-untyped-def]
    """Return (image of this launch, row, object) that a block draws."""
    image = cuda.blockIdx.x // objects
    return image, first + image, cuda.blockIdx.x - image * objects


@kernel
def _count_objects(rows, plans, first, objects, cells):  # type: ignore[no-untyped-def]
    """Count the points of what is seen of the objects of the rows from `first` on, a block an object."""
    image, row, o = _object_of_block(first, objects)
    words = cuda.shared.array(4, uint32)
    begins = cuda.shared.array(MAX_MAPS, int32)
    tables = cuda.shared.array((6, MAX_MAPS), float32)
    bounds_5 = cuda.shared.array(5, float32)
    place_23 = cuda.shared.array((2, 3), float32)
    side, points, system = plans.cells_1[row, o, 0], rows.points[row, o], System(words, begins, tables)
    if side > 0:
        counts = cells.counts[image][cells.begins[row, o] : cells.begins[row, o + 1]]
        clear(counts, cuda.threadIdx.x, cuda.blockDim.x)
        load_system(rows.address[row], rows.streams[o], rows.maps[row, o], rows.begins[row, o], system)
        find_bounds(system, points, bounds_5)
        if cuda.threadIdx.x == 0:
            _place(bounds_5, rows.flips[row, o], plans.way_23[row, o], place_23)
        cuda.syncthreads()
        _count_points(system, place_23, side, drawn_points(bounds_5, points), counts)


@kernel
def _colour_objects(rows, plans, first, objects, cells):  # type: ignore[no-untyped-def]
    """Find the colours of cells whose points are counted, a block an object."""
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    image, row, o = _object_of_block(first, objects)
    hues = cuda.shared.array(HUES, uint32)
    most_1 = cuda.shared.array(1, uint32)
    side = plans.cells_1[row, o, 0]
    if side > 0:
        begin, end = cells.begins[row, o], cells.begins[row, o + 1]
        counts, packed = cells.counts[image][begin:end], cells.packed[image][begin:end]
        _find_hues(rows.colours[row, o], hues, thread, threads)
        if thread == 0:
            most_1[0] = 0
        cuda.syncthreads()
        most = _spread_patch(counts, rows.patches[row, o], side, packed, thread, threads)
        cuda.atomic.max(most_1, 0, uint32(most))
        cuda.syncthreads()
        _colour_cells(most_1, hues, side, packed, thread, threads)


def draw_objects(rows, plans, first: int, images: int, cells: Cells, device: Device) -> None:  # type: ignore[no-untyped-def]
    """Draw each object in cells of its own.

    Args:
        rows: the columns of a table, on the GPU.
        plans: of its objects, likewise.
        first: row of the first of `images`.
        images: how many.
        cells: written.
        device: the GPU.
    """
    objects = int(cells.begins.shape[1]) - 1
    for kernel_, threads in (_count_objects, ORBITS), (_colour_objects, COLOURING):
        device.launch(kernel_, images * objects, device.threads(threads), rows, plans, first, objects, cells)
