"""Affine maps of the plane on the CPU."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inner, kernel
from fdsl.geometry import affine2d as geometry
from fdsl.geometry.affine2d import ORBITS, AffineMaps2D, Orbits
from fdsl.geometry.maps import BURN_IN, GROUP, Halves, draw_halves, new_halves
from fdsl.random.purpose import Purpose
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.points import (
    colour_line,
    covering_line,
    find_cells,
    find_patches,
    gray_line,
    merging_line,
    number_line,
    put_covering,
    put_merging,
    put_numbers,
    put_value,
)
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import Frame

PATCH_PATTERN = int(Purpose.PATCH_PATTERN)
POINT, NUMBER, COVER, MERGE = 0, 1, 2, 3
"""What a point leaves: its value, its number (a colour), a patch over earlier ones, or one merged with them."""
HUES = 128


def palette() -> NDArray[np.uint8]:
    """Return the 128 hues of equal saturation and intensity, S = I = 0.75 of the HSI model, uint8 [128, 3].

    HSI has no gamut of its own: channels above 1 are clipped.
    """
    hue = np.arange(HUES) * (2 * np.pi / HUES)
    sector = hue % (2 * np.pi / 3)
    strong = 0.75 * (1 + 0.75 * np.cos(sector) / np.cos(np.pi / 3 - sector))
    weak = np.full(HUES, 0.75 * (1 - 0.75))
    rest = 3 * 0.75 - strong - weak
    parts = np.stack([strong, rest, weak], axis=1)
    turned = [np.roll(row, int(angle // (2 * np.pi / 3))) for row, angle in zip(parts, hue, strict=True)]
    return np.rint(255 * np.clip(turned, 0, 1)).astype(np.uint8)


@inner
def set_placement(bounds, canvas, padding, flip, place, matrix):  # type: ignore[no-untyped-def]
    """Write float32 [2, 3] from attractor to pixels: fit to the canvas, flip, then the frame."""
    scale_x, offset_x = geometry.fit(bounds[1], bounds[2], canvas, padding)
    scale_y, offset_y = geometry.fit(bounds[3], bounds[4], canvas, padding)
    if flip & 1:
        scale_x, offset_x = -scale_x, canvas - offset_x
    if not flip & 2:  # the published images have y upward
        scale_y, offset_y = -scale_y, canvas - offset_y
    for axis in range(2):
        a, b, c = place[axis, 0], place[axis, 1], place[axis, 2]
        matrix[axis, 0] = float32(a * scale_x)
        matrix[axis, 1] = float32(b * scale_y)
        matrix[axis, 2] = float32(a * offset_x + b * offset_y + c)


def ink_of(table: AffineMaps2D) -> int:
    """Return what a point of the table leaves."""
    return {"point": NUMBER if table.colour else POINT, "paste": COVER, "or": MERGE}[table.ink]


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    orbits: Orbits
    random: Halves
    patch_4R: NDArray[np.uint16]
    """Patches of GROUP steps, [4, 2 R]: those of two steps in turn."""
    cell_R: NDArray[np.int32]
    marks: NDArray[np.uint32]
    merged: NDArray[np.uint16]
    top_W: NDArray[np.uint32]
    place_23: NDArray[np.float32]
    hue_C: NDArray[np.uint8]
    """One channel of the palette, toned."""


def _work(points: int, ink: int, side: int) -> Work:
    cells = (side + 2) ** 2 + 1
    return Work(
        geometry.new_orbits(points), new_halves(ORBITS),
        np.empty((4, 2 * ORBITS), np.uint16), np.empty(ORBITS, np.int32),
        np.empty(cells if ink in (NUMBER, COVER) else 0, np.uint32), np.empty(cells if ink == MERGE else 0, np.uint16),
        np.empty(side, np.uint32), np.empty((2, 3), np.float32), np.empty(HUES, np.uint8),
    )  # fmt: skip


@inner
def _mark(patterns, work, last, points, ink, side, canvas, value):  # type: ignore[no-untyped-def]
    """Leave the ink of every drawn point."""
    x_SR, y_SR = work.orbits.x_SR, work.orbits.y_SR
    left = min(points, (last - BURN_IN - 1) * ORBITS)
    for begin in range(0, left, ORBITS):
        step, count = begin // ORBITS, min(ORBITS, left - begin)
        s = BURN_IN + 1 + step
        find_cells(x_SR[s], y_SR[s], work.place_23, side, 0 if ink == POINT else 1, work.cell_R)
        if ink >= COVER and step % GROUP == 0:
            draw_halves(patterns, PATCH_PATTERN, step // GROUP, work.random.words_4R)
            find_patches(work.random.halves, work.patch_4R.reshape(-1))
        patch_R, odd = work.patch_4R[(step % GROUP) >> 1], uint64(step & 1)
        if ink == POINT:
            put_value(canvas, work.cell_R, count, value)
        elif ink == NUMBER:
            put_numbers(work.marks, work.cell_R, count, uint64(begin + 1))
        elif ink == COVER:
            put_covering(work.marks, work.cell_R, count, patch_R, odd, uint64(begin + 1))
        else:
            put_merging(work.merged, work.cell_R, count, patch_R, odd)


@inner
def _to_gray(work, ink, side, canvas, value, empty):  # type: ignore[no-untyped-def]
    pitch = side + 2
    for line in range(side):
        gray_W = canvas[line * side : (line + 1) * side]
        if ink == MERGE:
            merging_line(work.merged, pitch, line, value, empty, gray_W)
        else:
            covering_line(work.marks, pitch, line, work.top_W)
            gray_line(work.top_W, value, empty, gray_W)


@inner
def _to_colour(work, ink, side, canvas, colour_C, tone):  # type: ignore[no-untyped-def]
    pitch = side + 2
    for hue in range(HUES):
        work.hue_C[hue] = tone[colour_C[hue]]
    for line in range(side):
        if ink == NUMBER:
            number_line(work.marks, pitch, line, work.top_W)
        else:
            covering_line(work.marks, pitch, line, work.top_W)
        colour_line(work.top_W, work.hue_C, tone[0], canvas[line * side : (line + 1) * side])


@inner
def _draw_image(patterns, work, points, ink, value, colours, finish, row, bounds):  # type: ignore[no-untyped-def]
    begin_image(finish, row)
    side, canvas, tone = finish.side, finish.canvas, finish.ink_tone
    work.marks[:] = 0
    work.merged[:] = 0
    _mark(patterns, work, bounds[0], points, ink, side, canvas, tone[value])
    if len(colours) == 0:
        if ink != POINT:
            _to_gray(work, ink, side, canvas, tone[value], tone[0])
        finish_image(finish, row, 0)
    else:
        for channel in range(3):
            _to_colour(work, ink, side, canvas, colours[channel], tone)
            finish_image(finish, row, channel)


@kernel
def _draw_rows(
    begin, end, address, patterns, maps, begins, flips, points, ink, value, colours, canvas, padding, places, work,
    finish,
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], work.orbits)
        bounds = geometry.bounds(work.orbits)
        set_placement(bounds, canvas, padding, flips[row], places[row], work.place_23)
        _draw_image(patterns[row], work, points, ink, value, colours, finish, row, bounds)


def drawer(table: AffineMaps2D, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W] or [N, H, W, 3]."""
    colours = np.ascontiguousarray(palette().T) if table.colour else np.empty((0, 0), np.uint8)
    ink = ink_of(table)
    places = np.ascontiguousarray(frame.places)
    patterns = table.address if table.patterns is None else table.patterns

    work = per_thread(lambda: _work(table.points, ink, frame.drawn))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(
            begin, end, table.address, patterns, table.maps, table.begins, table.flips, table.points, ink,
            np.uint8(table.value), colours, table.canvas, float(table.padding), places,
            work(), finish(),
        )  # fmt: skip

    return draw
