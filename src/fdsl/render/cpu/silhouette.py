"""What a drawing encloses: the pixels that the background does not reach from the border, and how deep they lie."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import uint8, uint16, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner

UNKNOWN, BLOCKED, REACHED = 0, 1, 2


class Flood(NamedTuple):
    """Scratch for one silhouette on a canvas of `side` pixels."""

    mark: NDArray[np.uint8]
    """[(side + 2)^2], flat: UNKNOWN, BLOCKED or REACHED, a frame around it."""
    stack: NDArray[np.uint32]
    """[(side + 2)^2]. A run of pixels is put there by each run that it touches, once: that is less than two a run."""
    reach: NDArray[np.uint16]
    """[side^2], from a pixel to the nearest reached one in its column."""
    near_W: NDArray[np.uint8]
    """[side], whether a pixel of the line lies near the outside."""


def new_flood(side: int) -> Flood:
    """Return scratch for canvases of so many pixels a side."""
    return Flood(
        np.empty((side + 2) ** 2, np.uint8), np.empty((side + 2) ** 2, np.uint32), np.empty(side * side, np.uint16),
        np.empty(side, np.uint8),
    )  # fmt: skip


@inner
def _push_openings(mark, begin, end, stack, count):  # type: ignore[no-untyped-def]
    """Put the first of each run of unknown pixels in begin..end-1 on the stack; return the stack's height."""
    before = uint8(BLOCKED)
    for place in range(begin, end):
        if mark[place] == uint8(UNKNOWN) and before != uint8(UNKNOWN):
            stack[count] = uint32(place)
            count += uint64(1)
        before = mark[place]
    return count


@inner
def _spread(mark, pitch, seed, stack):  # type: ignore[no-untyped-def]
    """Mark all that can be reached from a pixel, a run of pixels at a time."""
    stack[0] = uint32(seed)
    count = uint64(1)
    while count > uint64(0):
        count -= uint64(1)
        left = uint64(stack[count])
        if mark[left] != uint8(UNKNOWN):
            continue
        right = left + uint64(1)
        while mark[left - uint64(1)] == uint8(UNKNOWN):
            left -= uint64(1)
        while mark[right] == uint8(UNKNOWN):
            right += uint64(1)
        mark[left:right] = uint8(REACHED)
        count = _push_openings(mark, left - pitch, right - pitch, stack, count)
        count = _push_openings(mark, left + pitch, right + pitch, stack, count)


@inner
def flood(ink_P, side, work):  # type: ignore[no-untyped-def]
    """Mark what the background reaches from the border, from pixel to pixel along lines and columns; ink blocks it."""
    mark, stack, pitch = work.mark, work.stack, uint64(side + 2)
    mark[:] = uint8(BLOCKED)
    for line in range(side):
        begin = (line + 1) * (side + 2) + 1
        own_W, ink_W = mark[begin : begin + side], ink_P[line * side : (line + 1) * side]
        for x in range(uint64(len(own_W))):
            own_W[x] = uint8(BLOCKED) if ink_W[x] != uint32(0) else uint8(UNKNOWN)
    last = pitch - uint64(2)
    for along in range(uint64(1), last + uint64(1)):
        for seed in (pitch + along, last * pitch + along, along * pitch + uint64(1), along * pitch + last):
            if mark[seed] == uint8(UNKNOWN):
                _spread(mark, pitch, seed, stack)


@inlined
def past(reached, before, far):  # type: ignore[no-untyped-def]
    """Return how far a pixel lies from the last reached one on the way along its column, uint16, `far` at most."""
    return uint16(0) if reached else min(uint16(before + uint16(1)), far)


@inlined
def half_chord(depth, wide, most):  # type: ignore[no-untyped-def]
    """Return how high a circle of radius `depth` is above its middle, `wide` beside it: whole pixels, up to `most`."""
    high = most
    while high * high > depth * depth - wide * wide:
        high -= 1
    return high


@inner
def _measure_columns(side, most, work):  # type: ignore[no-untyped-def]
    """Write each pixel's distance to the nearest reached one in its column, `most` + 1 for any that is farther."""
    reach, far = work.reach, uint16(most + 1)
    for line in range(side):
        begin, above = (line + 1) * (side + 2) + 1, max(line - 1, 0) * side
        mark_W = work.mark[begin : begin + side]
        own_W, other_W = reach[line * side : (line + 1) * side], reach[above : above + side]
        for x in range(uint64(len(own_W))):
            before = far if line == 0 else other_W[x]
            own_W[x] = past(mark_W[x] == uint8(REACHED), before, far)
    for line in range(side - 2, -1, -1):
        own_W, other_W = reach[line * side : (line + 1) * side], reach[(line + 1) * side : (line + 2) * side]
        for x in range(uint64(len(own_W))):
            own_W[x] = min(own_W[x], uint16(other_W[x] + uint16(1)))


@inner
def _find_near(reach_W, depth, near_W):  # type: ignore[no-untyped-def]
    """Say which pixels of a line have a reached one within a circle of radius `depth` around them."""
    near_W[:] = uint8(0)
    side, high = len(near_W), depth
    for wide in range(min(depth + 1, side)):
        high = half_chord(depth, wide, high)
        rest = uint64(side - wide)
        left_W, right_W = reach_W[: side - wide], reach_W[wide:]
        near_left_W, near_right_W = near_W[: side - wide], near_W[wide:]
        for x in range(rest):
            near_left_W[x] |= uint8(right_W[x] <= uint16(high))
        for x in range(rest):
            near_right_W[x] |= uint8(left_W[x] <= uint16(high))


@inner
def keep_part(ink_P, side, depth, outermost, ink, work):  # type: ignore[no-untyped-def]
    """Put `ink` on a part of the silhouette that `flood` has found, and background elsewhere.

    Args:
        ink_P: uint32 [side^2], flat.
        side: of the canvas.
        depth: pixels.
        outermost: take what lies within `depth` of the outside, between the middles of pixels; else what lies deeper.
        ink: uint32.
        work: a `Flood`.
    """
    _measure_columns(side, depth, work)
    for line in range(side):
        begin = (line + 1) * (side + 2) + 1
        mark_W, ink_W = work.mark[begin : begin + side], ink_P[line * side : (line + 1) * side]
        _find_near(work.reach[line * side : (line + 1) * side], depth, work.near_W)
        for x in range(uint64(len(ink_W))):
            inside = (mark_W[x] != uint8(REACHED)) & ((work.near_W[x] != uint8(0)) == outermost)
            ink_W[x] = ink if inside else uint32(0)
