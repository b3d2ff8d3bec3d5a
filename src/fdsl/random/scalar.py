"""Philox4x32-10 for kernels: one block, four scalars. Equal to `fdsl.random.philox.philox4x32`."""

from __future__ import annotations

from numba import uint32, uint64

from fdsl.compiled import inlined
from fdsl.random.philox import MULTIPLIER_0, MULTIPLIER_1, ROUNDS, WEYL_0, WEYL_1


@inlined
def philox_block(c0, c1, c2, c3, k0, k1):  # type: ignore[no-untyped-def]
    """Return the four uint32 words of the block at counter (c0, c1, c2, c3) under key (k0, k1), all uint32."""
    for _ in range(ROUNDS):
        product_0 = uint64(c0) * uint64(MULTIPLIER_0)
        product_1 = uint64(c2) * uint64(MULTIPLIER_1)
        c0 = uint32(product_1 >> uint64(32)) ^ c1 ^ k0
        c1 = uint32(product_1)
        c2 = uint32(product_0 >> uint64(32)) ^ c3 ^ k1
        c3 = uint32(product_0)
        k0 = uint32(k0 + uint32(WEYL_0))
        k1 = uint32(k1 + uint32(WEYL_1))
    return c0, c1, c2, c3
