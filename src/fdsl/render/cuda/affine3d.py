"""Affine maps of space on a GPU: one block an image, a thread an orbit, run twice: for reach and centre, and to draw.

Plain points light their pixels. Of textured ones the nearest shows: the least of 64-bit keys in the GPU's memory,
from which a second kernel takes the grays.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import cuda, float32, float64, int32, uint8, uint16, uint32, uint64

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.affine3d import ORBITS, AffineMaps3D, camera_matrix, camera_rows, find_scale
from fdsl.geometry.maps import BURN_IN, GROUP, MAX_MAPS
from fdsl.render.cpu.affine3d import (
    NOTHING,
    TEXTURE,
    place_scalars,
    placements,
    seen_cell,
    texture_gray,
    texture_ink,
)
from fdsl.render.cpu.points import nearest_key
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import Kernel, kernel
from fdsl.render.cuda.device import MOST_THREADS, Device, DeviceArray
from fdsl.render.cuda.orbits import (
    BITS,
    FIRST_GROUP,
    System,
    choices_of,
    groups_for,
    load_system,
    number_of,
    words_of,
)
from fdsl.render.frame import Frame

COEFFICIENTS = 12
DEPTHS = float32(1 << 23)
"""Of a unit: from NEAR = 1 on, the depths that a float32 can be are whole multiples of one."""


class Rows(NamedTuple):
    """The columns of an `AffineMaps3D` table, and the images' placements."""

    address: DeviceArray
    textures: DeviceArray
    maps: DeviceArray
    begins: DeviceArray
    rotation: DeviceArray
    places: DeviceArray
    """float32 [N, 2, 3], from the image plane to pixels."""


class Keys(NamedTuple):
    """What shows in each pixel, a row an image."""

    keys: DeviceArray
    """uint64 [M, side^2], as those of `points`."""


@inlined
def _step(tables, choices, x, y, z):  # type: ignore[no-untyped-def]
    """Return where the map of the lowest choice takes a point; terms are added as in `lockstep`."""
    m = uint32(choices & uint32(MAX_MAPS - 1))
    return (
        tables[0, m] * x + tables[1, m] * y + tables[2, m] * z + tables[9, m],
        tables[3, m] * x + tables[4, m] * y + tables[5, m] * z + tables[10, m],
        tables[6, m] * x + tables[7, m] * y + tables[8, m] * z + tables[11, m],
    )


@inlined
def _advance(system, orbit, group, at_3, points_3G):  # type: ignore[no-untyped-def]
    """Take an orbit through the steps of a group, and write where each leads."""
    choices = choices_of(system, ORBITS, orbit, group)
    x, y, z = at_3[0], at_3[1], at_3[2]
    for k in range(GROUP):
        x, y, z = _step(system.tables, choices, x, y, z)
        choices = uint32(choices >> uint32(BITS))
        points_3G[0, k], points_3G[1, k], points_3G[2, k] = x, y, z
    at_3[0], at_3[1], at_3[2] = x, y, z


@compiled.inner
def _gather(system, orbit, points, low_3R, high_3R, sum_3R):  # type: ignore[no-untyped-def]
    """Write an orbit's least and greatest coordinates, and their sums in order, of the image's first points."""
    x, y, z = float32(0.0), float32(0.0), float32(0.0)
    low_x, low_y, low_z = float32(np.inf), float32(np.inf), float32(np.inf)
    high_x, high_y, high_z = float32(-np.inf), float32(-np.inf), float32(-np.inf)
    sum_x, sum_y, sum_z = 0.0, 0.0, 0.0
    steps = int32(BURN_IN + (points + ORBITS - 1 - orbit) // ORBITS)
    for group in range((steps + GROUP - 1) // GROUP):
        choices = choices_of(system, ORBITS, orbit, group)
        drawn = int32(steps - group * GROUP) if group >= FIRST_GROUP else int32(0)
        for k in range(GROUP):
            x, y, z = _step(system.tables, choices, x, y, z)
            choices = uint32(choices >> uint32(BITS))
            if k < drawn:
                low_x, high_x = x if x < low_x else low_x, x if x > high_x else high_x
                low_y, high_y = y if y < low_y else low_y, y if y > high_y else high_y
                low_z, high_z = z if z < low_z else low_z, z if z > high_z else high_z
                sum_x, sum_y, sum_z = sum_x + float64(x), sum_y + float64(y), sum_z + float64(z)
    low_3R[0, orbit], low_3R[1, orbit], low_3R[2, orbit] = low_x, low_y, low_z
    high_3R[0, orbit], high_3R[1, orbit], high_3R[2, orbit] = high_x, high_y, high_z
    sum_3R[0, orbit], sum_3R[1, orbit], sum_3R[2, orbit] = sum_x, sum_y, sum_z


@inlined
def _find_cells(matrix_34, place, side, orbit, group, points, points_3G, cell_G, depth_G):  # type: ignore[no-untyped-def]
    """Write pixels and depths of an orbit's points in a group; what is not drawn has the cell past the canvas."""
    rows, scalars = camera_rows(matrix_34), place_scalars(place)
    for k in range(GROUP):
        cell, depth = seen_cell(rows, scalars, side, points_3G[0, k], points_3G[1, k], points_3G[2, k])
        cell_G[k] = cell if number_of(orbit, group, k, ORBITS) < points else int32(side * side)
        depth_G[k] = depth


@inlined
def _key(canvas, row, half, depth):  # type: ignore[no-untyped-def]
    gray = texture_gray(half)
    return nearest_key(uint32(depth * DEPTHS), texture_ink(uint16(gray), toned(canvas, row, gray)))


@inlined
def _find_keys(address, canvas, row, orbit, group, depth_G, key_G):  # type: ignore[no-untyped-def]
    """Write the keys of an orbit's points in a group; the bits of their grays are laid out as those of maps."""
    a, b, c, d = words_of(address, TEXTURE, group - FIRST_GROUP, ORBITS, orbit)
    for pair in range(GROUP // 2):
        key_G[2 * pair] = _key(canvas, row, uint32(a & uint32(0xFFFF)), depth_G[2 * pair])
        key_G[2 * pair + 1] = _key(canvas, row, uint32(a >> uint32(16)), depth_G[2 * pair + 1])
        a, b, c = b, c, d


@lru_cache
def _points_kernel(textured: bool) -> Kernel:
    """Return the kernel for points that have grays of their own, or all the same."""

    @kernel
    def draw_cloud(rows, points, value, side, canvas, nearest):  # type: ignore[no-untyped-def]
        """Draw the points of an image: as pixels, or as keys."""
        image, row = cuda.blockIdx.x, canvas.first + cuda.blockIdx.x
        pixels, keys, gray = canvas.pixels[image], nearest.keys[image], toned(canvas, row, value)
        words = cuda.shared.array(4, uint32)
        begins = cuda.shared.array(MAX_MAPS, int32)
        tables = cuda.shared.array((COEFFICIENTS, MAX_MAPS), float32)
        low_3R = cuda.shared.array((3, ORBITS), float32)
        high_3R = cuda.shared.array((3, ORBITS), float32)
        sum_3R = cuda.shared.array((3, ORBITS), float64)
        centre_3 = cuda.shared.array(3, float64)
        scale_1 = cuda.shared.array(1, float64)
        matrix_34 = cuda.shared.array((3, 4), float32)
        system = System(words, begins, tables)
        at_3, points_3G = cuda.local.array(3, float32), cuda.local.array((3, GROUP), float32)
        cell_G, depth_G = cuda.local.array(GROUP, int32), cuda.local.array(GROUP, float32)
        key_G = cuda.local.array(GROUP, uint64)
        if textured:
            fill(keys, NOTHING | uint64(toned(canvas, row, 0)))
        else:
            fill(pixels, toned(canvas, row, 0))
        load_system(rows.address[row], rows.address[row, 1], rows.maps[row], rows.begins[row], system)
        for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
            _gather(system, orbit, points, low_3R, high_3R, sum_3R)
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            scale_1[0] = find_scale(low_3R, high_3R, sum_3R, points, centre_3)
            camera_matrix(rows.rotation[row], scale_1[0], centre_3, matrix_34)
        cuda.syncthreads()
        # a system that diverges has no attractor to show
        groups = groups_for(points, ORBITS) if scale_1[0] > 0.0 else 0
        for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
            at_3[0], at_3[1], at_3[2] = float32(0.0), float32(0.0), float32(0.0)
            for group in range(groups):
                _advance(system, orbit, group, at_3, points_3G)
                if group >= FIRST_GROUP:
                    _find_cells(
                        matrix_34, rows.places[row], side, orbit, group, points, points_3G, cell_G, depth_G
                    )
                    if textured:
                        _find_keys(rows.textures[row], canvas, row, orbit, group, depth_G, key_G)
                    for k in range(GROUP):
                        if cell_G[k] < side * side:
                            if textured:
                                cuda.atomic.min(keys, cell_G[k], key_G[k])
                            else:
                                pixels[cell_G[k]] = gray

    return draw_cloud


@kernel
def show_keys(canvas, nearest):  # type: ignore[no-untyped-def]
    """Write the gray that each key of an image ends in."""
    pixels, keys = canvas.pixels[cuda.blockIdx.x], nearest.keys[cuda.blockIdx.x]
    for pixel in range(cuda.threadIdx.x, len(keys), cuda.blockDim.x):
        pixels[pixel] = uint8(keys[pixel] & uint64(0xFF))


def drawer(table: AffineMaps3D, frame: Frame, device: Device) -> Drawing:
    """Return what draws the point clouds of `table` on a GPU."""
    textured, side = table.textures is not None, frame.drawn
    textures = table.address if table.textures is None else table.textures
    rows = device.upload(
        Rows(table.address, textures, table.maps, table.begins, table.rotation, placements(table, frame))
    )
    cells = side * side if textured else 1
    orbits, pixels = device.threads(ORBITS), device.threads(MOST_THREADS)

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        nearest = Keys(device.scratch("affine3d.keys", (images, cells), np.uint64))
        device.launch(
            _points_kernel(textured), images, orbits, rows, table.points, table.value, side, canvas, nearest
        )
        if textured:
            device.launch(show_keys, images, pixels, canvas, nearest)

    return Drawing(draw, 8 * cells)
