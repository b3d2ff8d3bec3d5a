"""Philox4x32-10, the counter-based generator of Salmon et al. (SC 2011), for arrays.

A block of four 32-bit words is a pure function of a counter (4 words) and a key (2 words); there is no state. Checked
against the known-answer vectors that Random123 publishes. `fdsl.random.scalar` holds the same function for kernels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

MULTIPLIER_0 = 0xD2511F53
MULTIPLIER_1 = 0xCD9E8D57
WEYL_0 = 0x9E3779B9
WEYL_1 = 0xBB67AE85
ROUNDS = 10

_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


def philox4x32(counter: ArrayLike, key: ArrayLike) -> NDArray[np.uint32]:
    """Return the random blocks of `counter` under `key`.

    Args:
        counter: integers in 0..2^32-1, shape [..., 4].
        key: integers in 0..2^32-1, shape [..., 2], broadcast against the counter's leading axes.

    Returns:
        uint32 [..., 4].
    """
    words = [np.asarray(counter, np.uint64)[..., i] for i in range(4)]
    k0, k1 = (np.asarray(key, np.uint64)[..., i] for i in range(2))
    for _ in range(ROUNDS):
        product_0 = words[0] * np.uint64(MULTIPLIER_0)
        product_1 = words[2] * np.uint64(MULTIPLIER_1)
        words = [
            (product_1 >> _SHIFT) ^ words[1] ^ k0,
            product_1 & _LOW,
            (product_0 >> _SHIFT) ^ words[3] ^ k1,
            product_0 & _LOW,
        ]
        k0 = (k0 + np.uint64(WEYL_0)) & _LOW
        k1 = (k1 + np.uint64(WEYL_1)) & _LOW
    return np.stack(np.broadcast_arrays(*words), axis=-1).astype(np.uint32)
