"""Retouching finished images on the CPU, with Pillow's arithmetic.

Images are flat here: pixels uint8 [P], P = H * W * C with channels innermost. `words` are the same bytes as uint64
[P/8], or empty where P is no multiple of eight; most of a drawing is background, and eight like grays are done at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import float32, int32, int64, uint8, uint16, uint32, uint64, uintp
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.random.scalar import philox_block
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.retouch import QUANTILE_BITS, Retouch, Step

NONE, TONE, AUTOCONTRAST, EQUALIZE, CONTRAST, COLOR, SHARPNESS = (int(step) for step in Step)
CHUNK = 32
"""Philox blocks drawn together, 256 pixels of noise: enough for the loop over them to vectorise."""
BYTES = uint64(0x0101010101010101)
SUBTOTAL = 1 << 16


class Work(NamedTuple):
    """Arrays that one image after the other is retouched with."""

    counts: NDArray[np.uint32]
    """Four histograms, [1024]."""
    scratch: NDArray[np.uint8]
    """The image before a step, or noise; a chunk of noise longer than an image."""
    sums_2W: NDArray[np.uint16]
    waiting_C: NDArray[np.uint8]
    """Tables that are not applied yet, [C, 256]."""
    words_4B: NDArray[np.uint32]


def _work(pixels: int, side: int, channels: int) -> Work:
    noise, sums = np.empty(pixels + 8 * CHUNK, np.uint8), np.empty((2, pixels // side), np.uint16)
    tables, words = np.empty((channels, 256), np.uint8), np.empty((4, CHUNK), np.uint32)
    return Work(np.empty(1024, np.uint32), noise, sums, tables, words)


@inner
def _is_identity(table):  # type: ignore[no-untyped-def]
    changed = 0
    for gray in range(256):
        changed |= table[gray] ^ gray
    return changed == 0


@inner
def _apply_gray(table, words, pixels):  # type: ignore[no-untyped-def]
    for k in range(len(words)):
        v = words[k]
        if v == (v >> uint64(8) | v << uint64(56)):
            words[k] = uint64(table[v & uint64(255)]) * BYTES
            continue
        w = uint64(table[v & uint64(255)])
        w |= uint64(table[v >> uint64(8) & uint64(255)]) << uint64(8)
        w |= uint64(table[v >> uint64(16) & uint64(255)]) << uint64(16)
        w |= uint64(table[v >> uint64(24) & uint64(255)]) << uint64(24)
        w |= uint64(table[v >> uint64(32) & uint64(255)]) << uint64(32)
        w |= uint64(table[v >> uint64(40) & uint64(255)]) << uint64(40)
        w |= uint64(table[v >> uint64(48) & uint64(255)]) << uint64(48)
        w |= uint64(table[v >> uint64(56)]) << uint64(56)
        words[k] = w
    for p in range(8 * len(words), len(pixels)):
        pixels[p] = table[pixels[p]]


@inner
def _apply(tables_C, words, pixels):  # type: ignore[no-untyped-def]
    """Map every pixel by its channel's table, unless that would change nothing."""
    if len(tables_C) == 1:
        if not _is_identity(tables_C[0]):
            _apply_gray(tables_C[0], words, pixels)
        return
    red, green, blue = tables_C[0], tables_C[1], tables_C[2]
    if _is_identity(red) and _is_identity(green) and _is_identity(blue):
        return
    for p in range(uintp(0), uintp(len(pixels)), uintp(3)):
        pixels[p] = red[pixels[p]]
        pixels[p + uintp(1)] = green[pixels[p + uintp(1)]]
        pixels[p + uintp(2)] = blue[pixels[p + uintp(2)]]


@inner
def _count_gray(words, pixels, counts):  # type: ignore[no-untyped-def]
    """Four histograms in turn: a count that is read back while its store is on the way stalls."""
    for k in range(len(words)):
        v = words[k]
        if v == (v >> uint64(8) | v << uint64(56)):
            counts[v & uint64(255)] += uint32(8)
            continue
        counts[v & uint64(255)] += uint32(1)
        counts[uint64(256) + (v >> uint64(8) & uint64(255))] += uint32(1)
        counts[uint64(512) + (v >> uint64(16) & uint64(255))] += uint32(1)
        counts[uint64(768) + (v >> uint64(24) & uint64(255))] += uint32(1)
        counts[v >> uint64(32) & uint64(255)] += uint32(1)
        counts[uint64(256) + (v >> uint64(40) & uint64(255))] += uint32(1)
        counts[uint64(512) + (v >> uint64(48) & uint64(255))] += uint32(1)
        counts[uint64(768) + (v >> uint64(56))] += uint32(1)
    for p in range(8 * len(words), len(pixels)):
        counts[pixels[p]] += uint32(1)
    for gray in range(256):
        counts[gray] += counts[256 + gray] + counts[512 + gray] + counts[768 + gray]


@inner
def _count(words, pixels, channels, counts):  # type: ignore[no-untyped-def]
    """Write the histogram of channel c to counts[256 * c : 256 * c + 256]. counts: uint32 [1024]."""
    counts[:] = 0
    if channels == 1:
        _count_gray(words, pixels, counts)
        return
    for p in range(uintp(0), uintp(len(pixels)), uintp(3)):
        counts[uintp(pixels[p])] += uint32(1)
        counts[uintp(256) + pixels[p + uintp(1)]] += uint32(1)
        counts[uintp(512) + pixels[p + uintp(2)]] += uint32(1)


@inner
def _extremes(pixels):  # type: ignore[no-untyped-def]
    low, high = uint8(255), uint8(0)
    for p in range(len(pixels)):
        low, high = min(low, pixels[p]), max(high, pixels[p])
    return int64(low), int64(high)


@inner
def ends(counts):  # type: ignore[no-untyped-def]
    """Return the lowest and the highest gray that occurs."""
    low, high = int64(0), int64(255)
    while counts[low] == 0:
        low += 1
    while counts[high] == 0:
        high -= 1
    return low, high


@inlined
def stretched(gray, low, high):  # type: ignore[no-untyped-def]
    """Return what autocontrast makes of a gray, which takes low..high to 0..255."""
    if high <= low:
        return uint8(gray)
    scale = 255.0 / (high - low)
    offset = -low * scale
    return uint8(min(max(int64(gray * scale + offset), 0), 255))


@inner
def _stretch(low, high, table):  # type: ignore[no-untyped-def]
    for gray in range(256):
        table[gray] = stretched(gray, low, high)


@inlined
def step_of(total, last):  # type: ignore[no-untyped-def]
    """Return how many pixels equalize gives a gray: a 255th of all but the `last`, those of the highest gray."""
    return (total - last) // 255


@inlined
def flattened(gray, below, step):  # type: ignore[no-untyped-def]
    """Return what equalize makes of a gray: the number of pixels `below` it in steps."""
    if step == 0:
        return uint8(gray)
    return uint8(min(uint32(step // 2 + below) // uint32(step), uint32(255)))


@inner
def _flatten(counts, table):  # type: ignore[no-untyped-def]
    total, most, below = int64(0), ends(counts)[1], int64(0)
    for gray in range(256):
        total += counts[gray]
    step = step_of(total, int64(counts[most]))
    for gray in range(256):
        table[gray] = flattened(gray, below, step)
        below += counts[gray]


@inlined
def blend(degenerate, value, factor):  # type: ignore[no-untyped-def]
    """Return Image.blend's pixel: float32, clipped, cut off."""
    blended = float32(degenerate) + factor * float32(int32(value) - int32(degenerate))
    return uint8(int32(min(max(blended, float32(0)), float32(255))))


@inlined
def luma(red, green, blue):  # type: ignore[no-untyped-def]
    """Return Pillow's L of a colour: ITU-R 601-2 weights in 2^16ths, rounded."""
    return (uint32(red) * uint32(19595) + uint32(green) * uint32(38470) + uint32(blue) * uint32(7471)
            + uint32(32768)) >> uint32(16)  # fmt: skip


@inlined
def rounded_mean(total, count):  # type: ignore[no-untyped-def]
    """Return total / count, int64, rounded half up."""
    return (2 * total + count) // (2 * count)


@inner
def _mean(pixels, channels):  # type: ignore[no-untyped-def]
    """Return the mean gray, or the mean luma of a colour image."""
    total, count = int64(0), len(pixels) // channels
    if channels == 1:
        for begin in range(
            0, count, SUBTOTAL
        ):  # sums of 32 bits vectorise twice as wide, and do not overflow here
            part = uint32(0)
            for p in range(begin, min(begin + SUBTOTAL, count)):
                part += uint32(pixels[uintp(p)])
            total += part
    else:
        for p in range(uintp(0), uintp(len(pixels)), uintp(3)):
            total += int64(luma(pixels[p], pixels[p + uintp(1)], pixels[p + uintp(2)]))
    return rounded_mean(total, count)


@inner
def _measure(step, factor, words, pixels, counts, tables_C):  # type: ignore[no-untyped-def]
    """Write the tables of a step that depends on the image."""
    channels = len(tables_C)
    if step == CONTRAST:
        mean = _mean(pixels, channels)
        for channel in range(channels):
            for gray in range(256):
                tables_C[channel, gray] = blend(mean, gray, factor)
        return
    if step == AUTOCONTRAST and channels == 1:
        low, high = _extremes(pixels)
        _stretch(low, high, tables_C[0])
        return
    _count(words, pixels, channels, counts)
    for channel in range(channels):
        own = counts[256 * channel : 256 * channel + 256]
        if step == EQUALIZE:
            _flatten(own, tables_C[channel])
        else:
            low, high = ends(own)
            _stretch(low, high, tables_C[channel])


@inlined
def saturate(factor, pixels, p):  # type: ignore[no-untyped-def]
    """Blend the colour at pixels[p : p + 3] with its luma."""
    gray = luma(pixels[p], pixels[p + uintp(1)], pixels[p + uintp(2)])
    for channel in range(uintp(3)):
        pixels[p + uintp(channel)] = blend(gray, pixels[p + uintp(channel)], factor)


@inner
def _saturate(factor, pixels):  # type: ignore[no-untyped-def]
    for p in range(uintp(0), uintp(len(pixels)), uintp(3)):
        saturate(factor, pixels, p)


@inlined
def smoothed(total):  # type: ignore[no-untyped-def]
    """Return a neighbourhood's mean from its weighted sum, 1 a pixel and 5 for the one in the middle, uint16.

    (total + 6) // 13 rounds total / 13, since 13 is odd; times 5042 / 2^16 is that quotient for sums under 6553.
    """
    return uint16(uint32(uint16(total + uint16(6))) * uint32(5042) >> uint32(16))


@inner
def _sharpen(factor, side, channels, pixels, before, sums_2W):  # type: ignore[no-untyped-def]
    """Blend every pixel with its neighbourhood's mean; the outermost stay.

    Three loops over a line, each of one width of number, take less than half the time of one.
    """
    pitch, beside = uintp(side * channels), uintp(channels)
    column, smooth = sums_2W[0], sums_2W[1]
    for p in range(len(pixels)):
        before[p] = pixels[p]
    for line in range(1, side - 1):
        begin = uintp(line) * pitch
        above, here = before[begin - pitch : begin], before[begin : begin + pitch]
        below, out = before[begin + pitch : begin + pitch + pitch], pixels[begin : begin + pitch]
        for x in range(pitch):
            column[x] = uint16(uint16(above[x]) + uint16(here[x]) + uint16(below[x]))
        for x in range(beside, pitch - beside):
            around = uint16(column[x - beside] + column[x] + column[x + beside])
            smooth[x] = smoothed(uint16(around + uint16(4) * uint16(here[x])))
        for x in range(beside, pitch - beside):
            out[x] = blend(smooth[x], here[x], factor)


@inner
def _take_steps(
    steps_L, factors_L, which_L, tables, side, words, pixels, counts, before, sums_2W, waiting_C,
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Do an image's steps in order. A table waits until a step needs the pixels: tables in a row become one."""
    waiting = False
    for layer in range(len(steps_L)):
        step, factor = steps_L[layer], factors_L[layer]
        if step == NONE or (step == COLOR and len(waiting_C) == 1):
            continue
        if step == TONE:
            table = tables[which_L[layer]]
            for channel in range(len(waiting_C)):
                for gray in range(256):
                    waiting_C[channel, gray] = table[waiting_C[channel, gray] if waiting else gray]
            waiting = True
            continue
        if waiting:
            _apply(waiting_C, words, pixels)
        waiting = step != COLOR and step != SHARPNESS
        if step == COLOR:
            _saturate(factor, pixels)
        elif step == SHARPNESS:
            _sharpen(factor, side, len(waiting_C), pixels, before, sums_2W)
        else:
            _measure(step, factor, words, pixels, counts, waiting_C)
    if waiting:
        _apply(waiting_C, words, pixels)


@inlined
def noise_words(key, channel, block):  # type: ignore[no-untyped-def]
    """Return the four words of a Philox block, which are eight grays of a rectangle's noise."""
    return philox_block(uint32(block), uint32(channel), uint32(0), uint32(0), key[0], key[1])


@inlined
def noise_grays(word, quantiles):  # type: ignore[no-untyped-def]
    """Return the two grays of a word."""
    shift = uint32(16 - QUANTILE_BITS)
    return quantiles[(word & uint32(0xFFFF)) >> shift], quantiles[word >> (uint32(16) + shift)]


@inner
def _draw_noise(key, channel, count, quantiles, words_4B, noise):  # type: ignore[no-untyped-def]
    """Write `count` grays, eight a Philox block at (block, channel, 0, 0); `noise` has room for a chunk more."""
    for first in range(0, -(-count // 8), CHUNK):
        for b in range(CHUNK):
            words = noise_words(key, channel, first + b)
            words_4B[0, b], words_4B[1, b], words_4B[2, b], words_4B[3, b] = words
        for b in range(CHUNK):
            for k in range(4):
                p = uintp(8 * (first + b) + 2 * k)
                noise[p], noise[p + uintp(1)] = noise_grays(words_4B[k, b], quantiles)


@inner
def _erase(box, key, side, quantiles_C, words_4B, noise, pixels):  # type: ignore[no-untyped-def]
    top, left, height, width = box[0], box[1], box[2], box[3]
    channels = len(quantiles_C)
    for channel in range(channels):
        _draw_noise(key, channel, height * width, quantiles_C[channel], words_4B, noise)
        for line in range(height):
            begin, drawn = uintp(((top + line) * side + left) * channels + channel), uintp(line * width)
            for x in range(uintp(width)):
                pixels[begin + uintp(x) * uintp(channels)] = noise[drawn + uintp(x)]


@kernel
def _retouch_rows(
    begin, end, steps, factors, which, tables, boxes, keys, quantiles_C, side, words, pixels, work
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(begin, end):
        _take_steps(
            steps[row], factors[row], which[row], tables, side, words[row], pixels[row], work.counts, work.scratch,
            work.sums_2W, work.waiting_C,
        )  # fmt: skip
        if boxes[row, 2] * boxes[row, 3] > 0:
            _erase(boxes[row], keys[row], side, quantiles_C, work.words_4B, work.scratch, pixels[row])


def retouched(
    draw: Callable[[int, int], None], retouch: Retouch, images: NDArray[np.uint8]
) -> Callable[[int, int], None]:
    """Return draw(begin, end) that also retouches the rows it has drawn. images: uint8 [N, H, W] or [N, H, W, 3]."""
    busy = retouch.busy
    if not busy.any():
        return draw
    pixels = images.reshape(len(images), -1)
    whole = pixels.shape[1] % 8 == 0
    words = pixels.view(np.uint64) if whole else np.empty((len(images), 0), np.uint64)
    # copies, so that none is read-only: that would be another type, and compile the kernel again
    steps, factors, which, tables, boxes, keys, quantiles = (
        np.array(part, order="C")
        for part in (
            retouch.steps, retouch.factors, retouch.which, retouch.tables, retouch.boxes, retouch.keys,
            retouch.quantiles,
        )
    )  # fmt: skip
    work = per_thread(lambda: _work(pixels.shape[1], images.shape[1], len(quantiles)))

    def both(begin: int, end: int) -> None:
        draw(begin, end)
        if busy[begin:end].any():
            _retouch_rows(
                begin, end, steps, factors, which, tables, boxes, keys, quantiles, images.shape[1], words, pixels,
                work(),
            )  # fmt: skip

    return both
