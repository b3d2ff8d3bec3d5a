"""Altered drawings on the CPU: the base's drawer fills a canvas, which is changed and then finished like any other.

A pixel's channels are changed together, as one number, its ink: 0 where all are the background's, else 8 bits for how
far the farthest is from it, then 8 for each channel, exclusive-or the background. Where two inks want a pixel the
larger has it, which is the stronger one; no order of drawing decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numba import int32, int64, uint8, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.geometry.altered import (
    BROKEN,
    FILLED,
    KINDS,
    OUTLINE,
    SCATTERED,
    Altered,
    native_pixel,
    unit,
    words,
)
from fdsl.geometry.table import Table
from fdsl.render.cpu.finish import Finish, begin_image, finish_image, finishing
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.cpu.segments import draw_long
from fdsl.render.cpu.silhouette import Flood, flood, keep_part, new_flood
from fdsl.render.frame import COPY, Frame, inverses

TOGETHER = 4
"""Images that the base draws before they are altered: calls from Python cost as much as a small drawing."""
FARTHEST = 2.0**30
STRENGTH = 24
"""Bits below an ink's strength: three channels."""


class Moves(NamedTuple):
    """Scratch for one line of pixels that are moved, W = side."""

    pixel_W: NDArray[np.uint32]
    """Number of the native pixel."""
    words_2W: NDArray[np.uint32]
    cell_W: NDArray[np.int32]
    """Where to."""


class Work(NamedTuple):
    """Arrays that one image after the other is altered with."""

    pixels: NDArray[np.uint8]
    """[TOGETHER, side^2 * C], what the base draws; row n is image n mod TOGETHER."""
    ink_P: NDArray[np.uint32]
    """[side^2]."""
    spare_P: NDArray[np.uint32]
    """As many and one for what leaves the canvas, or with a margin for the pen."""
    moves: Moves
    flood: Flood


def _work(table: Altered, side: int) -> Work:
    pen = table.strength if table.kind == "width" else 1
    spare = (side + pen) ** 2 if table.kind in ("scattered", "width") else 0
    moves = Moves(np.empty(side, np.uint32), np.empty((2, side), np.uint32), np.empty(side, np.int32))
    return Work(
        np.empty((TOGETHER, side * side * table.channels), np.uint8), np.empty(side * side, np.uint32),
        np.empty(spare, np.uint32), moves, new_flood(side if table.kind in ("filled", "outline") else 0),
    )  # fmt: skip


@inlined
def _apart(value, background):  # type: ignore[no-untyped-def]
    return uint32(abs(int32(int32(value) - int32(background))))


@inlined
def ink_at(pixels, pixel, channels, background):  # type: ignore[no-untyped-def]
    """Return the ink of a pixel, uint32; its channels lie side by side."""
    place, strength, ink = pixel * channels, uint32(0), uint32(0)
    for channel in range(channels):
        value = uint32(pixels[place + channel])
        strength = max(strength, _apart(value, background))
        ink = uint32(uint32(ink << uint32(8)) | uint32(value ^ uint32(background)))
    return uint32(uint32(strength << uint32(STRENGTH)) | ink)


@inlined
def shift_of(channel, channels):  # type: ignore[no-untyped-def]
    """Return where a channel's bits lie in an ink."""
    return uint32(8 * (channels - 1 - channel))


@inlined
def value_of(ink, shift, background):  # type: ignore[no-untyped-def]
    """Return the gray, uint8, of the channel whose bits lie there."""
    return uint8(uint32(ink >> shift) ^ uint32(background))


@inner
def _read(pixels, background, ink_P):  # type: ignore[no-untyped-def]
    """Turn the pixels of an image into inks."""
    if len(pixels) == len(ink_P):
        for pixel in range(uint64(len(ink_P))):
            ink_P[pixel] = ink_at(pixels, pixel, uint64(1), background)
    else:
        for pixel in range(uint64(len(ink_P))):
            ink_P[pixel] = ink_at(pixels, pixel, uint64(3), background)


@inner
def _write(ink_P, shift, background, tone, canvas):  # type: ignore[no-untyped-def]
    """Turn inks into one channel, toned."""
    for pixel in range(uint64(len(ink_P))):
        canvas[pixel] = tone[value_of(ink_P[pixel], shift, background)]


@inlined
def _seen(place, axis, x, y):  # type: ignore[no-untyped-def]
    """Return a coordinate on the drawn canvas, truncated toward zero as those of strokes are."""
    seen = place[axis, 0] * x + place[axis, 1] * y + place[axis, 2]
    return int64(min(max(seen, -FARTHEST), FARTHEST))


@inner
def break_line(address, layer, number, native, place, side, cells, channels, value):  # type: ignore[no-untyped-def]
    """Put `value` on a segment, both ends included, which lie anywhere on the native canvas; channels side by side."""
    a, b, c, d = words(address, layer, uint32(number))
    x0, y0, x1, y1 = native * unit(a), native * unit(b), native * unit(c), native * unit(d)
    left, top = _seen(place, 0, x0, y0), _seen(place, 1, x0, y0)
    right, bottom = _seen(place, 0, x1, y1), _seen(place, 1, x1, y1)
    wide, high, pitch = abs(right - left), abs(bottom - top), side * channels
    step_x, step_y = (1 if right >= left else -1), (1 if bottom >= top else -1)
    flat = wide > high
    for channel in range(channels):
        plane = cells[channel:]
        draw_long(
            plane, left if flat else top, step_x if flat else step_y, channels if flat else pitch,
            top if flat else left, step_y if flat else step_x, pitch if flat else channels,
            max(wide, high), min(wide, high), side, value,
        )  # fmt: skip
        if 0 <= right < side and 0 <= bottom < side:
            plane[bottom * pitch + right * channels] = value


@inner
def _break(address, layer, strokes, native, place, side, ink_P):  # type: ignore[no-untyped-def]
    """Draw segments in the background."""
    for number in range(strokes):
        break_line(address, layer, number, native, place, side, ink_P, 1, uint32(0))


@inlined
def number_at(back, x, y):  # type: ignore[no-untyped-def]
    """Return the number of the native pixel that the middle of pixel (x, y), int32, lies in."""
    right, down = float(x) + 0.5, float(y) + 0.5
    return native_pixel(
        back[0, 0] * right + back[0, 1] * down + back[0, 2],
        back[1, 0] * right + back[1, 1] * down + back[1, 2],
    )


@inlined
def cell_after(place, distance, a, b, x, y, side):  # type: ignore[no-untyped-def]
    """Return where pixel (x, y), int32, goes: off by U(-distance, distance) canvas pixels along either canvas axis.

    Words a and b are those of its native pixel; `side`^2 is off the canvas.
    """
    along, across = distance * (2.0 * unit(a) - 1.0), distance * (2.0 * unit(b) - 1.0)
    to_x = float(x) + 0.5 + (place[0, 0] * along + place[0, 1] * across)
    to_y = float(y) + 0.5 + (place[1, 0] * along + place[1, 1] * across)
    edge = float(side)
    inside = (to_x >= 0.0) & (to_x < edge) & (to_y >= 0.0) & (to_y < edge)
    cell = int32(int32(int32(to_y) * int32(side)) + int32(to_x))  # zooms are bounded: either fits
    return cell if inside else int32(side * side)


@inner
def _find_places(address, layer, distance, place, back, line, moves):  # type: ignore[no-untyped-def]
    """Find where the pixels of a line go, in loops that vectorise."""
    pixel_W, a_W, b_W, cell_W = moves.pixel_W, moves.words_2W[0], moves.words_2W[1], moves.cell_W
    side, y = len(cell_W), int32(line)
    for x in range(uint64(side)):
        pixel_W[x] = number_at(back, int32(x), y)
    for x in range(uint64(side)):
        a_W[x], b_W[x], _, _ = words(address, layer, pixel_W[x])
    for x in range(uint64(side)):
        cell_W[x] = cell_after(place, distance, a_W[x], b_W[x], int32(x), y, side)


@inner
def _scatter(address, layer, distance, place, back, side, work):  # type: ignore[no-untyped-def]
    """Move the ink of every pixel by the offset of the native pixel that its middle lies in."""
    ink_P, moved_P, cell_W = work.ink_P, work.spare_P, work.moves.cell_W
    moved_P[:] = uint32(0)
    for line in range(side):
        _find_places(address, layer, distance, place, back, line, work.moves)
        ink_W = ink_P[line * side : (line + 1) * side]
        for x in range(uint64(side)):  # no ink moves like any other, and covers nothing
            cell = uint32(cell_W[x])
            moved_P[cell] = max(moved_P[cell], ink_W[x])
    for pixel in range(uint64(len(ink_P))):
        ink_P[pixel] = moved_P[pixel]


@inner
def _take_largest(ink_P, pitch, width):  # type: ignore[no-untyped-def]
    """Put into each cell the largest of it and the next `width` - 1, `pitch` apart, by windows that double.

    The last cells, which have fewer after them, hold something else.
    """
    reach = 1
    while reach < width:
        step = min(reach, width - reach)
        reach += step
        there_P = ink_P[step * pitch :]
        for cell in range(uint64(len(ink_P) - (reach - 1) * pitch)):  # what is read has not been written yet
            ink_P[cell] = max(ink_P[cell], there_P[cell])


@inner
def _widen(width, side, ink_P, spare_P):  # type: ignore[no-untyped-def]
    """Put a pen of `width` x `width` on every inked pixel; an even one reaches a pixel further right and down.

    A pixel takes the largest ink of a window that begins `width` // 2 before it: in `spare_P` the drawing lies so many
    lines lower and columns further right.
    """
    before, pitch = width // 2, side + width
    spare_P[:] = uint32(0)
    for y in range(side):
        begin = (y + before) * pitch + before
        own_W, framed_W = ink_P[y * side : (y + 1) * side], spare_P[begin : begin + side]
        for x in range(uint64(len(own_W))):
            framed_W[x] = own_W[x]
    _take_largest(spare_P, pitch, width)
    _take_largest(spare_P, 1, width)
    for y in range(side):
        own_W, wide_W = ink_P[y * side : (y + 1) * side], spare_P[y * pitch : y * pitch + side]
        for x in range(uint64(len(own_W))):
            own_W[x] = wide_W[x]


@inner
def _strongest(ink_P):  # type: ignore[no-untyped-def]
    most = uint32(0)
    for pixel in range(uint64(len(ink_P))):
        most = max(most, ink_P[pixel])
    return most


@inner
def _alter(address, layer, kind, strength, native, place, back, side, work):  # type: ignore[no-untyped-def]
    ink_P = work.ink_P
    if kind == BROKEN:
        _break(address, layer, strength, native, place, side, ink_P)
    elif kind == SCATTERED:
        _scatter(address, layer, float(strength), place, back, side, work)
    elif kind in (FILLED, OUTLINE):
        flood(ink_P, side, work.flood)
        keep_part(ink_P, side, strength, kind == OUTLINE, _strongest(ink_P), work.flood)
    else:
        _widen(strength, side, ink_P, work.spare_P)


@kernel
def _alter_rows(
    begin, end, address, layer, kind, strength, native, places, backs, work, finish
):  # type: ignore[no-untyped-def]  # fmt: skip
    channels = work.pixels.shape[1] // len(work.ink_P)
    for row in range(begin, end):
        begin_image(finish, row)
        _read(work.pixels[row % TOGETHER], finish.background, work.ink_P)
        _alter(
            address[row], uint32(layer), kind, strength, float(native), places[row], backs[row],
            finish.side, work,
        )  # fmt: skip
        for channel in range(channels):
            _write(work.ink_P, shift_of(channel, channels), finish.background, finish.ink_tone, finish.canvas)
            finish_image(finish, row, channel)


Drawer = Callable[[Any, Frame, NDArray[np.uint8]], Callable[[int, int], None]]


def drawer(
    table: Altered, frame: Frame, images: NDArray[np.uint8], drawer_of: Callable[[Table], Drawer]
) -> Callable[[int, int], None]:
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W] or [N, H, W, 3].

    Args:
        table: what to draw.
        frame: the way to the images; the base is drawn on its canvas, without tones.
        images: where to draw.
        drawer_of: returns the drawer of the base table.
    """
    side, draw_base = frame.drawn, drawer_of(table.base)
    plain = np.tile(np.arange(256, dtype=np.uint8), (len(table), 1))
    drawing = replace(frame, size=side, way=COPY, tones=plain)
    kind, layer = list(KINDS).index(table.kind), table.layer
    places = np.ascontiguousarray(frame.places)
    backs = inverses(places)

    def prepare() -> tuple[Callable[[int, int], None], Work, Finish]:
        work = _work(table, side)
        canvases = work.pixels.reshape((TOGETHER, side, side) + ((3,) if table.channels == 3 else ()))
        return draw_base(table.base, drawing, canvases), work, finishing(frame, images, table.background)

    prepared = per_thread(prepare)

    def draw(begin: int, end: int) -> None:
        base, work, finish = prepared()
        for first in range(begin, end, TOGETHER):
            past = min(first + TOGETHER, end)
            base(first, past)
            _alter_rows(
                first, past, table.address, layer, kind, table.strength, table.canvas, places, backs, work, finish
            )  # fmt: skip

    return draw
