"""From drawn canvases to images on a GPU: averaged or resampled, then the tone curves; a thread an output value.

The mean over blocks that comes before resampling is taken where it is looked up, four blocks for a pixel, which
costs less than it would to write all of them down and read them back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import cuda, int32, int64, uint8, uint32

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.render.cpu.finish import divided, reciprocal_of
from fdsl.render.cpu.resample import BEFORE, begin_of_line, between, located
from fdsl.render.cuda.compiled import kernel
from fdsl.render.cuda.device import Device, DeviceArray
from fdsl.render.frame import AVERAGE, COPY, RESAMPLE, Frame

VALUES = 4096
"""Of an image that a block writes: each thread several, so that what it works out beforehand serves for all."""
THREADS = 256

Finisher = Callable[[DeviceArray, DeviceArray, int], None]
"""Asks for images, uint8 [M, H * W * C], of canvases, uint8 [M, side^2 * C], the first of which is that of a row."""


class Rows(NamedTuple):
    """How the canvases of a table's N rows become images."""

    tones: DeviceArray
    """uint8 [N, 256]."""
    shrink: DeviceArray
    """int32 [N or 1]: the side of the blocks that a canvas is averaged over; one for all is the way to average."""
    backs: DeviceArray
    """float32 [N or 1, 2, 3], as in `Frame`."""


class Pictures(NamedTuple):
    """What is made of what."""

    canvases: DeviceArray
    images: DeviceArray
    first: int
    """Row of the first one."""
    side: int
    """Of a canvas, pixels."""
    size: int
    """Of an image, pixels."""
    channels: int
    outside: int
    """Gray of what lies off a canvas."""


@inlined
def _place(value, size, channels):  # type: ignore[no-untyped-def]
    """Return (x, line, channel) of an image's value, int32."""
    pixel = uint32(value) // uint32(channels)
    channel, line = uint32(value) - pixel * uint32(channels), pixel // uint32(size)
    return int32(pixel - line * uint32(size)), int32(line), int32(channel)


@inlined
def _mean(canvas, pitch, channels, factor, reciprocal, x, line, channel):  # type: ignore[no-untyped-def]
    """Return the mean over a block of a canvas, `factor` pixels a side. pitch: values a line of the canvas."""
    begin, total = uint32((line * pitch + x * channels) * factor + channel), uint32(factor * factor // 2)
    for _ in range(factor):
        cell = begin
        for _ in range(factor):
            total = uint32(total + uint32(canvas[cell]))
            cell = uint32(cell + uint32(channels))
        begin = uint32(begin + uint32(pitch))
    return divided(total, reciprocal)


@compiled.inner
def _average(canvas, side, channels, factor, size, tone, image, begin, end, stride):  # type: ignore[no-untyped-def]
    """Write every `stride`-th of an image's values begin..end-1."""
    reciprocal = reciprocal_of(int64(factor * factor))
    for value in range(begin, end, stride):
        x, line, channel = _place(value, size, channels)
        mean = _mean(canvas, side * channels, channels, factor, reciprocal, x, line, channel)
        image[uint32(value)] = tone[mean]


@compiled.inner
def _resample(canvas, side, channels, factor, outside, back, size, tone, image, begin, end, stride):  # type: ignore[no-untyped-def]
    """Write every `stride`-th of an image's values begin..end-1."""
    reciprocal, shrunk = reciprocal_of(int64(factor * factor)), side // factor
    for value in range(begin, end, stride):
        x, line, channel = _place(value, size, channels)
        left, right = located(back, 0, x, begin_of_line(back, 0, line), shrunk)
        top, low = located(back, 1, x, begin_of_line(back, 1, line), shrunk)
        around = uint32(0)
        for corner in range(4):
            u, v, seen = left - BEFORE + (corner & 1), top - BEFORE + (corner >> 1), uint8(outside)
            if 0 <= u < shrunk and 0 <= v < shrunk:
                seen = _mean(canvas, side * channels, channels, factor, reciprocal, u, v, channel)
            around = uint32(around | uint32(uint32(seen) << uint32(8 * corner)))
        gray = between(
            around & uint32(255), around >> uint32(8) & uint32(255), around >> uint32(16) & uint32(255),
            around >> uint32(24), right, low,
        )  # fmt: skip
        image[uint32(value)] = tone[gray]


@kernel
def average_canvases(rows, pictures, parts):  # type: ignore[no-untyped-def]
    """Average canvases over blocks of pixels, an image in so many parts."""
    number, part = cuda.blockIdx.x // parts, cuda.blockIdx.x % parts
    image = pictures.images[number]
    _average(
        pictures.canvases[number], pictures.side, pictures.channels, rows.shrink[0], pictures.size,
        rows.tones[pictures.first + number], image, part * VALUES + cuda.threadIdx.x,
        min((part + 1) * VALUES, len(image)), cuda.blockDim.x,
    )  # fmt: skip


@kernel
def resample_canvases(rows, pictures, parts):  # type: ignore[no-untyped-def]
    """Look canvases up between their pixels, or between blocks of them."""
    number, part = cuda.blockIdx.x // parts, cuda.blockIdx.x % parts
    row, image = pictures.first + number, pictures.images[number]
    _resample(
        pictures.canvases[number], pictures.side, pictures.channels, rows.shrink[row], pictures.outside,
        rows.backs[row], pictures.size, rows.tones[row], image, part * VALUES + cuda.threadIdx.x,
        min((part + 1) * VALUES, len(image)), cuda.blockDim.x,
    )  # fmt: skip


def finisher(frame: Frame, background: int, channels: int, device: Device) -> Finisher | None:
    """Return what makes images of canvases, or None where a canvas is its image."""
    if frame.way == COPY:
        return None
    shrink, backs = np.array([frame.drawn // frame.size], np.int32), np.zeros((1, 2, 3), np.float32)
    if frame.way == RESAMPLE:
        shrink, backs = frame.shrink.astype(np.int32), frame.backs
    rows = device.upload(Rows(frame.tones, shrink, backs))
    finish = average_canvases if frame.way == AVERAGE else resample_canvases
    values = frame.size**2 * channels
    parts, threads = -(-values // VALUES), device.threads(THREADS)

    def draw(canvases: DeviceArray, images: DeviceArray, first: int) -> None:
        pictures = Pictures(canvases, images, first, frame.drawn, frame.size, channels, background)
        device.launch(finish, len(images) * parts, threads, rows, pictures, parts)

    return draw
