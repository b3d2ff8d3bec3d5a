"""Altered drawings on a GPU: the base draws where the image is to be, and what it has drawn is changed there.

Inks are those of the CPU. A line that breaks contours hides what it covers, whatever that is: it needs none, and the
base draws with the image's own curve. Everything else has the base draw without, since strengths are differences of
grays, and looks the altered inks up in the curve as it writes them.

Alterations of alterations take turns in the same scratch: one has written its pixels before the next reads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float64, int32, uint8, uint32, uint64
from numpy.typing import NDArray

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.altered import Altered, words
from fdsl.geometry.table import Table
from fdsl.render.cpu.altered import break_line, cell_after, ink_at, number_at, shift_of, value_of
from fdsl.render.cuda.canvas import Canvas, Drawing, fill, toned
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.device import Device, DeviceArray
from fdsl.render.cuda.silhouette import (
    CHORDS,
    flood,
    flood_bytes,
    is_near,
    is_reached,
    measure_columns,
    new_flood,
    set_chords,
)
from fdsl.render.frame import COPY, Frame, inverses

INK_BYTES = 4
NO_CURVE: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)[None]


class Rows(NamedTuple):
    """What the images of a batch are altered by."""

    address: DeviceArray
    """uint32 [N, 4]."""
    places: DeviceArray
    """float64 [N, 2, 3], from the native canvas to pixels of the drawn one."""
    backs: DeviceArray
    """float64 [N, 2, 3], the way back."""
    layer: int
    strength: int
    native: float
    """Side of the native canvas."""


class Picture(NamedTuple):
    """What the pixels of every image are."""

    side: int
    channels: int
    background: int


class Inks(NamedTuple):
    """Scratch of alterations that move inks."""

    inks: DeviceArray
    """uint32 [M, side^2]."""


@inlined
def _write_ink(cells, pixel, ink, picture, canvas, row):  # type: ignore[no-untyped-def]
    for channel in range(picture.channels):
        gray = value_of(ink, shift_of(channel, picture.channels), picture.background)
        cells[uint64(pixel) * uint64(picture.channels) + uint64(channel)] = toned(canvas, row, gray)


@compiled.inner
def _write(ink_P, picture, canvas, row, cells, thread, threads):  # type: ignore[no-untyped-def]
    """Write every image pixel of one of `threads` threads."""
    for pixel in range(uint64(thread), uint64(len(ink_P)), uint64(threads)):
        _write_ink(cells, pixel, ink_P[pixel], picture, canvas, row)


@kernel
def break_lines(rows, picture, canvas):  # type: ignore[no-untyped-def]
    """Draw segments in the background, a thread each; which is first does not matter."""
    row, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
    gray = uint8(toned(canvas, row, picture.background))
    for number in range(cuda.threadIdx.x, rows.strength, cuda.blockDim.x):
        break_line(
            rows.address[row], rows.layer, number, rows.native, rows.places[row],
            picture.side, cells, picture.channels, gray,
        )  # fmt: skip


@compiled.inner
def _inked(cells, pixel, picture):  # type: ignore[no-untyped-def]
    return ink_at(cells, uint64(pixel), uint64(picture.channels), picture.background)


@compiled.inner
def _goes_to(rows, row, pixel, side):  # type: ignore[no-untyped-def]
    """Return the cell that the ink of a pixel moves to."""
    line = uint32(uint32(pixel) // uint32(side))
    x, y, back = int32(uint32(pixel) - uint32(line * uint32(side))), int32(line), rows.backs[row]
    a, b, _, _ = words(rows.address[row], rows.layer, number_at(back, x, y))
    return cell_after(rows.places[row], float64(rows.strength), a, b, x, y, side)


@kernel
def scatter(rows, picture, canvas, scratch):  # type: ignore[no-untyped-def]
    """Move the ink of every pixel by the offset of the native pixel that its middle lies in."""
    row, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
    moved_P = scratch.inks[cuda.blockIdx.x]
    fill(moved_P, uint32(0))
    cuda.syncthreads()
    for pixel in range(cuda.threadIdx.x, len(moved_P), cuda.blockDim.x):
        ink = uint32(_inked(cells, pixel, picture))
        if ink != uint32(0):
            cell = int32(_goes_to(rows, row, pixel, picture.side))
            if cell < len(moved_P):
                cuda.atomic.max(moved_P, cell, ink)
    cuda.syncthreads()
    _write(moved_P, picture, canvas, row, cells, cuda.threadIdx.x, cuda.blockDim.x)


@compiled.inner
def _widen_along(cells, picture, width, wide_P, thread, threads):  # type: ignore[no-untyped-def]
    """Find the largest ink of each pixel's window along its line."""
    side, before, channels = int32(picture.side), int32(width // 2), uint64(picture.channels)
    for pixel in range(uint64(thread), uint64(len(wide_P)), uint64(threads)):
        x, most = int32(uint32(pixel) % uint32(side)), uint32(0)
        begin, end = max(int32(-before), int32(-x)), min(int32(width - before), int32(side - x))
        for other in range(uint64(pixel + uint64(begin)), uint64(pixel + uint64(end))):
            most = max(most, ink_at(cells, other, channels, picture.background))
        wide_P[pixel] = most


@compiled.inner
def _widen_across(wide_P, picture, width, canvas, row, cells, thread, threads):  # type: ignore[no-untyped-def]
    """Write the largest of those in each pixel's window along its column."""
    side, before = int32(picture.side), int32(width // 2)
    for pixel in range(uint64(thread), uint64(len(wide_P)), uint64(threads)):
        y, most = int32(uint32(pixel) // uint32(side)), uint32(0)
        begin, end = max(int32(-before), int32(-y)), min(int32(width - before), int32(side - y))
        other = uint64(pixel + uint64(begin) * uint64(side))
        for _ in range(begin, end):
            most = max(most, wide_P[other])
            other += uint64(side)
        _write_ink(cells, pixel, most, picture, canvas, row)


@kernel
def widen(rows, picture, canvas, scratch):  # type: ignore[no-untyped-def]
    """Put a square pen on every inked pixel; an even one reaches a pixel further right and down."""
    row, cells = canvas.first + cuda.blockIdx.x, canvas.pixels[cuda.blockIdx.x]
    thread, threads, wide_P = cuda.threadIdx.x, cuda.blockDim.x, scratch.inks[cuda.blockIdx.x]
    _widen_along(cells, picture, rows.strength, wide_P, thread, threads)
    cuda.syncthreads()
    _widen_across(wide_P, picture, rows.strength, canvas, row, cells, thread, threads)


@compiled.inner
def _mark_open(cells, picture, work, image, thread, threads):  # type: ignore[no-untyped-def]
    """Mark which pixels have no ink, 32 at a time, and which of them the border reaches; return the strongest ink."""
    open_B, reached_B, side, pitch = (
        work.open[image],
        work.reached[image],
        uint32(picture.side),
        uint32(work.pitch),
    )
    channels, strongest = uint64(picture.channels), uint32(0)
    for block in range(uint64(thread), uint64(len(open_B)), uint64(threads)):
        line = uint32(uint32(block) // pitch)
        first = uint32(uint32(uint32(block) - uint32(line * pitch)) * uint32(32))
        bits, rim = uint32(0), uint32(0)
        count = min(uint32(32), uint32(side - first)) if line < side else uint32(0)
        for lane in range(uint64(count)):
            x = uint32(first + uint32(lane))
            ink = ink_at(cells, uint64(line) * uint64(side) + uint64(x), channels, picture.background)
            strongest = max(strongest, ink)
            bit = uint32(uint32(1) << uint32(lane))
            bits |= bit if ink == uint32(0) else uint32(0)
            rim |= bit if (line == 0) | (line == side - 1) | (x == 0) | (x == side - 1) else uint32(0)
        open_B[block], reached_B[block] = bits, bits & rim
    return strongest


@compiled.inner
def _keep_part(
    cells, picture, rows, row, outermost, ink, work, image, chords, canvas, thread, threads
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Put `ink` on what lies within the strength of the outside, or deeper, and background elsewhere."""
    reached_B, reach_P, side = work.reached[image], work.reach[image], picture.side
    for pixel in range(uint64(thread), uint64(len(reach_P)), uint64(threads)):
        line = uint32(uint32(pixel) // uint32(side))
        x, kept = uint32(uint32(pixel) - uint32(line * uint32(side))), uint32(0)
        inside = not is_reached(reached_B, work.pitch, line, x)
        if inside and is_near(reach_P, pixel, x, side, rows.strength, chords) == outermost:
            kept = ink
        _write_ink(cells, pixel, kept, picture, canvas, row)


@kernel
def keep_part(rows, picture, outermost, canvas, work):  # type: ignore[no-untyped-def]
    """Keep a part of the silhouette, in the strongest ink of the drawing."""
    image, thread, threads = cuda.blockIdx.x, cuda.threadIdx.x, cuda.blockDim.x
    row, cells = canvas.first + image, canvas.pixels[image]
    strongest = cuda.shared.array(1, uint32)
    chords = cuda.shared.array(CHORDS, int32)
    if thread == 0:
        strongest[0] = uint32(0)
    set_chords(rows.strength, chords, thread, threads)
    cuda.syncthreads()
    cuda.atomic.max(strongest, 0, uint32(_mark_open(cells, picture, work, image, thread, threads)))
    cuda.syncthreads()
    flood(work, image, picture.side)
    measure_columns(work, image, picture.side, rows.strength, thread, threads)
    cuda.syncthreads()
    _keep_part(
        cells, picture, rows, row, outermost, strongest[0], work, image, chords, canvas, thread, threads
    )  # fmt: skip


DrawerOf = Callable[[Table], Callable[[Any, Frame, Device], Drawing]]


def drawer(table: Altered, frame: Frame, device: Device, drawer_of: DrawerOf) -> Drawing:
    """Return what draws the altered images of `table` on a GPU; `drawer_of` returns the drawer of the base table."""
    places = np.ascontiguousarray(frame.places)
    rows = device.upload(
        Rows(table.address, places, inverses(places), table.layer, table.strength, float(table.canvas))
    )
    picture, draw_base = Picture(frame.drawn, table.channels, table.background), drawer_of(table.base)
    if table.kind == "broken":
        return _broken(draw_base(table.base, frame, device), device, rows, picture)
    tones = np.tile(NO_CURVE, (len(table), 1))
    base = draw_base(table.base, replace(frame, size=frame.drawn, way=COPY, tones=tones), device)
    plain = device.upload((NO_CURVE,))[0]
    silhouettes = table.kind in ("filled", "outline")
    alter = (_keeping if silhouettes else _moving)(table.kind, device, rows, picture)

    def draw(canvas: Canvas) -> None:
        base.draw(canvas._replace(inks=plain, step=0))
        alter(canvas)

    needed = flood_bytes(picture.side) if silhouettes else INK_BYTES * picture.side**2
    return Drawing(draw, base.bytes + needed)


def _broken(base: Drawing, device: Device, rows: Rows, picture: Picture) -> Drawing:
    threads = device.threads(max(rows.strength, 1))

    def draw(canvas: Canvas) -> None:
        base.draw(canvas)
        device.launch(break_lines, len(canvas.pixels), threads, rows, picture, canvas)

    return Drawing(draw, base.bytes)


def _moving(kind: str, device: Device, rows: Rows, picture: Picture) -> Callable[[Canvas], None]:
    """Return what moves the inks of a canvas, or widens them."""
    cells, alter = picture.side**2, scatter if kind == "scattered" else widen

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        inks = Inks(device.scratch("altered inks", (images, cells), np.uint32))
        device.launch(alter, images, device.threads(cells), rows, picture, canvas, inks)

    return draw


def _keeping(kind: str, device: Device, rows: Rows, picture: Picture) -> Callable[[Canvas], None]:
    """Return what keeps a part of the silhouette on a canvas."""
    side = picture.side
    # most of the time is spent on lines: with threads that wait, fewer blocks would be at work at once
    threads = device.threads(side)

    def draw(canvas: Canvas) -> None:
        images = len(canvas.pixels)
        work = new_flood(device, images, side)
        device.launch(keep_part, images, threads, rows, picture, kind == "outline", canvas, work)

    return draw
