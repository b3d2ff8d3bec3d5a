"""What affine maps of the plane and of space share: orbits in lockstep, and the choice of a map.

An iterated function system draws its attractor by the chaos game. One orbit is a chain of dependent steps; here many
orbits start at the origin side by side and each takes a share of the points, so that a step is the same work on every
orbit. Point number p belongs to orbit p mod ORBITS. The first BURN_IN steps of every orbit are not drawn. Both numbers
are part of every dataset's definition.
"""

from __future__ import annotations

import numpy as np
from numba import njit, uint32
from numpy.typing import NDArray

from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

MAX_MAPS = 8
BURN_IN = 64
DIVERGED = np.float32(2.0**60)
"""An orbit that reaches this magnitude is cut there, as the published search cuts at non-finite values."""

MAP_CHOICE = int(Purpose.MAP_CHOICE)
NEVER = 1 << 16


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


@njit(inline="always")
def column(table, part):  # type: ignore[no-untyped-def]
    """Return one coefficient of all maps, [MAX_MAPS, parts] -> a tuple: scalars stay in registers."""
    return (
        table[0, part], table[1, part], table[2, part], table[3, part],
        table[4, part], table[5, part], table[6, part], table[7, part],
    )  # fmt: skip


@njit(inline="always")
def row(values):  # type: ignore[no-untyped-def]
    """Return the MAX_MAPS values of a vector as a tuple."""
    return (values[0], values[1], values[2], values[3], values[4], values[5], values[6], values[7])


@njit(inline="always")
def pick(choice, begins, values):  # type: ignore[no-untyped-def]
    """Return the value of the map that `choice` falls to.

    A chain of selects: it vectorises over orbits, where indexing a table would be a gather, five times slower.
    """
    value = values[0]
    value = values[1] if choice >= begins[1] else value
    value = values[2] if choice >= begins[2] else value
    value = values[3] if choice >= begins[3] else value
    value = values[4] if choice >= begins[4] else value
    value = values[5] if choice >= begins[5] else value
    value = values[6] if choice >= begins[6] else value
    value = values[7] if choice >= begins[7] else value
    return value


@njit
def draw_halves(address, purpose, group, words_4R):  # type: ignore[no-untyped-def]
    """Draw what all orbits need for the 8 steps of `group`: 16 bits a step, two steps a word. uint32 [4, R]."""
    orbits = words_4R.shape[1]
    first = uint32(group * orbits)
    for orbit in range(orbits):
        a, b, c, d = philox_block(
            address[2], address[3], uint32(purpose), uint32(first + uint32(orbit)), address[0], address[1]
        )
        words_4R[0, orbit] = a
        words_4R[1, orbit] = b
        words_4R[2, orbit] = c
        words_4R[3, orbit] = d


@njit(inline="always")
def half(word, step):  # type: ignore[no-untyped-def]
    """Return the 16 bits of `word` that serve `step`."""
    return (word >> uint32(16 * (step & 1))) & uint32(0xFFFF)
