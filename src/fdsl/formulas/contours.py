"""What the families of radial contours share: how their parameters are drawn, and how they become a table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.geometry.radial import RadialStrokes
from fdsl.random import integer, uniform

CANVAS = 512
MEAN_VERTICES = 100.0

Columns = dict[str, NDArray[Any]]
"""Parameters by name, a row each: vertices, strokes, noise, drift, radius, oval_x, oval_y, and more."""


def few_vertices(word: NDArray[np.uint32], low: int, high: int) -> NDArray[np.int64]:
    """floor(Exp(mean 100)) given low <= V <= high: the inverse of the truncated law, so that nothing is redrawn."""
    most, least = np.exp(-low / MEAN_VERTICES), np.exp(-(high + 1) / MEAN_VERTICES)
    length = -MEAN_VERTICES * np.log(uniform(word, least, most))
    return np.clip(np.floor(length).astype(np.int64), low, high)


def centres(word: NDArray[np.uint32], shift: int) -> NDArray[np.float64]:
    """(512 + I{-shift..shift}) / 2, canvas units."""
    return (CANVAS + integer(word, -shift, shift)) / 2


def contour_table(
    address: NDArray[np.uint32], column: Columns, centre: ArrayLike, gain: float = 2.0, **others: Any
) -> RadialStrokes:
    """Return the table of contours with these parameters, a row each.

    Args:
        address: as in `RadialStrokes`.
        column: the parameters; a vertex moves inward by `gain * noise * n - noise - drift`, n being Perlin noise.
        centre: float [R, 2], canvas units.
        gain: 2 in RCDB, 1 in VisualAtom.
        others: further fields of the table.
    """
    radii = [column["radius"] * column[oval] for oval in ("oval_x", "oval_y")]
    return RadialStrokes(
        address=address,
        vertices=column["vertices"].astype(np.int32),
        strokes=column["strokes"].astype(np.int32),
        start=np.stack(radii, axis=1).astype(np.float32),
        centre=np.asarray(centre, np.float32),
        gain=(gain * column["noise"]).astype(np.float32),
        offset=(-column["noise"] - column["drift"]).astype(np.float32),
        **others,
    )
