"""A shuffle by arithmetic: a keyed permutation of 0..n-1 that any position can be looked up in."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.random import Purpose, blocks

ROUNDS = 6
STREAM = "order"


def permuted(positions: ArrayLike, count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Return where `positions` go under the permutation of 0..count-1 that (seed, epoch) names, int64 [N].

    A Feistel network over the next even power of two, walked along its cycles until it lands inside: every index is
    visited exactly once an epoch, and nothing of size `count` is ever held.
    """
    half = max(1, (int(count - 1).bit_length() + 1) // 2)
    mask = np.int64((1 << half) - 1)
    value = np.array(positions, np.int64)
    pending = np.arange(len(value))
    while len(pending):
        left, right = value[pending] >> half, value[pending] & mask
        for turn in range(ROUNDS):
            word = blocks(seed, STREAM, right, epoch, Purpose.EPOCH_ORDER, turn)[..., 0]
            left, right = right, left ^ (word.astype(np.int64) & mask)
        value[pending] = (left << half) | right
        pending = pending[value[pending] >= count]
    return value
