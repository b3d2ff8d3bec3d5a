"""What affine maps of the plane and of space share: orbits in lockstep, and the choice of a map.

An iterated function system draws its attractor by the chaos game. One orbit is a chain of dependent steps; here many
orbits start at the origin side by side and each takes a share of the points, so that a step is the same work on every
orbit. Point number p belongs to orbit p mod ORBITS. The first BURN_IN steps of every orbit are not drawn. Both numbers
are part of every dataset's definition.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import uint16, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner
from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

MAX_MAPS = 8
FEW_MAPS = 4
"""As many are chosen among in a third of the time."""
BURN_IN = 64
GROUP = 8
"""Steps that one block of words serves: four words of two halves."""
DIVERGED = np.float32(2.0**60)
"""An orbit that reaches this magnitude is cut there, as the published search cuts at non-finite values."""

MAP_CHOICE = int(Purpose.MAP_CHOICE)
NEVER = 1 << 16


class Halves(NamedTuple):
    """16 random bits an orbit and step, for GROUP steps."""

    words_4R: NDArray[np.uint32]
    """Word w serves steps 2 w (low half) and 2 w + 1 (high half) of the group."""
    halves: NDArray[np.uint16]
    """The same memory, flat, [8 R]: half 2 r + h of word w is that of orbit r."""


def new_halves(orbits: int) -> Halves:
    """Return scratch for `orbits` orbits."""
    words_4R = np.empty((4, orbits), np.uint32)
    return Halves(words_4R, words_4R.reshape(-1).view(np.uint16))


def thresholds(probability: NDArray[np.float64], count: NDArray[np.int64]) -> NDArray[np.int32]:
    """Return where each map begins among the 2^16 values of a choice, int32 [N, MAX_MAPS].

    Args:
        probability: float64 [N, MAX_MAPS], any positive scale, 0 beyond `count`.
        count: int64 [N], number of maps. Beyond it the threshold is never reached.
    """
    upto = np.cumsum(probability, axis=1)
    begins = np.concatenate([np.zeros((len(upto), 1)), upto[:, :-1]], axis=1) / upto[:, -1:]
    own = np.arange(MAX_MAPS) < count[:, None]
    return np.where(own, np.rint(begins * NEVER), NEVER).astype(np.int32)


def steps_for(points: int, orbits: int) -> int:
    """Return how many steps each of `orbits` orbits takes for `points` points, the burn-in included."""
    return BURN_IN + -(-points // orbits)


@inlined
def orbit_words(seed, stream, category, instance, purpose, group, orbits, orbit):  # type: ignore[no-untyped-def]
    """Return the block of words, four uint32, that one of `orbits` orbits needs for the 8 steps of `group`."""
    counter = uint32(uint32(group * orbits) + uint32(orbit))
    return philox_block(category, instance, uint32(purpose), counter, seed, stream)


@inner
def draw_halves(address, purpose, group, words_4R):  # type: ignore[no-untyped-def]
    """Draw what all orbits need for the 8 steps of `group`: 16 bits a step, two steps a word. uint32 [4, R]."""
    a_R, b_R, c_R, d_R = words_4R[0], words_4R[1], words_4R[2], words_4R[3]
    # read once: what is written could be the address for all LLVM knows, and a round and a half is the same for all
    seed, stream, category, instance = address[0], address[1], address[2], address[3]
    orbits = uint64(words_4R.shape[1])
    for orbit in range(orbits):
        a_R[orbit], b_R[orbit], c_R[orbit], d_R[orbit] = orbit_words(
            seed, stream, category, instance, purpose, group, orbits, orbit
        )


@inner
def choose(halves, begins, choices):  # type: ignore[no-untyped-def]
    """Write the map that each half falls to, uint16 as `halves`; begins is int32 [MAX_MAPS], ascending.

    Where a map begins fits 16 bits but for NEVER, hence `last`: the half before it. A map that begins at 0 has no half
    before it, and is what a half falls to if it falls to no later one.
    """
    none = uint16(0)
    for later in range(1, MAX_MAPS):
        none = uint16(later) if begins[later] == 0 else none
    if begins[FEW_MAPS] == NEVER:
        _choose_of_few(halves, begins, none, choices)
    else:
        _choose_of_all(halves, begins, none, choices)


@inner
def _choose_of_few(halves, begins, none, choices):  # type: ignore[no-untyped-def]
    last_1, last_2, last_3 = uint16(begins[1] - 1), uint16(begins[2] - 1), uint16(begins[3] - 1)
    for i in range(uint64(len(halves))):
        value = halves[i]
        choice = none
        choice = uint16(1) if value > last_1 else choice
        choice = uint16(2) if value > last_2 else choice
        choices[i] = uint16(3) if value > last_3 else choice


@inner
def _choose_of_all(halves, begins, none, choices):  # type: ignore[no-untyped-def]
    last_1, last_2, last_3 = uint16(begins[1] - 1), uint16(begins[2] - 1), uint16(begins[3] - 1)
    last_4, last_5, last_6 = uint16(begins[4] - 1), uint16(begins[5] - 1), uint16(begins[6] - 1)
    last_7 = uint16(begins[7] - 1)
    for i in range(uint64(len(halves))):
        value = halves[i]
        choice = none
        choice = uint16(1) if value > last_1 else choice
        choice = uint16(2) if value > last_2 else choice
        choice = uint16(3) if value > last_3 else choice
        choice = uint16(4) if value > last_4 else choice
        choice = uint16(5) if value > last_5 else choice
        choice = uint16(6) if value > last_6 else choice
        choices[i] = uint16(7) if value > last_7 else choice


@inner
def widen(values_P, low_R, high_R):  # type: ignore[no-untyped-def]
    """Let each orbit's least and greatest value take in whole rows of values. What is no number changes nothing."""
    orbits = len(low_R)
    if len(values_P) == GROUP * orbits:
        _widen(
            values_P, GROUP, low_R, high_R
        )  # a number known in advance stays in registers: four times faster
    else:
        for begin in range(0, len(values_P), orbits):
            _widen(values_P[begin:], 1, low_R, high_R)


@inlined
def _widen(values_P, rows, low_R, high_R):  # type: ignore[no-untyped-def]
    orbits = uint64(len(low_R))
    for orbit in range(orbits):
        low, high = low_R[orbit], high_R[orbit]
        for k in range(rows):
            value = values_P[uint64(k) * orbits + orbit]
            low = value if value < low else low
            high = value if value > high else high
        low_R[orbit], high_R[orbit] = low, high


@inner
def extent(low_R, high_R):  # type: ignore[no-untyped-def]
    """Return the least and the greatest value of all orbits."""
    low, high = low_R[0], high_R[0]
    for orbit in range(1, len(low_R)):
        low = min(low, low_R[orbit])
        high = max(high, high_R[orbit])
    return low, high
