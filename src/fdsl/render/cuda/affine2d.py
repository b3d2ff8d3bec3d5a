"""Affine maps of the plane on a GPU: one block an image, a thread an orbit, run twice: for its reach, and to draw.

Points leave marks in the GPU's memory in any order, later over earlier ones by a maximum; a second kernel asks, for
each pixel, the marks around it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint8, uint32, uint64

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.affine2d import ORBITS, AffineMaps2D
from fdsl.geometry.maps import GROUP, MAX_MAPS
from fdsl.render.cpu.affine2d import (
    COVER,
    HUES,
    MERGE,
    NUMBER,
    PATCH_PATTERN,
    POINT,
    ink_of,
    palette,
    set_placement,
)
from fdsl.render.cpu.points import (
    cell_of,
    covering_mark,
    hue_of,
    is_lit,
    is_merged,
    number_mark,
    patch_of,
    topmost,
    way_to_cells,
)
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import Kernel, kernel
from fdsl.render.cuda.device import MOST_THREADS, Device, DeviceArray
from fdsl.render.cuda.orbits import (
    FIRST_GROUP,
    System,
    advance_plane,
    drawn_points,
    find_bounds,
    groups_for,
    load_system,
    number_of,
    words_of,
)
from fdsl.render.frame import Frame

COEFFICIENTS = 6


class Rows(NamedTuple):
    """The columns of an `AffineMaps2D` table, and the images' placements."""

    address: DeviceArray
    patterns: DeviceArray
    maps: DeviceArray
    begins: DeviceArray
    flips: DeviceArray
    places: DeviceArray
    """float64 [N, 2, 3], from native canvas coordinates to pixels."""


class Marks(NamedTuple):
    """What points leave, a row an image."""

    marks: DeviceArray
    """uint32 [M, (side + 2)^2], as those of `points`."""
    colours: DeviceArray
    """uint8 [3, HUES]."""
    ink: int
    channels: int
    value: int


@inlined
def find_cells(matrix_23, border, pitch, orbit, group, points, x_G, y_G, cell_G):  # type: ignore[no-untyped-def]
    """Write the cells of an orbit's points in a group of steps; a point that is not drawn has the one past the end."""
    way, cells = way_to_cells(matrix_23, border), int32(pitch)
    for k in range(GROUP):
        cell = cell_of(way, cells, x_G[k], y_G[k])
        cell_G[k] = cell if number_of(orbit, group, k) < points else int32(cells * cells)


@inlined
def _find_patches(address, orbit, group, patch_G):  # type: ignore[no-untyped-def]
    """Write the patches of an orbit's points in a group of drawn steps; their bits are laid out as those of maps."""
    a, b, c, d = words_of(address, PATCH_PATTERN, group - FIRST_GROUP, ORBITS, orbit)
    for pair in range(GROUP // 2):
        patch_G[2 * pair] = patch_of(a & uint32(0xFFFF))
        patch_G[2 * pair + 1] = patch_of(a >> uint32(16))
        a, b, c = b, c, d


@inlined
def _find_marks(ink, address, orbit, group, mark_G):  # type: ignore[no-untyped-def]
    """Write the marks of an orbit's points in a group of drawn steps."""
    if ink == NUMBER:
        for k in range(GROUP):
            mark_G[k] = number_mark(number_of(orbit, group, k) + 1)
    else:
        _find_patches(address, orbit, group, mark_G)
        if ink == COVER:
            for k in range(GROUP):
                mark_G[k] = covering_mark(number_of(orbit, group, k) + 1, mark_G[k])


@lru_cache
def _points_kernel(ink: int) -> Kernel:
    """Return the kernel for points that leave this ink: a branch a point less."""
    border = 0 if ink == POINT else 1

    @kernel
    def draw_points(rows, points, native, padding, side, canvas, left):  # type: ignore[no-untyped-def]
        """Draw the points of an image: as pixels, or as marks."""
        image, row, pitch = cuda.blockIdx.x, canvas.first + cuda.blockIdx.x, side + 2 * border
        pixels, gray = canvas.pixels[image], toned(canvas, row, left.value)
        marks = left.marks[image]
        words = cuda.shared.array(4, uint32)
        begins = cuda.shared.array(MAX_MAPS, int32)
        tables = cuda.shared.array((COEFFICIENTS, MAX_MAPS), float32)
        bounds_5 = cuda.shared.array(5, float32)
        matrix_23 = cuda.shared.array((2, 3), float32)
        system = System(words, begins, tables)
        at_2, cell_G = cuda.local.array(2, float32), cuda.local.array(GROUP, int32)
        x_G, y_G = cuda.local.array(GROUP, float32), cuda.local.array(GROUP, float32)
        mark_G = cuda.local.array(GROUP, uint32)
        if ink == POINT:
            fill(pixels, toned(canvas, row, 0))
        else:
            fill(marks, uint32(0))
        load_system(rows.address[row], rows.address[row, 1], rows.maps[row], rows.begins[row], system)
        find_bounds(system, points, bounds_5)
        if cuda.threadIdx.x == 0:
            set_placement(bounds_5, native, padding, rows.flips[row], rows.places[row], matrix_23)
        cuda.syncthreads()
        drawn = drawn_points(bounds_5, points)
        for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
            at_2[0], at_2[1] = float32(0.0), float32(0.0)
            for group in range(groups_for(drawn)):
                advance_plane(system, orbit, group, at_2, x_G, y_G)
                if group >= FIRST_GROUP:
                    find_cells(matrix_23, border, pitch, orbit, group, drawn, x_G, y_G, cell_G)
                    if ink != POINT:
                        _find_marks(ink, rows.patterns[row], orbit, group, mark_G)
                    for k in range(GROUP):
                        if cell_G[k] < pitch * pitch:
                            if ink == POINT:
                                pixels[cell_G[k]] = gray
                            elif ink == MERGE:
                                cuda.atomic.or_(marks, cell_G[k], mark_G[k])
                            else:
                                cuda.atomic.max(marks, cell_G[k], mark_G[k])

    return draw_points


@inlined
def _is_shown(above, here, below, x, ink):  # type: ignore[no-untyped-def]
    """Return whether a pixel is lit."""
    return is_merged(above, here, below, x) if ink == MERGE else is_lit(topmost(above, here, below, x))


@compiled.inner
def _show(thread, threads, image, side, canvas, left):  # type: ignore[no-untyped-def]
    """Draw the pixels thread, thread + threads, ... of an image from its marks."""
    row, pitch, marks, pixels = canvas.first + image, side + 2, left.marks[image], canvas.pixels[image]
    value, empty = toned(canvas, row, left.value), toned(canvas, row, 0)
    for pixel in range(uint32(thread), uint32(side * side), uint32(threads)):
        line = uint32(uint32(pixel) // uint32(side))
        x, begin = uint64(uint32(pixel) - uint32(line * uint32(side))), uint32(line * uint32(pitch))
        above, here, below = marks[begin:], marks[begin + uint32(pitch) :], marks[begin + uint32(2 * pitch) :]
        if left.channels == 1:
            pixels[pixel] = value if _is_shown(above, here, below, x, left.ink) else empty
        else:
            top = here[x + uint64(1)] if left.ink == NUMBER else topmost(above, here, below, x)
            hue, first = hue_of(top, uint32(HUES)), uint32(pixel * uint32(3))
            for channel in range(3):
                shown = left.colours[channel, hue] if is_lit(top) else uint8(0)
                pixels[first + uint32(channel)] = toned(canvas, row, shown)


@kernel
def show_marks(side, canvas, left):  # type: ignore[no-untyped-def]
    """Draw an image from its marks."""
    _show(cuda.threadIdx.x, cuda.blockDim.x, cuda.blockIdx.x, side, canvas, left)


def drawer(table: AffineMaps2D, frame: Frame, device: Device) -> Drawing:
    """Return what draws the attractors of `table` on a GPU."""
    patterns = table.address if table.patterns is None else table.patterns
    rows = device.upload(
        Rows(
            table.address, patterns, table.maps, table.begins, table.flips, np.ascontiguousarray(frame.places)
        )
    )
    colours = device.upload((np.ascontiguousarray(palette().T),))[0]
    ink, side = ink_of(table), frame.drawn
    cells = 1 if ink == POINT else (side + 2) ** 2
    orbits, pixels = device.threads(ORBITS), device.threads(MOST_THREADS)

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        marks = device.scratch("affine2d.marks", (images, cells), np.uint32)
        left = Marks(marks, colours, ink, table.channels, table.value)
        device.launch(
            _points_kernel(ink), images, orbits,
            rows, table.points, table.canvas, float(table.padding), side, canvas, left,
        )  # fmt: skip
        if ink != POINT:
            device.launch(show_marks, images, pixels, side, canvas, left)

    return Drawing(draw, 4 * cells)
