"""Affine maps of the plane: x' = a x + b y + e, y' = c x + d y + f, drawn by the chaos game."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.geometry.lockstep import LANES, advance_lanes
from fdsl.geometry.maps import (
    BURN_IN,
    DIVERGED,
    GROUP,
    MAP_CHOICE,
    MAX_MAPS,
    Halves,
    choose,
    draw_halves,
    extent,
    new_halves,
    steps_for,
    widen,
)
from fdsl.geometry.table import MAX_POINTS, check_array, check_grays

ORBITS = 128
INKS = ("point", "paste", "or")


@dataclass(frozen=True)
class AffineMaps2D:
    """A parameter table, one row an image.

    Attributes:
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance.
        maps: float32 [N, MAX_MAPS, 6], coefficients a b c d e f.
        begins: int32 [N, MAX_MAPS], from `maps.thresholds`.
        flips: uint8 [N], bit 0 mirrors left-right, bit 1 top-bottom.
        points: points an image.
        ink: "point" (the pixel), "paste" (an opaque random 3x3 patch) or "or" (a patch whose zeros leave pixels alone).
        value: gray of the ink.
        colour: the hue changes from point to point of an orbit, 128 in turn, instead of gray.
        canvas: side of the native canvas, pixels.
        padding: of the fitted attractor, canvas pixels.
        patterns: uint32 [N, 4], the address that patches are drawn under instead: other patches on the same points.
    """

    address: NDArray[np.uint32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    flips: NDArray[np.uint8]
    points: int = 100_000
    ink: str = "paste"
    value: int = 127
    colour: bool = False
    canvas: int = 512
    padding: float = 6
    patterns: NDArray[np.uint32] | None = None

    background = 0

    @property
    def channels(self) -> int:
        return 3 if self.colour else 1

    def __post_init__(self) -> None:
        check_array("maps", self.maps, np.float32, ("N", MAX_MAPS, 6))
        count = len(self.maps)
        check_array("address", self.address, np.uint32, (count, 4))
        check_array("begins", self.begins, np.int32, (count, MAX_MAPS))
        check_array("flips", self.flips, np.uint8, (count,))
        check_int("points", self.points, 1, MAX_POINTS)
        check_choice("ink", self.ink, INKS)
        if self.colour and self.ink == "or":
            raise InputError(
                "ink must be 'point' or 'paste' in colour, got 'or': merged patches have no last point"
            )
        check_grays(self.canvas, value=self.value)
        check_float("padding", self.padding, 0, self.canvas / 2 - 1)
        if self.patterns is not None:
            check_array("patterns", self.patterns, np.uint32, (count, 4))

    def __len__(self) -> int:
        return len(self.maps)

    def mask(self) -> AffineMaps2D:
        """Return the table that draws 1 where this one leaves ink, and 0 elsewhere."""
        return replace(self, value=1, colour=False)


class Orbits(NamedTuple):
    """Arrays that the orbits of one image after the other are traced with."""

    x_SR: NDArray[np.float32]
    """Row s + 1 is where step s leads; row 0 is the origin."""
    y_SR: NDArray[np.float32]
    x_P: NDArray[np.float32]
    """The same memory, flat."""
    y_P: NDArray[np.float32]
    lows_2R: NDArray[np.float32]
    """Least x and y of the drawn points, an orbit."""
    highs_2R: NDArray[np.float32]
    random: Halves
    choice: Halves
    tables: NDArray[np.float32]
    """Coefficients a b e and c d f of the maps, [2, 3, MAX_MAPS]."""


def new_orbits(points: int) -> Orbits:
    """Return scratch for images of so many points."""
    shape = (1 + steps_for(points, ORBITS), ORBITS)
    x_SR, y_SR = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    return Orbits(
        x_SR, y_SR, x_SR.reshape(-1), y_SR.reshape(-1),
        np.empty((2, ORBITS), np.float32), np.empty((2, ORBITS), np.float32),
        new_halves(ORBITS), new_halves(ORBITS),
        np.empty((2, 3, MAX_MAPS), np.float32),
    )  # fmt: skip


@inlined
def _advance(tables, choice_R, shift, x_R, y_R, new_x_R, new_y_R):  # type: ignore[no-untyped-def]
    for first in range(uint64(0), uint64(ORBITS), uint64(LANES)):
        advance_lanes(tables, choice_R, shift, (x_R, y_R), (new_x_R, new_y_R), first)


@kernel
def trace(address, maps, begins, orbits):  # type: ignore[no-untyped-def]
    """Run all orbits of one image, and keep how far the drawn points of each reach."""
    x_SR, y_SR, tables = orbits.x_SR, orbits.y_SR, orbits.tables
    for m in range(MAX_MAPS):
        tables[0, 0, m], tables[0, 1, m], tables[0, 2, m] = maps[m, 0], maps[m, 1], maps[m, 4]
        tables[1, 0, m], tables[1, 1, m], tables[1, 2, m] = maps[m, 2], maps[m, 3], maps[m, 5]
    _reset(orbits)
    steps = len(x_SR) - 1
    for begin in range(0, steps, GROUP):
        draw_halves(address, MAP_CHOICE, begin // GROUP, orbits.random.words_4R)
        choose(orbits.random.halves, begins, orbits.choice.halves)
        end = min(begin + GROUP, steps)
        for step in range(begin, end):
            choice_R, shift = orbits.choice.words_4R[(step % GROUP) >> 1], uint32(16 * (step % 2))
            _advance(tables, choice_R, shift, x_SR[step], y_SR[step], x_SR[step + 1], y_SR[step + 1])
        if begin >= BURN_IN:  # now, while they are in the nearest cache
            _widen_both(orbits, begin + 1, end + 1)


@inner
def _reset(orbits):  # type: ignore[no-untyped-def]
    orbits.lows_2R[:] = float32(np.inf)
    orbits.highs_2R[:] = float32(-np.inf)


@inner
def _widen_both(orbits, first, past):  # type: ignore[no-untyped-def]
    """Take in rows first..past-1."""
    widen(orbits.x_P[first * ORBITS : past * ORBITS], orbits.lows_2R[0], orbits.highs_2R[0])
    widen(orbits.y_P[first * ORBITS : past * ORBITS], orbits.lows_2R[1], orbits.highs_2R[1])


@inner
def _extents(orbits):  # type: ignore[no-untyped-def]
    low_x, high_x = extent(orbits.lows_2R[0], orbits.highs_2R[0])
    low_y, high_y = extent(orbits.lows_2R[1], orbits.highs_2R[1])
    return low_x, high_x, low_y, high_y


@inner
def _first_diverged(x_SR, y_SR, first):  # type: ignore[no-untyped-def]
    for s in range(first, len(x_SR)):
        for orbit in range(ORBITS):
            if not (abs(x_SR[s, orbit]) < DIVERGED and abs(y_SR[s, orbit]) < DIVERGED):
                return s
    return len(x_SR)


@inlined
def is_far(low_x, high_x, low_y, high_y):  # type: ignore[no-untyped-def]
    """Return whether points that reach so far come from an orbit that diverges."""
    return not (low_x > -DIVERGED and high_x < DIVERGED and low_y > -DIVERGED and high_y < DIVERGED)


@kernel
def bounds(orbits):  # type: ignore[no-untyped-def]
    """Return (rows end, least x, greatest x, least y, greatest y) of the drawn points.

    Drawn are rows BURN_IN + 1 .. end - 1; end falls short of the rows where an orbit diverges.
    """
    first, last = BURN_IN + 1, len(orbits.x_SR)
    low_x, high_x, low_y, high_y = _extents(orbits)
    if is_far(low_x, high_x, low_y, high_y):
        last = max(first, _first_diverged(orbits.x_SR, orbits.y_SR, 0))
        _reset(orbits)
        _widen_both(orbits, first, last)
        low_x, high_x, low_y, high_y = _extents(orbits)
    return last, low_x, high_x, low_y, high_y


@inlined
def fit(low, high, canvas, padding):  # type: ignore[no-untyped-def]
    """Return (scale, offset), float64, that take [low, high] to the canvas less its padding."""
    reach = np.float64(high) - np.float64(low)
    scale = (canvas - 2.0 * padding) / reach if reach > 0.0 else 0.0
    return scale, padding - scale * np.float64(low)


@kernel
def fill(orbits, points, canvas, padding, hits):  # type: ignore[no-untyped-def]
    """Return the share of the canvas's pixels that the points hit. `hits` is uint8 [canvas * canvas], scratch."""
    last, low_x, high_x, low_y, high_y = bounds(orbits)
    scale_x, offset_x = fit(low_x, high_x, canvas, padding)
    scale_y, offset_y = fit(low_y, high_y, canvas, padding)
    sx, ox, sy, oy = float32(scale_x), float32(offset_x), float32(scale_y), float32(offset_y)
    hits[:] = 0
    left = min(points, (last - BURN_IN - 1) * ORBITS)
    for s in range(BURN_IN + 1, last):
        for orbit in range(min(left, ORBITS)):
            x, y = sx * orbits.x_SR[s, orbit] + ox, sy * orbits.y_SR[s, orbit] + oy
            if (x >= 0.0) & (x < canvas) & (y >= 0.0) & (y < canvas):  # false for what is no number, too
                hits[int32(y) * canvas + int32(x)] = 1
        left -= ORBITS
    count = 0
    for place in range(len(hits)):
        count += hits[place]
    return count / len(hits)
