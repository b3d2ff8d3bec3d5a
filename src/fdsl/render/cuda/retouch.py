"""Retouching finished images on a GPU, in place: one block an image that there is something to do to.

A step that needs the whole image is several passes over its pixels; each begins when all threads are done with the
one before. Threads share the histograms and tables in the block's memory.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, int64, uint8, uint16, uint32, uintp
from numpy.typing import NDArray

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.render.cpu.retouch import (
    COLOR,
    CONTRAST,
    EQUALIZE,
    NONE,
    SHARPNESS,
    TONE,
    blend,
    ends,
    flattened,
    luma,
    noise_grays,
    noise_words,
    rounded_mean,
    saturate,
    smoothed,
    step_of,
    stretched,
)
from fdsl.render.cuda.compiled import inner, kernel
from fdsl.render.cuda.device import MOST_THREADS, Device, DeviceArray
from fdsl.render.retouch import Retouch

CHANNELS = 3
"""At most."""


class Rows(NamedTuple):
    """What to do to M images; the arrays are those of `Retouch`."""

    image: DeviceArray
    """int32 [M], which images these are."""
    steps: DeviceArray
    factors: DeviceArray
    which: DeviceArray
    tables: DeviceArray
    boxes: DeviceArray
    keys: DeviceArray
    quantiles: DeviceArray


class Images(NamedTuple):
    """What is retouched."""

    pixels: DeviceArray
    """uint8 [N, H * W * C], channels innermost."""
    before: DeviceArray
    """Scratch, uint8 [blocks, H * W * C] where images are sharpened: one before that step."""
    side: int
    """H = W."""


class Shared(NamedTuple):
    """What the threads of a block have in common."""

    waiting_C: DeviceArray
    """Tables that are not applied yet, uint8 [3, 256]."""
    counts_C: DeviceArray
    """Histograms, uint32 [3, 256]."""
    total: DeviceArray
    """Sum of all grays, uint32 [1]: that of 2^24 pixels fits."""


@compiled.inner
def _fold(table, again, tables_C, channels, begin, stride):  # type: ignore[no-untyped-def]
    """Let a table follow those that wait, or the grays themselves unless `again`."""
    for entry in range(begin, 256 * channels, stride):
        channel, gray = entry >> 8, entry & 255
        tables_C[channel, gray] = table[tables_C[channel, gray] if again else gray]


@compiled.inner
def _map(tables_C, channels, pixels, begin, stride):  # type: ignore[no-untyped-def]
    for first in range(begin * channels, len(pixels), stride * channels):
        for channel in range(channels):
            p = uintp(first + channel)
            pixels[p] = tables_C[channel, pixels[p]]


@compiled.inner
def _sum(channels, pixels, begin, stride):  # type: ignore[no-untyped-def]
    """Return the sum of every `stride`-th pixel's gray, or luma in colour."""
    total = uint32(0)
    for first in range(begin * channels, len(pixels), stride * channels):
        p = uintp(first)
        gray = uint32(pixels[p])
        if channels == CHANNELS:
            gray = luma(gray, pixels[p + uintp(1)], pixels[p + uintp(2)])
        total = uint32(total + gray)
    return total


@compiled.inner
def _write_contrast(total, count, factor, tables_C, channels, begin, stride):  # type: ignore[no-untyped-def]
    mean = rounded_mean(int64(total), int64(count))
    for entry in range(begin, 256 * channels, stride):
        tables_C[entry >> 8, entry & 255] = blend(mean, entry & 255, factor)


@compiled.inner
def _write_stretched(counts_C, tables_C, channels, begin, stride):  # type: ignore[no-untyped-def]
    for entry in range(begin, 256 * channels, stride):
        low, high = ends(counts_C[entry >> 8])
        tables_C[entry >> 8, entry & 255] = stretched(entry & 255, low, high)


@compiled.inner
def _write_flattened(counts_C, tables_C, channels, begin, stride):  # type: ignore[no-untyped-def]
    """Write equalize's tables; each thread sums up for itself, so that none waits for another's sums."""
    for entry in range(begin, 256 * channels, stride):
        counts, gray = counts_C[entry >> 8], entry & 255
        total, below, last = int64(0), int64(0), int64(0)
        for other in range(256):
            count = int64(counts[other])
            total += count
            below += count if other < gray else int64(0)
            last = count if count > 0 else last
        tables_C[entry >> 8, gray] = flattened(gray, below, step_of(total, last))


@compiled.inner
def _saturate(factor, pixels, begin, stride):  # type: ignore[no-untyped-def]
    for first in range(begin * CHANNELS, len(pixels), stride * CHANNELS):
        saturate(factor, pixels, uintp(first))


@compiled.inner
def _copy(pixels, copy, begin, stride):  # type: ignore[no-untyped-def]
    for p in range(begin, len(pixels), stride):
        copy[p] = pixels[p]


@compiled.inner
def _sharpen(factor, side, channels, before, pixels, begin, stride):  # type: ignore[no-untyped-def]
    """Blend every pixel with its neighbourhood's mean; the outermost stay."""
    pitch, beside = uint32(side * channels), uint32(channels)
    for place in range(begin, len(pixels), stride):
        p = uint32(place)
        line = uint32(p // pitch)
        x = uint32(p - line * pitch)
        if line > 0 and line < uint32(side - 1) and x >= beside and x < uint32(pitch - beside):
            around = uint32(0)
            for row in range(3):
                middle = uint32(p + uint32(row) * pitch - pitch)
                around += uint32(before[uint32(middle - beside)]) + uint32(before[middle])
                around += uint32(before[uint32(middle + beside)])
            smooth = smoothed(uint16(around + uint32(4) * uint32(before[p])))
            pixels[p] = blend(smooth, before[p], factor)


@inlined
def _put(word, place, box, side, channels, channel, quantiles, pixels):  # type: ignore[no-untyped-def]
    """Write two grays of a rectangle's noise, at its pixels `place` and the next; what lies past its end is left."""
    width = uint32(box[3])
    first, second = noise_grays(word, quantiles)
    for k in range(2):
        number = uint32(place + uint32(k))
        line = uint32(number // width)
        if line < uint32(box[2]):
            x = uint32(uint32(box[1]) + number - line * width)
            pixel = uint32(uint32(uint32(box[0]) + line) * uint32(side) + x)
            pixels[uint32(pixel * uint32(channels) + uint32(channel))] = first if k == 0 else second


@compiled.inner
def _draw_noise(box, key, side, quantiles_C, pixels, begin, stride):  # type: ignore[no-untyped-def]
    """Fill a rectangle with noise, a Philox block eight pixels of a channel."""
    channels, blocks = len(quantiles_C), (int64(box[2]) * int64(box[3]) + 7) // 8
    for channel in range(channels):
        quantiles = quantiles_C[channel]
        for block in range(begin, blocks, stride):
            a, b, c, d = noise_words(key, channel, block)
            place = uint32(8 * block)
            _put(a, place, box, side, channels, channel, quantiles, pixels)
            _put(b, uint32(place + uint32(2)), box, side, channels, channel, quantiles, pixels)
            _put(c, uint32(place + uint32(4)), box, side, channels, channel, quantiles, pixels)
            _put(d, uint32(place + uint32(6)), box, side, channels, channel, quantiles, pixels)


@inner
def _count(pixels, channels, counts_C):  # type: ignore[no-untyped-def]
    """Count each channel's grays, all threads beginning and ending together.

    Like ones in a row are added at once: most of a drawing is background, and what is added in one place is added one
    after the other.
    """
    for entry in range(cuda.threadIdx.x, 256 * channels, cuda.blockDim.x):
        counts_C[entry >> 8, entry & 255] = 0
    cuda.syncthreads()
    for channel in range(channels):
        held, run = uint8(0), uint32(0)
        for p in range(cuda.threadIdx.x * channels + channel, len(pixels), cuda.blockDim.x * channels):
            if pixels[p] != held:
                cuda.atomic.add(counts_C, (channel, held), run)
                held, run = pixels[p], uint32(0)
            run = uint32(run + uint32(1))
        cuda.atomic.add(counts_C, (channel, held), run)
    cuda.syncthreads()


@inner
def _measure(step, factor, pixels, channels, shared):  # type: ignore[no-untyped-def]
    """Write the tables of a step that depends on the image. All threads are done with the ones before."""
    thread, threads, tables_C = cuda.threadIdx.x, cuda.blockDim.x, shared.waiting_C
    if step == CONTRAST:
        if thread == 0:
            shared.total[0] = 0
        cuda.syncthreads()
        cuda.atomic.add(shared.total, 0, uint32(_sum(channels, pixels, thread, threads)))
        cuda.syncthreads()
        count = len(pixels) // channels
        _write_contrast(shared.total[0], count, factor, tables_C, channels, thread, threads)
        return
    _count(pixels, channels, shared.counts_C)
    if step == EQUALIZE:
        _write_flattened(shared.counts_C, tables_C, channels, thread, threads)
    else:
        _write_stretched(shared.counts_C, tables_C, channels, thread, threads)


@inner
def _apply(shared, channels, pixels):  # type: ignore[no-untyped-def]
    """Map every pixel by its channel's table."""
    cuda.syncthreads()
    _map(shared.waiting_C, channels, pixels, cuda.threadIdx.x, cuda.blockDim.x)
    cuda.syncthreads()


@inner
def _take_steps(rows, row, side, pixels, before, shared):  # type: ignore[no-untyped-def]
    """Do an image's steps in order, as the CPU does: tables in a row become one before they are applied."""
    thread, threads, channels, waiting = cuda.threadIdx.x, cuda.blockDim.x, len(rows.quantiles), False
    for layer in range(rows.steps.shape[1]):
        step, factor = rows.steps[row, layer], rows.factors[row, layer]
        if step == NONE or (step == COLOR and channels == 1):
            continue
        if step == TONE:
            table = rows.tables[rows.which[row, layer]]
            _fold(table, waiting, shared.waiting_C, channels, thread, threads)
            waiting = True
            continue
        if waiting:
            _apply(shared, channels, pixels)
        waiting = step != COLOR and step != SHARPNESS
        if waiting:
            _measure(step, factor, pixels, channels, shared)
        elif step == COLOR:
            _saturate(factor, pixels, thread, threads)
        elif step == SHARPNESS:
            _copy(pixels, before, thread, threads)
            cuda.syncthreads()
            _sharpen(factor, side, channels, before, pixels, thread, threads)
        cuda.syncthreads()
    if waiting:
        _apply(shared, channels, pixels)


@kernel
def retouch_images(rows, images, first):  # type: ignore[no-untyped-def]
    """Retouch the images of the rows first, first + 1, ..."""
    shared = Shared(
        cuda.shared.array((CHANNELS, 256), uint8),
        cuda.shared.array((CHANNELS, 256), uint32),
        cuda.shared.array(1, uint32),
    )
    row = first + cuda.blockIdx.x
    pixels, before = images.pixels[rows.image[row]], images.before[cuda.blockIdx.x % len(images.before)]
    _take_steps(rows, row, images.side, pixels, before, shared)
    _draw_noise(
        rows.boxes[row],
        rows.keys[row],
        images.side,
        rows.quantiles,
        pixels,
        cuda.threadIdx.x,
        cuda.blockDim.x,
    )


def retouch_on(device: Device, retouch: Retouch, images_NP: DeviceArray, side: int, most: int) -> None:
    """Ask for images to be retouched, with at most so many bytes of scratch. images_NP: uint8 [N, H * W * C]."""
    busy = np.flatnonzero(retouch.busy)
    if not len(busy):
        return
    rows, values = device.upload(_rows_of(retouch, busy)), images_NP.shape[1]
    sharpens = bool((retouch.steps == SHARPNESS).any())
    threads = device.threads(min(values, MOST_THREADS))
    each = max(1, most // values) if sharpens else len(busy)
    for first in range(0, len(busy), each):
        blocks = min(each, len(busy) - first)
        before = device.scratch(
            "retouch_before", (blocks if sharpens else 1, values if sharpens else 1), np.uint8
        )
        device.launch(retouch_images, blocks, threads, rows, Images(images_NP, before, side), first)


def _rows_of(retouch: Retouch, busy: NDArray[np.intp]) -> Rows:
    steps, factors, which = retouch.steps[busy], retouch.factors[busy], retouch.which[busy]
    tables = retouch.tables
    if not steps.shape[1]:  # a GPU is sent no array without elements
        steps, factors, which = (np.zeros((len(busy), 1), part.dtype) for part in (steps, factors, which))
    if not len(tables):
        tables = np.zeros((1, 256), np.uint8)
    return Rows(
        busy.astype(np.int32), steps, factors, which, tables, retouch.boxes[busy], retouch.keys[busy],
        retouch.quantiles,
    )  # fmt: skip
