"""A shuffle by arithmetic: a keyed permutation of 0..n-1 that any position can be looked up in."""

from __future__ import annotations

import numpy as np
from numba import uint32
from numpy.typing import ArrayLike, NDArray

from fdsl.compiled import kernel
from fdsl.random import Purpose, check_seed, stream_word
from fdsl.random.scalar import philox_block

ROUNDS = 6
STREAM = "order"
PURPOSE = int(Purpose.EPOCH_ORDER)


def permuted(positions: ArrayLike, count: int, seed: int, epochs: ArrayLike) -> NDArray[np.int64]:
    """Return where `positions` go under the permutations of 0..count-1 that (seed, epochs) name, int64 [N].

    A Feistel network over the next even power of two, walked along its cycles until it lands inside: every index is
    visited exactly once an epoch, and nothing of size `count` is ever held.

    Args:
        positions: int [N], in 0..count-1.
        count: 1..2^62.
        seed: 0..2^32-1.
        epochs: 0..2^32-1, int [N] or one for all.
    """
    position, epoch = np.broadcast_arrays(np.asarray(positions, np.int64), np.asarray(epochs, np.uint32))
    half = max(1, (int(count - 1).bit_length() + 1) // 2)
    value = position.copy()
    _walk(value, epoch.copy(), count, half, np.uint32(check_seed(seed)), np.uint32(stream_word(STREAM)))
    return value


@kernel
def _walk(
    value: NDArray[np.int64],
    epoch: NDArray[np.uint32],
    count: int,
    half: int,
    seed: np.uint32,
    stream: np.uint32,
) -> None:
    """Permute each value in place; array code takes a millisecond a batch for this, whatever its size."""
    mask = (1 << half) - 1
    for n in range(len(value)):
        while True:
            left, right = value[n] >> half, value[n] & mask
            for turn in range(ROUNDS):
                word = philox_block(uint32(right), epoch[n], uint32(PURPOSE), uint32(turn), seed, stream)[0]
                left, right = right, left ^ (np.int64(word) & mask)
            value[n] = (left << half) | right
            if value[n] < count:
                break
