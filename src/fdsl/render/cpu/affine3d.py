"""Affine maps of space on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint8, uint16, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.geometry import affine3d as geometry
from fdsl.geometry.affine3d import FAR, FIRST, NEAR, ORBITS, AffineMaps3D, Orbits
from fdsl.geometry.maps import GROUP, Halves, draw_halves, new_halves
from fdsl.random.purpose import Purpose
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.points import INK_BITS, put_nearest_inks, put_value
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import Frame

CHUNK = 1024
"""Points whose pixels are found before they are drawn; a row of orbits would be too short to vectorise well."""
TEXTURE = int(Purpose.TEXTURE)
NOTHING = np.uint64(0xFFFFFFFF << INK_BITS)
"""A key beyond that of any point."""
GRAYS = 255
"""Of a texture: all but black, so that a point shows whatever its gray."""


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    orbits: Orbits
    centre_3: NDArray[np.float64]
    matrix_34: NDArray[np.float32]
    cell_P: NDArray[np.int32]
    """Of CHUNK points."""
    depth_P: NDArray[np.float32]
    depth_bits_P: NDArray[np.uint32]
    """The same memory."""
    ink_P: NDArray[np.uint16]
    """A gray, which decides between points at one depth, then what the tone curve makes of it."""
    random: Halves
    keys: NDArray[np.uint64]
    """What shows in each cell of a textured image, [side^2 + 1], as `put_nearest_inks` writes it."""


def new_work(points: int, cells: int = 0) -> Work:
    """Return scratch for images of so many points, textured ones on so many cells."""
    orbits, matrix_34, depth_P = (
        geometry.new_orbits(points),
        np.empty((3, 4), np.float32),
        np.empty(CHUNK, np.float32),
    )
    return Work(
        orbits, np.empty(3), matrix_34, np.empty(CHUNK, np.int32), depth_P, depth_P.view(np.uint32),
        np.empty(CHUNK, np.uint16), new_halves(ORBITS), np.empty(cells, np.uint64),
    )  # fmt: skip


def placements(table: AffineMaps3D, frame: Frame) -> NDArray[np.float32]:
    """Return the ways from the image plane, in half-heights, to pixels of the drawn canvas, float32 [N, 2, 3]."""
    return (frame.places @ plane_to_canvas(table.canvas)).astype(np.float32)


def plane_to_canvas(canvas: int) -> NDArray[np.float64]:
    """Return the matrix from the image plane, in half-heights from its middle, to the canvas, float64 [3, 3]."""
    half = canvas / 2
    return np.array([[half, 0.0, half], [0.0, half, half], [0.0, 0.0, 1.0]])


@inlined
def seen_cell(rows, place, side, x, y, z):  # type: ignore[no-untyped-def]
    """Return a point's pixel, or the cell past the canvas if it is clipped; and its depth."""
    u, v, depth = geometry.project(rows, x, y, z)
    x, y = place[0] * u + place[1] * v + place[2], place[3] * u + place[4] * v + place[5]
    end, outside = float32(side), int32(side * side)
    seen = (depth >= float32(NEAR)) & (depth <= float32(FAR))
    inside = seen & (x >= float32(0.0)) & (x < end) & (y >= float32(0.0)) & (y < end)
    return int32(int32(int32(y) * int32(side)) + int32(x)) if inside else outside, depth


@inlined
def place_scalars(place):  # type: ignore[no-untyped-def]
    """Return a placement, float32 [2, 3], as a tuple: scalars stay in registers."""
    return place[0, 0], place[0, 1], place[0, 2], place[1, 0], place[1, 1], place[1, 2]


@inner
def _cells(x_P, y_P, z_P, matrix_34, place, side, cell_P):  # type: ignore[no-untyped-def]
    """Write each point's pixel, or the cell past the canvas for one that is clipped."""
    rows, scalars = geometry.camera_rows(matrix_34), place_scalars(place)
    for p in range(uint64(len(x_P))):
        cell, _ = seen_cell(rows, scalars, side, x_P[p], y_P[p], z_P[p])
        cell_P[p] = cell


@inner
def _cells_and_depths(x_P, y_P, z_P, matrix_34, place, side, cell_P, depth_P):  # type: ignore[no-untyped-def]
    rows, scalars = geometry.camera_rows(matrix_34), place_scalars(place)
    for p in range(uint64(len(x_P))):
        cell, depth = seen_cell(rows, scalars, side, x_P[p], y_P[p], z_P[p])
        cell_P[p], depth_P[p] = cell, depth


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


@inner
def place_chunk(work, begin, points, place, side):  # type: ignore[no-untyped-def]
    """Find pixels and depths of the points from number `begin` on, CHUNK or what is left, and return how many."""
    clouds, first = work.orbits.points_3P, FIRST + begin
    past = FIRST + min(begin + CHUNK, points)
    _cells_and_depths(
        clouds[0, first:past], clouds[1, first:past], clouds[2, first:past],
        work.matrix_34, place, side, work.cell_P, work.depth_P,
    )  # fmt: skip
    return past - first


@inlined
def texture_gray(half):  # type: ignore[no-untyped-def]
    """Return the gray, 1..GRAYS, that 16 random bits are, uint32."""
    return uint32(uint32(1) + uint32(uint32(half * uint32(GRAYS)) >> uint32(16)))


@inlined
def texture_ink(gray, shown):  # type: ignore[no-untyped-def]
    """Return the ink, uint16, of a point of that gray, which is shown as another."""
    return uint16(gray << uint16(8)) | uint16(shown)


@inner
def _grays_of_step(words_R, shift, gray_R):  # type: ignore[no-untyped-def]
    """Write the gray that each orbit's 16 bits of a step are."""
    for orbit in range(uint64(ORBITS)):
        half = uint32(uint32(words_R[orbit] >> shift) & uint32(0xFFFF))
        gray_R[orbit] = uint16(texture_gray(half))


@inner
def _draw_inks(texture, begin, work, tone):  # type: ignore[no-untyped-def]
    """Write the inks of the CHUNK points from number `begin` on; their bits are laid out as those that choose maps."""
    for first in range(0, CHUNK, GROUP * ORBITS):
        draw_halves(texture, TEXTURE, (begin + first) // (GROUP * ORBITS), work.random.words_4R)
        for step in range(GROUP):
            gray_R = work.ink_P[first + step * ORBITS : first + (step + 1) * ORBITS]
            _grays_of_step(work.random.words_4R[step >> 1], uint32(16 * (step & 1)), gray_R)
    for p in range(uint64(CHUNK)):
        gray = work.ink_P[p]
        work.ink_P[p] = texture_ink(gray, tone[gray])


@inner
def _draw_texture(texture, work, points, place, finish):  # type: ignore[no-untyped-def]
    work.keys[:] = NOTHING | uint64(finish.ink_tone[finish.background])
    for begin in range(0, points, CHUNK):
        count = place_chunk(work, begin, points, place, finish.side)
        _draw_inks(texture, begin, work, finish.ink_tone)
        put_nearest_inks(work.keys, work.cell_P, work.depth_bits_P, work.ink_P, count)
    for cell in range(uint64(len(work.keys))):
        finish.canvas[cell] = uint8(work.keys[cell])


@kernel
def _draw_rows(
    begin, end, address, textures, maps, begins, rotation, points, value, places, work, finish
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], work.orbits)
        scale = geometry.normalisation(work.orbits, points, work.centre_3)
        begin_image(finish, row)
        if scale > 0.0:  # a system that diverges has no attractor to show
            geometry.camera_matrix(rotation[row], scale, work.centre_3, work.matrix_34)
            if len(textures) == 0:
                _draw_points(work, points, finish.ink_tone[value], places[row], finish.side, finish.canvas)
            else:
                _draw_texture(textures[row], work, points, places[row], finish)
        finish_image(finish, row, 0)


def drawer(table: AffineMaps3D, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    places = placements(table, frame)
    textures = np.empty((0, 4), np.uint32) if table.textures is None else table.textures
    cells = frame.drawn**2 + 1 if len(textures) else 0

    work = per_thread(lambda: new_work(table.points, cells))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(
            begin, end, table.address, textures, table.maps, table.begins, table.rotation, table.points,
            np.uint8(table.value), places, work(), finish(),
        )  # fmt: skip

    return draw
