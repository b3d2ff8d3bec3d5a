"""Where the objects of a mask lie."""

from __future__ import annotations

import numpy as np
from numba import uint64
from numpy.typing import NDArray

from fdsl.compiled import kernel


@kernel
def _extents(numbers_NHW, ends_NO4):  # type: ignore[no-untyped-def]
    """Write left, top, right and bottom of each object, the latter two one past its last pixel."""
    for n in range(uint64(numbers_NHW.shape[0])):
        ends_O4 = ends_NO4[n]
        for y in range(uint64(numbers_NHW.shape[1])):
            for x in range(uint64(numbers_NHW.shape[2])):
                number = numbers_NHW[n, y, x]
                if number != 0:
                    ends = ends_O4[uint64(number) - uint64(1)]
                    ends[0], ends[1] = min(ends[0], x), min(ends[1], y)
                    ends[2], ends[3] = max(ends[2], x + uint64(1)), max(ends[3], y + uint64(1))


def boxes(numbers: NDArray[np.uint8], objects: int) -> NDArray[np.float32]:
    """Return the smallest box around each object's pixels in COCO's order: left, top, width, height, in pixels.

    Args:
        numbers: uint8 [N, H, W], at each pixel the number of its object from 1 to `objects`, or 0.
        objects: how many an image has at most.

    Returns:
        float32 [N, objects, 4]; zeros for an object of which nothing is seen.
    """
    ends = np.empty((len(numbers), objects, 4), np.int64)
    ends[..., :2], ends[..., 2:] = max(numbers.shape[1:], default=0), 0
    _extents(numbers, ends)
    ends[..., 2:] -= ends[..., :2]
    ends[(ends[..., 2:] <= 0).any(axis=-1)] = 0
    return ends.astype(np.float32)
