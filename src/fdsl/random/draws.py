"""Addressed draws: every random number of a dataset has an address and can be drawn alone.

The address is (seed, stream, category, instance, purpose, i). `stream` names what is drawn from: a family at its
version, or a process such as the order of an epoch. Seed and stream are the key, the others the counter, so that no
two parts of an identity are ever added together.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_int
from fdsl.random.philox import philox4x32
from fdsl.random.purpose import Purpose

NO_INSTANCE = 0xFFFFFFFF
"""The instance word of a draw that belongs to a whole category (2^32 - 1, a number no instance may have)."""


def stream_word(name: str) -> int:
    """Return the 32-bit key word of a stream's name (CRC-32 of its UTF-8 bytes)."""
    return zlib.crc32(name.encode())


def check_seed(seed: int) -> int:
    """Return `seed` if it fits its key word, 0..2^32-1; else raise InputError."""
    return check_int("seed", seed, 0, 0xFFFFFFFF)


def blocks(
    seed: int, stream: str, category: ArrayLike, instance: ArrayLike, purpose: Purpose, i: ArrayLike
) -> NDArray[np.uint32]:
    """Draw the blocks at the given addresses, broadcast together.

    Returns:
        uint32 [..., 4].
    """
    parts = np.broadcast_arrays(
        *(np.asarray(part, np.uint64) for part in (category, instance, int(purpose), i))
    )
    return philox4x32(np.stack(parts, axis=-1), (check_seed(seed), stream_word(stream)))


def words(
    seed: int, stream: str, category: ArrayLike, instance: ArrayLike, purpose: Purpose, count: int
) -> NDArray[np.uint32]:
    """Draw `count` words an address, from blocks i = 0, 1, ...

    Returns:
        uint32 [..., count].
    """
    rows = np.broadcast_arrays(np.asarray(category)[..., None], np.asarray(instance)[..., None])
    drawn = blocks(seed, stream, rows[0], rows[1], purpose, np.arange(-(-count // 4)))
    return drawn.reshape(*drawn.shape[:-2], 4 * drawn.shape[-2])[..., :count]


def uniform(word: ArrayLike, low: float = 0.0, high: float = 1.0) -> NDArray[np.float64]:
    """Map 32-bit words to U(low, high): the middles of 2^32 equal cells, float64."""
    return low + (high - low) * ((np.asarray(word, np.float64) + 0.5) * 2.0**-32)


def integer(word: ArrayLike, low: int, high: int) -> NDArray[np.int64]:
    """Map 32-bit words to I{low..high}, both ends in."""
    span = np.uint64(high - low + 1)
    return low + ((np.asarray(word, np.uint64) * span) >> np.uint64(32)).astype(np.int64)
