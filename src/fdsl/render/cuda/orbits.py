"""Orbits of affine maps on a GPU: a thread runs one orbit after the other, each through all its steps.

An orbit's place stays in registers from step to step. What is known of the maps lies in the block's shared memory,
coefficient by coefficient: threads that take different maps then read different banks. Points are not kept; whoever
needs them again runs the orbits again, which costs less than memory does.

A kernel that draws objects of the plane has a `System` of shared arrays, each declared on a line of its own, and goes,
for each object:

    load_system(address, stream, maps, begins, system)
    find_bounds(system, points, bounds_5)
    for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
        at_2[0], at_2[1] = float32(0.0), float32(0.0)
        for group in range(groups_for(drawn_points(bounds_5, points))):
            advance_plane(system, orbit, group, at_2, x_G, y_G)
            ...  # from FIRST_GROUP on these are points, number_of(orbit, group, k), drawn below drawn_points(...)
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import cuda, float32, int32, uint32

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.affine2d import ORBITS, is_far
from fdsl.geometry.maps import (
    BURN_IN,
    DIVERGED,
    FEW_MAPS,
    GROUP,
    MAP_CHOICE,
    MAX_MAPS,
    NEVER,
    extent,
    orbit_words,
)
from fdsl.render.cuda.compiled import inner
from fdsl.render.cuda.device import DeviceArray

FIRST_GROUP = BURN_IN // GROUP
"""Of steps that are drawn."""
BITS = 4
"""Of a packed choice."""


class System(NamedTuple):
    """Maps, and the address that they are chosen under, in a block's shared memory."""

    words: DeviceArray
    """uint32 [4]: seed, stream, category, instance."""
    begins: DeviceArray
    """int32 [MAX_MAPS]."""
    tables: DeviceArray
    """float32 [6 or 12, MAX_MAPS], the coefficients of all maps, in the tables' order."""


@compiled.inner
def _copy_map(maps, begins, m, system):  # type: ignore[no-untyped-def]
    system.begins[m] = begins[m]
    for part in range(len(system.tables)):
        system.tables[part, m] = maps[m, part]


@inner
def load_system(address, stream, maps, begins, system):  # type: ignore[no-untyped-def]
    """Copy maps to the block's memory, with all its threads, which wait before and after.

    Args:
        address: uint32 [4].
        stream: uint32, the word that stands in for the second one.
        maps: float32 [MAX_MAPS, 6 or 12].
        begins: int32 [MAX_MAPS].
        system: written.
    """
    cuda.syncthreads()
    for m in range(cuda.threadIdx.x, MAX_MAPS, cuda.blockDim.x):
        _copy_map(maps, begins, m, system)
    if cuda.threadIdx.x == 0:
        for part in range(4):
            system.words[part] = address[part]
        system.words[1] = stream
    cuda.syncthreads()


@inlined
def words_of(address, purpose, group, orbits, orbit):  # type: ignore[no-untyped-def]
    """Return the words of an orbit's 8 steps under the address, uint32 [4]; word w serves steps 2 w and 2 w + 1."""
    return orbit_words(address[0], address[1], address[2], address[3], purpose, group, orbits, orbit)


@inlined
def _map_of_few(half, begin_1, begin_2, begin_3):  # type: ignore[no-untyped-def]
    choice = uint32(1) if half >= begin_1 else uint32(0)
    choice = uint32(2) if half >= begin_2 else choice
    return uint32(3) if half >= begin_3 else choice


@inlined
def _map_of_all(half, begins):  # type: ignore[no-untyped-def]
    choice = _map_of_few(half, begins[1], begins[2], begins[3])
    choice = uint32(4) if half >= begins[4] else choice
    choice = uint32(5) if half >= begins[5] else choice
    choice = uint32(6) if half >= begins[6] else choice
    return uint32(7) if half >= begins[7] else choice


@inlined
def _packed(choices, choice):  # type: ignore[no-untyped-def]
    return uint32(uint32(choices << uint32(BITS)) | choice)


@inlined
def choices_of(system, orbits, orbit, group):  # type: ignore[no-untyped-def]
    """Return which maps one of `orbits` orbits takes in the steps of a group, uint32: BITS each, the first lowest.

    `maps.choose` says the same of all orbits at once.
    """
    a, b, c, d = words_of(system.words, MAP_CHOICE, group, orbits, orbit)
    begins, choices, half = system.begins, uint32(0), uint32(0xFFFF)
    if begins[FEW_MAPS] == NEVER:
        begin_1, begin_2, begin_3 = begins[1], begins[2], begins[3]
        for _ in range(GROUP // 2):
            choices = _packed(choices, _map_of_few(int32(d >> uint32(16)), begin_1, begin_2, begin_3))
            choices = _packed(choices, _map_of_few(int32(d & half), begin_1, begin_2, begin_3))
            b, c, d = a, b, c
    else:
        for _ in range(GROUP // 2):
            choices = _packed(choices, _map_of_all(int32(d >> uint32(16)), begins))
            choices = _packed(choices, _map_of_all(int32(d & half), begins))
            b, c, d = a, b, c
    return choices


@inlined
def _step(tables, choices, x, y):  # type: ignore[no-untyped-def]
    """Return where the map of the lowest choice takes a point of the plane; terms are added as in `lockstep`."""
    m = uint32(choices & uint32(MAX_MAPS - 1))
    return (
        tables[0, m] * x + tables[1, m] * y + tables[4, m],
        tables[2, m] * x + tables[3, m] * y + tables[5, m],
    )


@inlined
def advance_plane(system, orbit, group, at_2, x_G, y_G):  # type: ignore[no-untyped-def]
    """Take an orbit of the plane through the steps of a group, which come in order from 0 on.

    Args:
        system: the maps.
        orbit: 0..ORBITS - 1.
        group: of GROUP steps; those from FIRST_GROUP on are drawn.
        at_2: float32 [2], where it is; written. Orbits begin at the origin.
        x_G: float32 [GROUP], where each step leads; written.
        y_G: likewise.
    """
    choices = choices_of(system, ORBITS, orbit, group)
    x, y = at_2[0], at_2[1]
    for k in range(GROUP):
        x, y = _step(system.tables, choices, x, y)
        choices = uint32(choices >> uint32(BITS))
        x_G[k], y_G[k] = x, y
    at_2[0], at_2[1] = x, y


@compiled.inner
def _reach(system, orbit, last, extents_4R):  # type: ignore[no-untyped-def]
    """Write an orbit's least x, greatest x, least y and greatest y in rows BURN_IN + 1 .. last - 1."""
    x, y = float32(0.0), float32(0.0)
    low_x, high_x, low_y, high_y = float32(np.inf), float32(-np.inf), float32(np.inf), float32(-np.inf)
    steps = int32(last - 1)
    for group in range((steps + GROUP - 1) // GROUP):
        choices = choices_of(system, ORBITS, orbit, group)
        drawn = int32(steps - group * GROUP) if group >= FIRST_GROUP else int32(0)
        for k in range(GROUP):
            x, y = _step(system.tables, choices, x, y)
            choices = uint32(choices >> uint32(BITS))
            taken = k < drawn
            low_x = x if (x < low_x) & taken else low_x
            high_x = x if (x > high_x) & taken else high_x
            low_y = y if (y < low_y) & taken else low_y
            high_y = y if (y > high_y) & taken else high_y
    extents_4R[0, orbit], extents_4R[1, orbit] = low_x, high_x
    extents_4R[2, orbit], extents_4R[3, orbit] = low_y, high_y


@compiled.inner
def _diverging_row(system, orbit, rows):  # type: ignore[no-untyped-def]
    """Return the first row in which an orbit is as far as DIVERGED, or no number; `rows` if there is none."""
    x, y, far = float32(0.0), float32(0.0), float32(DIVERGED)
    for group in range((rows - 1 + GROUP - 1) // GROUP):
        choices = choices_of(system, ORBITS, orbit, group)
        for k in range(GROUP):
            x, y = _step(system.tables, choices, x, y)
            choices = uint32(choices >> uint32(BITS))
            if not (abs(x) < far and abs(y) < far):
                return min(group * GROUP + k + 1, rows)
    return rows


@compiled.inner
def _gather(extents_4R, last, bounds_5):  # type: ignore[no-untyped-def]
    bounds_5[0] = float32(last)
    bounds_5[1], bounds_5[2] = extent(extents_4R[0], extents_4R[1])
    bounds_5[3], bounds_5[4] = extent(extents_4R[2], extents_4R[3])


@compiled.inner
def _is_far(bounds_5):  # type: ignore[no-untyped-def]
    return is_far(bounds_5[1], bounds_5[2], bounds_5[3], bounds_5[4])


@compiled.inner
def rows_for(points):  # type: ignore[no-untyped-def]
    """Return how many rows orbits of so many points have; row s + 1 is where step s leads."""
    return 1 + BURN_IN + (points + ORBITS - 1) // ORBITS


@compiled.inner
def drawn_points(bounds_5, points):  # type: ignore[no-untyped-def]
    """Return how many points are drawn: those before the first row in which an orbit diverges, `points` at most."""
    return min(points, (int32(bounds_5[0]) - BURN_IN - 1) * ORBITS)


@inlined
def number_of(orbit, group, k, orbits=ORBITS):  # type: ignore[no-untyped-def]
    """Return the number, int32, of the point that is step k of a drawn group of one of `orbits` orbits."""
    return int32(int32(int32(group - FIRST_GROUP) * int32(GROUP) + int32(k)) * int32(orbits) + int32(orbit))


@compiled.inner
def groups_for(points, orbits=ORBITS):  # type: ignore[no-untyped-def]
    """Return how many groups of steps lead `orbits` orbits to so many drawn points."""
    return FIRST_GROUP + (points + GROUP * orbits - 1) // (GROUP * orbits)


@inner
def find_bounds(system, points, bounds_5):  # type: ignore[no-untyped-def]
    """Find what `affine2d.bounds` returns, with all threads of the block, which wait for it.

    Args:
        system: the maps of the plane, from `load_system`.
        points: of the image or object.
        bounds_5: float32 [5] in the block's shared memory, written: end of the rows, least x, greatest x, least y,
            greatest y.
    """
    # each on a line of its own: that is how the simulator tells them apart
    extents_4R = cuda.shared.array((4, ORBITS), float32)
    first_1 = cuda.shared.array(1, int32)
    rows = rows_for(points)
    for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
        _reach(system, orbit, rows, extents_4R)
    cuda.syncthreads()
    if cuda.threadIdx.x == 0:
        _gather(extents_4R, rows, bounds_5)
        first_1[0] = rows
    cuda.syncthreads()
    if _is_far(bounds_5):
        for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
            cuda.atomic.min(first_1, 0, int32(_diverging_row(system, orbit, rows)))
        cuda.syncthreads()
        last = max(BURN_IN + 1, first_1[0])
        for orbit in range(cuda.threadIdx.x, ORBITS, cuda.blockDim.x):
            _reach(system, orbit, last, extents_4R)
        cuda.syncthreads()
        if cuda.threadIdx.x == 0:
            _gather(extents_4R, last, bounds_5)
        cuda.syncthreads()
