"""From a drawn canvas to the image: average blocks of pixels, then the tone curve.

Where nothing is averaged, the tone curve is applied to the inks instead, before anything is drawn: looking up 50,000
pixels takes 17 microseconds, a fifth of a drawing.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit, uint8, uint16, uint32, uint64
from numpy.typing import NDArray

from fdsl.render.frame import Frame


class Finish(NamedTuple):
    """What stands between a drawing and its image."""

    images: NDArray[np.uint8]
    """[N, C, H * W]."""
    tones: NDArray[np.uint8]
    """[N, 256]."""
    ink_tone: NDArray[np.uint8]
    """[256], scratch: the curve that inks are looked up in before they are drawn."""
    factor: int
    """How many times larger than the image the canvas is."""
    side: int
    """Of the canvas."""
    canvas: NDArray[np.uint8]
    """[side^2 + 1], flat; the last cell takes what lies outside."""
    sums_2W: NDArray[np.uint16]
    """Scratch, [2, side]."""


def finishing(frame: Frame, images: NDArray[np.uint8]) -> Finish:
    """Return the finish of `images`, uint8 [N, H, W] or [N, H, W, 3], with a canvas of its own."""
    side = frame.drawn
    pixels = images.reshape(len(images), frame.size**2, -1)
    planes = pixels.reshape(len(images), 1, -1) if images.ndim == 3 else pixels.transpose(0, 2, 1)
    canvas, sums_2W = np.empty(side * side + 1, np.uint8), np.empty((2, side), np.uint16)
    return Finish(planes, frame.tones, np.empty(256, np.uint8), frame.factor, side, canvas, sums_2W)


@njit(_nrt=False)
def set_ink_tone(finish, row):  # type: ignore[no-untyped-def]
    """Choose the curve of one image's inks: its own, or none where averages are to be looked up in that."""
    for gray in range(256):
        finish.ink_tone[gray] = finish.tones[row, gray] if finish.factor == 1 else gray


@njit(_nrt=False)
def finish_image(finish, row, channel):  # type: ignore[no-untyped-def]
    """Write one channel of an image from the canvas."""
    image = finish.images[row, channel]
    if finish.factor == 1:
        for pixel in range(uint64(len(image))):
            image[pixel] = finish.canvas[pixel]
    else:
        _average(finish.canvas, finish.side, finish.factor, finish.tones[row], finish.sums_2W, image)


@njit(_nrt=False)
def _average(canvas, wide, factor, tone, sums_2W, image):  # type: ignore[no-untyped-def]
    size, area = wide // factor, factor * factor
    # exact for every total below 2^32 / area: factors up to 40
    reciprocal = uint64((2**32 + area - 1) // area)
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
                total += uint32(sums_W[x * uint64(left) + uint64(part)])
            out[x] = tone[uint8((uint64(total) * reciprocal) >> uint64(32))]


@njit(_nrt=False)
def _add(pixels, sums_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(pixels))):
        sums_W[x] = uint16(sums_W[x] + uint16(pixels[x]))


@njit(_nrt=False)
def _pairs(wide_W, half_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(half_W))):
        half_W[x] = uint16(wide_W[x + x] + wide_W[x + x + uint64(1)])
