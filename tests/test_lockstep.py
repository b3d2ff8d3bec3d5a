"""The steps of many orbits side by side, against the same arithmetic one orbit at a time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from fdsl.geometry.lockstep import LANES, advance_lanes
from fdsl.geometry.maps import GROUP, MAX_MAPS, NEVER, choose, widen

ORBITS = 32


@njit
def advance_plane(tables, choice_R, shift, x_R, y_R, new_x_R, new_y_R):
    for first in range(np.uint64(0), np.uint64(len(x_R)), np.uint64(LANES)):
        advance_lanes(tables, choice_R, shift, (x_R, y_R), (new_x_R, new_y_R), first)


@njit
def advance_space(tables, choice_R, shift, x_R, y_R, z_R, new_x_R, new_y_R, new_z_R):
    for first in range(np.uint64(0), np.uint64(len(x_R)), np.uint64(LANES)):
        advance_lanes(tables, choice_R, shift, (x_R, y_R, z_R), (new_x_R, new_y_R, new_z_R), first)


@pytest.mark.parametrize(("dimensions", "advance"), [(2, advance_plane), (3, advance_space)])
@pytest.mark.parametrize("shift", [0, 16])
def test_a_step_is_the_chosen_map_in_float32_bit_for_bit(dimensions, advance, shift):
    rng = np.random.default_rng(shift)
    tables = rng.uniform(-1, 1, (dimensions, dimensions + 1, MAX_MAPS)).astype(np.float32)
    chosen = rng.integers(0, MAX_MAPS, ORBITS)
    # whatever else stands in the word does not count
    choice_R = (rng.integers(0, 2**32, ORBITS) & ~(0xFFFF << shift) | chosen << shift).astype(np.uint32)
    before = rng.normal(size=(dimensions, ORBITS)).astype(np.float32)
    after = np.empty_like(before)
    advance(tables, choice_R, np.uint32(shift), *before, *after)
    for axis in range(dimensions):
        expected = tables[axis, 0, chosen] * before[0]
        for part in range(1, dimensions):
            expected = expected + tables[axis, part, chosen] * before[part]
        assert (after[axis] == expected + tables[axis, dimensions, chosen]).all()


@given(
    st.lists(st.sampled_from([0, 1, 2, 300, 65534, 65535, NEVER]), min_size=7, max_size=7).map(sorted),
    st.lists(st.sampled_from([0, 1, 2, 3, 299, 300, 301, 65533, 65534, 65535]), min_size=1, max_size=40),
)
def test_a_choice_is_the_last_map_that_has_begun(begins, values):
    thresholds = np.array([0, *begins], np.int32)
    choices = np.empty(len(values), np.uint16)
    choose(np.array(values, np.uint16), thresholds, choices)
    assert choices.tolist() == [int(np.flatnonzero(value >= thresholds)[-1]) for value in values]


@pytest.mark.parametrize("rows", [1, 5, GROUP])
def test_extents_take_rows_in_and_leave_what_is_no_number(rows):
    values_SR = np.random.default_rng(rows).normal(size=(rows + 2, ORBITS)).astype(np.float32)
    values_SR[1, 3], values_SR[:, 4], values_SR[1, 5] = np.nan, np.nan, np.inf
    low_R, high_R = np.full(ORBITS, np.inf, np.float32), np.full(ORBITS, -np.inf, np.float32)
    widen(values_SR[1 : rows + 1].ravel(), low_R, high_R)
    assert (low_R == np.fmin.reduce(values_SR[1 : rows + 1], axis=0, initial=np.inf)).all()
    assert (high_R == np.fmax.reduce(values_SR[1 : rows + 1], axis=0, initial=-np.inf)).all()
