"""Scenes on the CPU: background, then objects, one over the other, on a canvas of packed colours."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import uint32
from numpy.typing import NDArray

from fdsl.compiled import inner, kernel
from fdsl.geometry import affine2d as geometry
from fdsl.geometry.affine2d import ORBITS, Orbits
from fdsl.geometry.diamond_square import Field, draw_field, new_field
from fdsl.geometry.maps import BURN_IN
from fdsl.geometry.scenes import BACKDROP, FractalScenes
from fdsl.render.cpu.backdrop import SHADES, Lookup, find_shades, new_lookup, paint
from fdsl.render.cpu.density import LEVELS, colour_cells, count_points, find_hues, spread_patch
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.laying import lay, lay_resized
from fdsl.render.cpu.packed import CHANNELS, blur, write_interleaved, write_plane
from fdsl.render.cpu.placing import Plan, most_cells, new_plans, place_points, plan_object
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import COPY, Frame, inverses

_FARTHEST = 1e6
"""Greatest entry of a way back to the canvas; what is beyond shows less than a point of it."""


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    orbits: Orbits
    field: Field
    address_4: NDArray[np.uint32]
    plan: Plan
    place_23: NDArray[np.float32]
    """From an orbit's coordinates to cells."""
    cell_R: NDArray[np.int32]
    counts: NDArray[np.uint32]
    density: NDArray[np.uint32]
    cells: NDArray[np.uint32]
    """Packed colours of an object."""
    hues: NDArray[np.uint32]
    shades: NDArray[np.uint32]
    lookup: Lookup
    canvas: NDArray[np.uint32]
    """Packed colours, flat."""
    channels: NDArray[np.uint8]
    """The same memory."""
    kept: NDArray[np.uint8]


class Rows(NamedTuple):
    """The columns of a `FractalScenes` table, as kernels take them."""

    address: NDArray[np.uint32]
    streams: NDArray[np.uint32]
    count: NDArray[np.int32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    points: NDArray[np.int32]
    patches: NDArray[np.uint16]
    boxes: NDArray[np.float64]
    grain: NDArray[np.int32]
    flips: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    blur: NDArray[np.int32]
    roughness: NDArray[np.int32]
    backdrop: NDArray[np.int32]
    """[0, 6] for none."""
    to_field: NDArray[np.float32]
    """[N, 2, 3], from the canvas's pixel indices to the background's field."""


def _work(points: int, side: int) -> Work:
    cells = (most_cells(side) + 2) ** 2 + 1
    canvas = np.empty(side * side, np.uint32)
    return Work(
        geometry.new_orbits(points), new_field(),
        np.empty(4, np.uint32), new_plans(), np.empty((2, 3), np.float32),
        np.empty(ORBITS, np.int32), np.empty(cells, np.uint32), np.empty(cells, np.uint32), np.empty(cells, np.uint32),
        np.empty(LEVELS + 1, np.uint32), np.empty(SHADES, np.uint32), new_lookup(side),
        canvas, canvas.view(np.uint8), np.empty((2, CHANNELS * (side + 2)), np.uint8),
    )  # fmt: skip


@inner
def _trace(address, stream, maps, begins, points, work):  # type: ignore[no-untyped-def]
    """Trace one object, and return the orbits' rows that it needs, and `affine2d.bounds`."""
    for part in range(4):
        work.address_4[part] = address[part]
    work.address_4[1] = stream
    all_ = work.orbits
    rows = 1 + BURN_IN + (points + ORBITS - 1) // ORBITS
    orbits = Orbits(
        all_.x_SR[:rows], all_.y_SR[:rows], all_.x_P, all_.y_P, all_.lows_2R, all_.highs_2R, all_.random, all_.choice,
        all_.tables,
    )  # fmt: skip
    geometry.trace(work.address_4, maps, begins, orbits)
    return orbits, geometry.bounds(orbits)


@inner
def _draw_cells(orbits, bounds, points, patch, colour, flips, work):  # type: ignore[no-untyped-def]
    side = work.plan.cells_1[0]
    place_points(bounds[1], bounds[2], bounds[3], bounds[4], flips, work.plan.way_23, work.place_23)
    count_points(orbits, bounds[0], points, work.place_23, side, work.cell_R, work.counts)
    most = spread_patch(work.counts, patch, side, work.density)
    work.hues[0] = 0
    find_hues(colour, work.hues[1:])
    colour_cells(work.density, most, work.hues, side, work.cells)


@inner
def _lay_object(grain, ink, work, side):  # type: ignore[no-untyped-def]
    """Lay an object's cells over the canvas: they are its pixels, or resized."""
    cells_side, ends, covered = work.plan.cells_1[0], work.plan.ends_22, work.plan.covered_22
    if grain == 0:
        lay(work.cells, cells_side, ink, side, work.canvas)
    else:
        first, last = (ends[0, 0], ends[0, 1]), (ends[1, 0], ends[1, 1])
        columns, lines = (int(covered[0, 0]), int(covered[0, 1])), (int(covered[1, 0]), int(covered[1, 1]))
        lay_resized(
            work.cells, cells_side, work.plan.back_23, first, last, ink, lines, columns, side, work.canvas, work.lookup
        )  # fmt: skip


@inner
def _draw_objects(row, table, place, back, numbered, work, side):  # type: ignore[no-untyped-def]
    for o in range(table.count[row]):
        grain, points = table.grain[row, o], table.points[row, o]
        plan_object(table.boxes[row, o], grain, place, back, side, work.plan)
        if work.plan.cells_1[0] == 0:
            continue
        orbits, bounds = _trace(
            table.address[row], table.streams[o], table.maps[row, o], table.begins[row, o], points, work
        )
        patch, colour, flips = table.patches[row, o], table.colours[row, o], table.flips[row, o]
        _draw_cells(orbits, bounds, points, patch, colour, flips, work)
        _lay_object(grain, uint32(o + 1 if numbered else 0), work, side)


@inner
def _draw_background(row, table, work, side):  # type: ignore[no-untyped-def]
    if len(table.backdrop) == 0:
        work.canvas[:] = 0
        return
    draw_field(table.address[row], table.roughness[row], work.field)
    find_shades(table.backdrop[row], work.shades)
    paint(work.field.grid, table.to_field[row], work.shades, side, work.lookup, work.canvas)


@kernel
def _draw_rows(begin, end, table, places, backs, numbered, work, finish, images):  # type: ignore[no-untyped-def]
    side = finish.side
    for row in range(begin, end):
        _draw_background(row, table, work, side)
        _draw_objects(row, table, places[row], backs[row], numbered, work, side)
        if table.blur[row] > 0:
            blur(work.channels, side, table.blur[row], work.kept)
        if finish.way == COPY and not numbered:
            write_interleaved(work.canvas, finish.tones[row], images[row % len(images)])
        else:
            begin_image(finish, row)
            for channel in range(finish.images.shape[1]):
                write_plane(work.canvas, channel, finish.ink_tone, finish.canvas[: side * side])
                finish_image(finish, row, channel)


def backs_of(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ways back from pixels to native coordinates, float64 [N, 2, 3]."""
    backs = inverses(places)
    backs[np.abs(backs).max(axis=(1, 2)) > _FARTHEST] = [[0, 0, -_FARTHEST], [0, 0, -_FARTHEST]]
    return backs


def rows_of(table: FractalScenes, backs: NDArray[np.float64]) -> Rows:
    """Return the columns of a table; `backs` are the ways back to its native coordinates."""
    to_field = backs.copy()
    to_field[..., 2] = backs[..., 2] + 0.5 * (backs[..., 0] + backs[..., 1]) - 0.5
    return Rows(
        table.address, table.streams, table.count, table.maps, table.begins, table.points, table.patches, table.boxes,
        table.grain, table.flips, table.colours, table.blur, table.roughness,
        np.empty((0, BACKDROP), np.int32) if table.backdrop is None else table.backdrop,
        to_field.astype(np.float32),
    )  # fmt: skip


def drawer(table: FractalScenes, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W] or [N, H, W, 3]."""
    places = np.ascontiguousarray(frame.places)
    backs, flat = backs_of(places), images.reshape(len(images), -1)
    rows = rows_of(table, backs)
    work = per_thread(lambda: _work(int(table.points.max(initial=1)), frame.drawn))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(begin, end, rows, places, backs, table.numbered, work(), finish(), flat)

    return draw
