"""Scenes on the CPU: background, then objects, one over the other, on a canvas of packed colours."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32, uint32
from numpy.typing import NDArray

from fdsl.compiled import inner, kernel
from fdsl.geometry import affine2d as geometry
from fdsl.geometry.affine2d import ORBITS, Orbits
from fdsl.geometry.diamond_square import Field, draw_field, new_field
from fdsl.geometry.maps import BURN_IN
from fdsl.geometry.scenes import BACKDROP, FLIP_X, FLIP_Y, TRANSPOSE, FractalScenes
from fdsl.render.cpu.backdrop import SHADES, Lookup, find_shades, new_lookup, paint
from fdsl.render.cpu.density import LEVELS, colour_cells, count_points, find_hues, spread_patch
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.laying import lay, lay_resized
from fdsl.render.cpu.packed import CHANNELS, blur, write_interleaved, write_plane
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import COPY, Frame, inverses

MOST_CELLS = 1.5
"""Cells a side of what is seen of an object, for each pixel of the canvas."""
MARGIN = 2
"""Cells drawn on either side of what is seen: patches reach one, lookups another."""
_FARTHEST = 1e6
"""Greatest entry of a way back to the canvas; what is beyond shows less than a point of it."""


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    orbits: Orbits
    field: Field
    address_4: NDArray[np.uint32]
    seen_4: NDArray[np.float64]
    """Left, top, right and bottom of what is seen of an object, of 1."""
    way_23: NDArray[np.float64]
    """From a place in the object, of 1 a side, to cells."""
    place_23: NDArray[np.float32]
    """From an orbit's coordinates to cells."""
    back_23: NDArray[np.float32]
    """From the canvas's pixel indices to an object's cells."""
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


class _Rows(NamedTuple):
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


def most_cells(side: int) -> int:
    """Return how many cells a side an object is drawn in at most, on a canvas of this side."""
    return math.ceil(MOST_CELLS * side) + 2 * MARGIN + 2


def _work(points: int, side: int) -> Work:
    cells = (most_cells(side) + 2) ** 2 + 1
    canvas = np.empty(side * side, np.uint32)
    return Work(
        geometry.new_orbits(points), new_field(),
        np.empty(4, np.uint32), np.empty(4), np.empty((2, 3)),
        np.empty((2, 3), np.float32), np.empty((2, 3), np.float32),
        np.empty(ORBITS, np.int32), np.empty(cells, np.uint32), np.empty(cells, np.uint32), np.empty(cells, np.uint32),
        np.empty(LEVELS + 1, np.uint32), np.empty(SHADES, np.uint32), new_lookup(side),
        canvas, canvas.view(np.uint8), np.empty((2, CHANNELS * (side + 2)), np.uint8),
    )  # fmt: skip


@inner
def _find_seen(box, back, side, seen_4):  # type: ignore[no-untyped-def]
    """Write which part of an object's box the canvas shows, of 1 a side; its bounds, where the view turns.

    `back` is float64 [2, 3], from the canvas's pixels to native coordinates.
    """
    for axis in range(2):
        x, y = back[axis, 0] * side, back[axis, 1] * side
        low = back[axis, 2] + min(x, 0.0) + min(y, 0.0)
        high = back[axis, 2] + max(x, 0.0) + max(y, 0.0)
        seen_4[axis] = min(max((low - box[axis]) / box[2 + axis], 0.0), 1.0)
        seen_4[2 + axis] = min(max((high - box[axis]) / box[2 + axis], 0.0), 1.0)


@inner
def _place_points(bounds, flips, place, matrix):  # type: ignore[no-untyped-def]
    """Write float32 [2, 3] from an orbit's coordinates: fit to 1 a side, transpose, flip, then place."""
    scale_x, offset_x = geometry.fit(bounds[1], bounds[2], 1.0, 0.0)
    scale_y, offset_y = geometry.fit(bounds[3], bounds[4], 1.0, 0.0)
    for axis in range(2):
        a, b, c = place[axis, 0], place[axis, 1], place[axis, 2]
        if flips & FLIP_X:
            a, c = -a, c + a
        if flips & FLIP_Y:
            b, c = -b, c + b
        if flips & TRANSPOSE:
            a, b = b, a
        matrix[axis, 0] = float32(a * scale_x)
        matrix[axis, 1] = float32(b * scale_y)
        matrix[axis, 2] = float32(a * offset_x + b * offset_y + c)


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
def _draw_cells(orbits, bounds, points, patch, colour, flips, place, side, work):  # type: ignore[no-untyped-def]
    _place_points(bounds, flips, place, work.place_23)
    count_points(orbits, bounds[0], points, work.place_23, side, work.cell_R, work.counts)
    most = spread_patch(work.counts, patch, side, work.density)
    work.hues[0] = 0
    find_hues(colour, work.hues[1:])
    colour_cells(work.density, most, work.hues, side, work.cells)


@inner
def _covered(box, place, axis, side):  # type: ignore[no-untyped-def]
    """Return the range of the canvas's columns (axis 0) or lines (1) that a box reaches into, at most one too wide."""
    a, b = place[axis, 0], place[axis, 1]
    x, y = a * box[2], b * box[3]
    start = a * box[0] + b * box[1] + place[axis, 2]
    low, high = start + min(x, 0.0) + min(y, 0.0), start + max(x, 0.0) + max(y, 0.0)
    return int(min(max(low, 0.0), float(side))), int(min(max(high + 1.0, 0.0), float(side)))


@inner
def _draw_in_place(orbits, bounds, points, patch, colour, flips, box, place, ink, work, side):  # type: ignore[no-untyped-def]
    """Draw an object in the canvas's own pixels."""
    for axis in range(2):
        a, b = place[axis, 0], place[axis, 1]
        work.way_23[axis, 0], work.way_23[axis, 1] = a * box[2], b * box[3]
        work.way_23[axis, 2] = a * box[0] + b * box[1] + place[axis, 2]
    _draw_cells(orbits, bounds, points, patch, colour, flips, work.way_23, side, work)
    lay(work.cells, side, ink, side, work.canvas)


@inner
def _draw_resized(
    orbits, bounds, points, patch, colour, flips, grain, box, place, back, ink, work, side
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Draw an object in cells of its own, and resize them.

    There are as many cells as the released program has on a canvas that is so much larger, and all are drawn, so that
    colours do not depend on what a view shows. Where they would be more than a drawing's own pixels, those are drawn
    that are seen, and fewer of them where a view is oblique.
    """
    seen_4, way_23, back_23 = work.seen_4, work.way_23, work.back_23
    larger = math.sqrt(abs(place[0, 0] * place[1, 1] - place[0, 1] * place[1, 0]))
    whole, begin_x, begin_y = max(int(grain * larger), 2), 0, 0
    drawn, limit = whole, MOST_CELLS * side
    if whole > limit:
        whole = int(min(float(whole), limit / max(seen_4[2] - seen_4[0], seen_4[3] - seen_4[1])))
        begin_x, begin_y = max(int(seen_4[0] * whole) - MARGIN, 0), max(int(seen_4[1] * whole) - MARGIN, 0)
        end_x, end_y = int(seen_4[2] * whole) + 1 + MARGIN, int(seen_4[3] * whole) + 1 + MARGIN
        drawn = min(max(end_x - begin_x, end_y - begin_y), whole)
    cells = float(whole)
    for axis in range(2):
        begin = begin_x if axis == 0 else begin_y
        way_23[axis, axis], way_23[axis, 1 - axis], way_23[axis, 2] = cells - 1.0, 0.0, -begin
        a, b, each = back[axis, 0], back[axis, 1], cells / box[2 + axis]
        back_23[axis, 0], back_23[axis, 1] = float32(a * each), float32(b * each)
        back_23[axis, 2] = float32((back[axis, 2] + 0.5 * (a + b) - box[axis]) * each - 0.5 - begin)
    _draw_cells(orbits, bounds, points, patch, colour, flips, way_23, drawn, work)
    first = float32(-begin_x), float32(-begin_y)
    last = float32(cells - 1.0 - begin_x), float32(cells - 1.0 - begin_y)
    columns, lines = _covered(box, place, 0, side), _covered(box, place, 1, side)
    lay_resized(work.cells, drawn, back_23, first, last, ink, lines, columns, side, work.canvas, work.lookup)


@inner
def _draw_objects(row, table, place, back, numbered, work, side):  # type: ignore[no-untyped-def]
    for o in range(table.count[row]):
        box, grain, points = table.boxes[row, o], table.grain[row, o], table.points[row, o]
        patch, colour, flips = table.patches[row, o], table.colours[row, o], table.flips[row, o]
        _find_seen(box, back, side, work.seen_4)
        if work.seen_4[0] >= work.seen_4[2] or work.seen_4[1] >= work.seen_4[3]:
            continue
        orbits, bounds = _trace(
            table.address[row], table.streams[o], table.maps[row, o], table.begins[row, o], points, work
        )
        ink = uint32(o + 1 if numbered else 0)
        if grain == 0:
            _draw_in_place(orbits, bounds, points, patch, colour, flips, box, place, ink, work, side)
        else:
            _draw_resized(
                orbits, bounds, points, patch, colour, flips, grain, box, place, back, ink, work, side
            )


@inner
def _draw_background(row, table, back, work, side):  # type: ignore[no-untyped-def]
    if len(table.backdrop) == 0:
        work.canvas[:] = 0
        return
    for axis in range(2):
        a, b = back[axis, 0], back[axis, 1]
        work.back_23[axis, 0], work.back_23[axis, 1] = float32(a), float32(b)
        work.back_23[axis, 2] = float32(back[axis, 2] + 0.5 * (a + b) - 0.5)
    draw_field(table.address[row], table.roughness[row], work.field)
    find_shades(table.backdrop[row], work.shades)
    paint(work.field.grid, work.back_23, work.shades, side, work.lookup, work.canvas)


@kernel
def _draw_rows(begin, end, table, places, backs, numbered, work, finish, images):  # type: ignore[no-untyped-def]
    side = finish.side
    for row in range(begin, end):
        _draw_background(row, table, backs[row], work, side)
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


def _backs(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ways back from pixels to native coordinates, float64 [N, 2, 3]."""
    backs = inverses(places)
    backs[np.abs(backs).max(axis=(1, 2)) > _FARTHEST] = [[0, 0, -_FARTHEST], [0, 0, -_FARTHEST]]
    return backs


def drawer(table: FractalScenes, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W] or [N, H, W, 3]."""
    places = np.ascontiguousarray(frame.places)
    backs, flat = _backs(places), images.reshape(len(images), -1)
    rows = _Rows(
        table.address, table.streams, table.count, table.maps, table.begins, table.points, table.patches, table.boxes,
        table.grain, table.flips, table.colours, table.blur, table.roughness,
        np.empty((0, BACKDROP), np.int32) if table.backdrop is None else table.backdrop,
    )  # fmt: skip
    work = per_thread(lambda: _work(int(table.points.max(initial=1)), frame.drawn))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(begin, end, rows, places, backs, table.numbered, work(), finish(), flat)

    return draw
