"""Affine maps of the plane on the CPU."""

from __future__ import annotations

import numpy as np
from numba import float32, njit, uint32
from numpy.typing import NDArray

from fdsl.geometry import affine2d as geometry
from fdsl.geometry.affine2d import ORBITS, AffineMaps2D
from fdsl.geometry.maps import BURN_IN, draw_halves, half
from fdsl.random.purpose import Purpose
from fdsl.render.cpu.finish import finish
from fdsl.render.cpu.points import (
    MIDDLE,
    PATCH_BITS,
    mark_cells,
    or_to_gray,
    paste_top,
    patch_of,
    point_to_gray,
    point_top,
    top_to_colour,
    top_to_gray,
)
from fdsl.render.frame import Frame

PATCH_PATTERN = int(Purpose.PATCH_PATTERN)
POINT, PASTE, OR = 0, 1, 2
INKS = {"point": POINT, "paste": PASTE, "or": OR}
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


@njit
def _placement(bounds, canvas, padding, flip, place):  # type: ignore[no-untyped-def]
    """Return float32 [2, 3] from attractor to pixels: fit to the canvas, flip, then the frame."""
    scale_x, offset_x = geometry.fit(bounds[1], bounds[2], canvas, padding)
    scale_y, offset_y = geometry.fit(bounds[3], bounds[4], canvas, padding)
    if flip & 1:
        scale_x, offset_x = -scale_x, canvas - offset_x
    if not flip & 2:  # the published images have y upward
        scale_y, offset_y = -scale_y, canvas - offset_y
    matrix = np.empty((2, 3), np.float32)
    for axis in range(2):
        a, b, c = place[axis, 0], place[axis, 1], place[axis, 2]
        matrix[axis, 0] = float32(a * scale_x)
        matrix[axis, 1] = float32(b * scale_y)
        matrix[axis, 2] = float32(a * offset_x + b * offset_y + c)
    return matrix


@njit
def _mark(address, x_SR, y_SR, last, points, ink, place, side, cell_R, words_4R, marks):  # type: ignore[no-untyped-def]
    """Leave every drawn point's mark."""
    marks[:] = 0
    left = min(points, (last - BURN_IN - 1) * ORBITS)
    number = uint32(0)
    for step in range(-(-left // ORBITS)):
        s = BURN_IN + 1 + step
        mark_cells(x_SR[s], y_SR[s], place, side, cell_R)
        if ink != POINT and step % 8 == 0:
            draw_halves(address, PATCH_PATTERN, step // 8, words_4R)
        words_R = words_4R[(step % 8) >> 1]
        for orbit in range(min(ORBITS, left - step * ORBITS)):
            number += uint32(1)
            if ink == POINT:
                marks[cell_R[orbit]] = (number << uint32(PATCH_BITS)) | uint32(MIDDLE)
            elif ink == PASTE:
                marks[cell_R[orbit]] = (number << uint32(PATCH_BITS)) | patch_of(half(words_R[orbit], step))
            else:
                marks[cell_R[orbit]] |= patch_of(half(words_R[orbit], step))


@njit
def _to_gray(marks, ink, side, value, top, gray):  # type: ignore[no-untyped-def]
    if ink == POINT:
        point_to_gray(marks, side, value, gray)
    elif ink == OR:
        or_to_gray(marks, side, value, gray)
    else:
        paste_top(marks, side, top)
        top_to_gray(top, value, gray)


@njit(nogil=True, cache=True)
def _draw_rows(
    begin, end, address, maps, begins, flips, points, ink, value, colours, canvas, padding, places, tones, factor,
    x_SR, y_SR, words_4R, cell_R, marks, top, gray, sums_W, images,
):  # type: ignore[no-untyped-def]  # fmt: skip
    side = images.shape[1] * factor
    for row in range(begin, end):
        geometry.trace(address[row], maps[row], begins[row], x_SR, y_SR, words_4R)
        bounds = geometry.bounds(x_SR, y_SR)
        place = _placement(bounds, canvas, padding, flips[row], places[row])
        _mark(address[row], x_SR, y_SR, bounds[0], points, ink, place, side, cell_R, words_4R, marks)
        if len(colours) == 0:
            _to_gray(marks, ink, side, value, top, gray)
            finish(gray, factor, tones[row], sums_W, images[row, :, :, 0])
            continue
        if ink == POINT:
            point_top(marks, side, top)
        else:
            paste_top(marks, side, top)
        for channel in range(3):
            top_to_colour(top, colours, channel, gray)
            finish(gray, factor, tones[row], sums_W, images[row, :, :, channel])


def drawer(table: AffineMaps2D, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W] or [N, H, W, 3]."""
    colours = palette() if table.colour else np.empty((0, 3), np.uint8)
    planes = images.reshape(*images.shape[:3], -1)
    places = np.ascontiguousarray(frame.places)

    def draw(begin: int, end: int) -> None:
        side = frame.drawn
        x_SR, y_SR, words_4R = geometry.scratch(table.points)
        _draw_rows(
            begin, end, table.address, table.maps, table.begins, table.flips, table.points, INKS[table.ink],
            np.uint8(table.value), colours, table.canvas, float(table.padding), places, frame.tones, frame.factor,
            x_SR, y_SR, words_4R, np.empty(ORBITS, np.int32), np.empty((side + 2) ** 2 + 1, np.uint32),
            np.empty(side * side, np.uint32), np.empty(side * side, np.uint8), np.empty(side, np.uint32), planes,
        )  # fmt: skip

    return draw
