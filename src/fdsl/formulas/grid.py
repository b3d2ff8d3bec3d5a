"""Categories that are cells of a grid of two whole numbers, counted by growing squares.

The first n^2 categories are the square of side n, for every n, and no category moves when there are more of them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError, check_int

MAX_SIDE = 100
"""Of the grid. Beyond it neighbours can no longer be told apart: 100 control points from 101, cells of two pixels from
cells a fiftieth of a pixel smaller; and an image would cost more with every category added."""


def check_cells(classes: int) -> None:
    """Raise InputError unless so many categories have a grid of at most MAX_SIDE a side."""
    if check_int("classes", classes, 2) > MAX_SIDE**2:
        raise InputError(
            f"classes must be in 2..{MAX_SIDE**2}, got {classes}: a category is a cell of a grid, and beyond "
            f"{MAX_SIDE} x {MAX_SIDE} neighbouring cells look alike"
        )


def cells(k: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the cells (a, b) of categories `k`, int64 [N] each, both from 0 on.

    Shell s = floor(sqrt(k)) holds the 2 s + 1 cells in which the greater of a and b is s: (s, 0), (s, 1) .. (s, s),
    then (s - 1, s), (s - 2, s) .. (0, s).
    """
    shell = np.floor(np.sqrt(k)).astype(np.int64)  # exact: k is far below 2^52
    step = k - shell * shell
    return np.minimum(shell, 2 * shell - step), np.minimum(step, shell)
