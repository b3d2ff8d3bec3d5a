"""Philox against its published vectors, and draws by address."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fdsl.errors import InputError
from fdsl.random import Purpose, blocks, integer, philox4x32, uniform, words
from fdsl.random.scalar import philox_block

KNOWN_ANSWERS = [  # Random123's kat_vectors: counter, key, block
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    (
        (0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF),
        (0xFFFFFFFF, 0xFFFFFFFF),
        (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD),
    ),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]
word32 = st.integers(0, 2**32 - 1)


@pytest.mark.parametrize(("counter", "key", "block"), KNOWN_ANSWERS)
def test_known_answers(counter, key, block):
    assert tuple(philox4x32(counter, key).tolist()) == block
    assert philox_block(*map(np.uint32, counter), *map(np.uint32, key)) == block


@given(st.tuples(word32, word32, word32, word32), st.tuples(word32, word32))
def test_scalar_equals_array(counter, key):
    assert tuple(philox4x32(counter, key).tolist()) == philox_block(
        *map(np.uint32, counter), *map(np.uint32, key)
    )


@given(word32, st.integers(0, 1000), st.integers(0, 1000), st.integers(1, 12))
def test_a_draw_can_be_made_alone(seed, category, instance, count):
    together = words(seed, "RCDB/1", np.arange(1001), np.array(instance), Purpose.INSTANCE, count)
    alone = words(seed, "RCDB/1", np.array([category]), np.array(instance), Purpose.INSTANCE, count)
    assert (together[category] == alone[0]).all()


def test_every_part_of_an_address_counts():
    base = (1, "a", 2, 3, Purpose.CATEGORY, 4)
    others = [
        (2, "a", 2, 3, Purpose.CATEGORY, 4),
        (1, "b", 2, 3, Purpose.CATEGORY, 4),
        (1, "a", 3, 2, Purpose.CATEGORY, 4),
        (1, "a", 2, 4, Purpose.CATEGORY, 3),
        (1, "a", 2, 3, Purpose.INSTANCE, 4),
    ]
    drawn = {blocks(*address).tobytes() for address in [base, *others]}
    assert len(drawn) == 1 + len(others)


def test_draws_are_uniform():
    word = words(5, "test", np.arange(20_000), np.array(0), Purpose.CATEGORY, 1)[:, 0]
    assert stats.kstest(uniform(word, -1, 1), stats.uniform(-1, 2).cdf).pvalue > 1e-3
    counts = np.bincount(integer(word, 3, 9) - 3, minlength=7)
    assert len(counts) == 7
    assert stats.chisquare(counts).pvalue > 1e-3


def test_uniform_and_integer_stay_inside_at_the_ends():
    ends = np.array([0, 2**32 - 1], np.uint32)
    assert (uniform(ends) > 0).all()
    assert (uniform(ends) < 1).all()
    assert integer(ends, -400, 400).tolist() == [-400, 400]


@pytest.mark.parametrize("seed", [-1, 2**32, 1.5, "0", None, True])
def test_a_seed_out_of_range_is_refused(seed):
    with pytest.raises(InputError, match="seed must be"):
        blocks(seed, "test", 0, 0, Purpose.CATEGORY, 0)
