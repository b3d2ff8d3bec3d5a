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
def _ends(counts):  # type: ignore[no-untyped-def]
    """Return the lowest and the highest gray that occurs."""
    low, high = int64(0), int64(255)
    while counts[low] == 0:
        low += 1
    while counts[high] == 0:
        high -= 1
    return low, high


@inner
def _stretch(low, high, table):  # type: ignore[no-untyped-def]
    """Write autocontrast's table, which takes low..high to 0..255."""
    if high <= low:
        for gray in range(256):
            table[gray] = gray
        return
    scale = 255.0 / (high - low)
    offset = -low * scale
    for gray in range(256):
        table[gray] = min(max(int64(gray * scale + offset), 0), 255)


@inner
def _flatten(counts, table):  # type: ignore[no-untyped-def]
    """Write equalize's table: the cumulated histogram in steps of a 255th."""
    total, most = int64(0), _ends(counts)[1]
    for gray in range(256):
        total += counts[gray]
    step = (total - counts[most]) // 255
    for gray in range(256):
        table[gray] = gray
    if step > 0:
        reached = step // 2
        for gray in range(256):
            table[gray] = min(uint32(reached) // uint32(step), uint32(255))
            reached += counts[gray]


@inlined
def _blend(degenerate, value, factor):  # type: ignore[no-untyped-def]
    """Return Image.blend's pixel: float32, clipped, cut off."""
    blended = float32(degenerate) + factor * float32(int32(value) - int32(degenerate))
    return uint8(int32(min(max(blended, float32(0)), float32(255))))


@inlined
def _luma(red, green, blue):  # type: ignore[no-untyped-def]
    """Return Pillow's L of a colour: ITU-R 601-2 weights in 2^16ths, rounded."""
    return (uint32(red) * uint32(19595) + uint32(green) * uint32(38470) + uint32(blue) * uint32(7471)
            + uint32(32768)) >> uint32(16)  # fmt: skip


@inner
def _mean(pixels, channels):  # type: ignore[no-untyped-def]
    """Return the mean gray, or the mean luma of a colour image, rounded half up."""
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
            total += int64(_luma(pixels[p], pixels[p + uintp(1)], pixels[p + uintp(2)]))
    return (2 * total + count) // (2 * count)


@inner
def _measure(step, factor, words, pixels, counts, tables_C):  # type: ignore[no-untyped-def]
    """Write the tables of a step that depends on the image."""
    channels = len(tables_C)
    if step == CONTRAST:
        mean = _mean(pixels, channels)
        for channel in range(channels):
            for gray in range(256):
                tables_C[channel, gray] = _blend(mean, gray, factor)
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
            low, high = _ends(own)
            _stretch(low, high, tables_C[channel])


@inner
def _saturate(factor, pixels):  # type: ignore[no-untyped-def]
    for p in range(uintp(0), uintp(len(pixels)), uintp(3)):
        luma = _luma(pixels[p], pixels[p + uintp(1)], pixels[p + uintp(2)])
        for channel in range(uintp(3)):
            pixels[p + uintp(channel)] = _blend(luma, pixels[p + uintp(channel)], factor)


@inner
def _sharpen(factor, side, channels, pixels, before, sums_2W):  # type: ignore[no-untyped-def]
    """Blend every pixel with its neighbourhood's mean, weights 1 and 5 in the middle; the outermost stay.

    (sum + 6) // 13 rounds sum / 13, since 13 is odd; times 5042 / 2^16 is that quotient for sums under 6553. Three
    loops over a line, each of one width of number, take less than half the time of one.
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
            total = uint16(around + uint16(4) * uint16(here[x]) + uint16(6))
            smooth[x] = uint16(uint32(total) * uint32(5042) >> uint32(16))
        for x in range(beside, pitch - beside):
            out[x] = _blend(smooth[x], here[x], factor)


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


@inner
def _draw_noise(key, channel, count, quantiles, words_4B, noise):  # type: ignore[no-untyped-def]
    """Write `count` grays, eight a Philox block at (block, channel, 0, 0); `noise` has room for a chunk more."""
    shift = uint32(16 - QUANTILE_BITS)
    for first in range(0, -(-count // 8), CHUNK):
        for b in range(CHUNK):
            words = philox_block(uint32(first + b), uint32(channel), uint32(0), uint32(0), key[0], key[1])
            words_4B[0, b], words_4B[1, b], words_4B[2, b], words_4B[3, b] = words
        for b in range(CHUNK):
            for k in range(4):
                word, p = words_4B[k, b], uintp(8 * (first + b) + 2 * k)
                noise[p] = quantiles[(word & uint32(0xFFFF)) >> shift]
                noise[p + uintp(1)] = quantiles[word >> (uint32(16) + shift)]


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
                begin,
                end,
                steps,
                factors,
                which,
                tables,
                boxes,
                keys,
                quantiles,
                images.shape[1],
                words,
                pixels,
                work(),
            )

    return both
