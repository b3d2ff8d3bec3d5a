"""From a drawn canvas to the image: average blocks of pixels, then the tone curve.

Where nothing is averaged, the tone curve is applied to the inks instead, before anything is drawn: looking up 50,000
pixels takes 17 microseconds, a fifth of a drawing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import uint8, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner
from fdsl.render.cpu.resample import Lines, add_frame, framed_cells, new_lines, resample
from fdsl.render.frame import AVERAGE, COPY, RESAMPLE, Frame


class Finish(NamedTuple):
    """What stands between a drawing and its image."""

    images: NDArray[np.uint8]
    """[M, C, H * W]; row n is image n mod M, so that drawings which are used up at once take turns in a few."""
    size: int
    """H = W."""
    tones: NDArray[np.uint8]
    """[N, 256]."""
    ink_tone: NDArray[np.uint8]
    """[256], scratch: the curve that inks are looked up in before they are drawn."""
    plain: NDArray[np.uint8]
    """[256], the curve that changes nothing."""
    way: int
    """COPY, AVERAGE or RESAMPLE."""
    side: int
    """Of the canvas."""
    canvas: NDArray[np.uint8]
    """[side^2 + 1], flat; the last cell takes what lies outside."""
    framed: NDArray[np.uint8]
    """Scratch for RESAMPLE: a canvas with its frame, flat."""
    shrunk: NDArray[np.uint8]
    """Scratch for RESAMPLE: a canvas averaged over blocks, flat."""
    lines: Lines
    shrink: NDArray[np.int64]
    backs: NDArray[np.float32]
    """As in `Frame`."""
    sums_2W: NDArray[np.uint32]
    """Scratch, [2, side]."""
    background: int
    """Gray of the empty canvas, and of what lies off it."""


def finishing(frame: Frame, images: NDArray[np.uint8], background: int) -> Finish:
    """Return the finish of `images`, uint8 [M, H, W] or [M, H, W, 3], with a canvas of its own."""
    side = frame.drawn
    pixels = images.reshape(len(images), frame.size**2, -1)
    planes = pixels.reshape(len(images), 1, -1) if images.ndim == 3 else pixels.transpose(0, 2, 1)
    if images.ndim == 4 and len(images) == 1:
        # itself twice: one alone counts as a Fortran array, another type, which would compile kernels again
        planes = np.lib.stride_tricks.as_strided(planes, (2, *planes.shape[1:]), (0, *planes.strides[1:]))
    resampled = frame.way == RESAMPLE
    framed = np.empty(framed_cells(side) if resampled else 0, np.uint8)
    shrunk = np.empty(side * side if resampled else 0, np.uint8)
    return Finish(
        planes, frame.size, frame.tones, np.empty(256, np.uint8), np.arange(256, dtype=np.uint8), frame.way,
        side, np.empty(side * side + 1, np.uint8), framed, shrunk, new_lines(frame.size),
        frame.shrink, frame.backs, np.empty((2, side), np.uint32), background,
    )  # fmt: skip


@inner
def begin_image(finish, row):  # type: ignore[no-untyped-def]
    """Choose the curve of one image's inks, its own or none if grays mix before it applies; empty the canvas."""
    for gray in range(256):
        finish.ink_tone[gray] = finish.tones[row, gray] if finish.way == COPY else gray
    finish.canvas[:] = finish.ink_tone[finish.background]


@inner
def finish_image(finish, row, channel):  # type: ignore[no-untyped-def]
    """Write one channel of an image from the canvas."""
    image, tone = finish.images[row % len(finish.images), channel], finish.tones[row]
    if finish.way == COPY:
        for pixel in range(uint64(len(image))):
            image[pixel] = finish.canvas[pixel]
    elif finish.way == AVERAGE:
        _average(finish.canvas, finish.side, finish.side // finish.size, tone, finish.sums_2W, image)
    else:
        shrink, outside = finish.shrink[row], uint8(finish.background)
        back, size = finish.backs[row], finish.size
        if shrink == 1:
            add_frame(finish.canvas, finish.side, outside, finish.framed)
        else:
            _average(finish.canvas, finish.side, shrink, finish.plain, finish.sums_2W, finish.shrunk)
            add_frame(finish.shrunk, finish.side // shrink, outside, finish.framed)
        resample(finish.framed, finish.side // shrink, back, tone, image, size, finish.lines)


@inlined
def reciprocal_of(area):  # type: ignore[no-untyped-def]
    """Return 2^32 / area, rounded up, with which sums over so many pixels are divided."""
    return uint64((2**32 + area - 1) // area)


@inlined
def divided(total, reciprocal):  # type: ignore[no-untyped-def]
    """Return total // area, exact while total * area < 2^32: blocks of up to MOST_SHRINK pixels a side."""
    return uint8((uint64(total) * reciprocal) >> uint64(32))


@inner
def _average(canvas, wide, factor, tone, sums_2W, image):  # type: ignore[no-untyped-def]
    size, area = wide // factor, factor * factor
    reciprocal = reciprocal_of(area)
    for line in range(size):
        sums_W, spare_W = sums_2W[0], sums_2W[1]
        sums_W[:] = 0
        for part in range(factor):
            begin = (line * factor + part) * wide
            _add(canvas[begin : begin + wide], sums_W)
        left = factor
        while left % 2 == 0:  # halving vectorises where a sum of `factor` neighbours does not
            left //= 2
            _pairs(sums_W, spare_W[: size * left])
            sums_W, spare_W = spare_W, sums_W
        out = image[line * size : (line + 1) * size]
        for x in range(uint64(len(out))):
            total = uint32(area // 2)
            for part in range(left):
                total += sums_W[x * uint64(left) + uint64(part)]
            out[x] = tone[divided(total, reciprocal)]


@inner
def _add(pixels, sums_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(pixels))):
        sums_W[x] = uint32(sums_W[x] + uint32(pixels[x]))


@inner
def _pairs(wide_W, half_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(half_W))):
        half_W[x] = uint32(wide_W[x + x] + wide_W[x + x + uint64(1)])
