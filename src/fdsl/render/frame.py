"""How a batch's canvases become pixels: what every kernel is told besides the parameter table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COPY, AVERAGE, RESAMPLE = 0, 1, 2
"""What stands between a drawn canvas and its image: nothing, a mean over blocks of pixels, or a view."""
MOST_SHRINK = 32
"""Sums over larger blocks would no longer be divided exactly; smaller drawings are a handful of pixels."""
FARTHEST = 1e9
"""A view whose inverse is larger shows less than a point of the canvas, and is drawn as background."""


@dataclass(frozen=True)
class Frame:
    """The way from native canvases to output pixels.

    Attributes:
        size: side of the output, pixels, H = W.
        drawn: side of the canvas that is drawn, pixels.
        way: COPY (drawn = size), AVERAGE (drawn a multiple of size), or RESAMPLE.
        places: float64 [N, 2, 3], from native canvas coordinates to pixels of the drawn canvas.
        tones: uint8 [N, 256], the output's gray for each gray.
        shrink: int64 [N], for RESAMPLE: the drawn canvas is averaged over blocks of so many pixels a side first.
        backs: float32 [N, 2, 3], for RESAMPLE: from output pixels' indices to those of the averaged canvas.
    """

    size: int
    drawn: int
    way: int
    places: NDArray[np.float64]
    tones: NDArray[np.uint8]
    shrink: NDArray[np.int64]
    backs: NDArray[np.float32]


def inverses(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the ways back of affine maps, float64 [N, 2, 3], by arithmetic that is the same on every machine."""
    a, b, c, d = places[:, 0, 0], places[:, 0, 1], places[:, 1, 0], places[:, 1, 1]
    area, x, y = a * d - b * c, places[:, 0, 2], places[:, 1, 2]
    rows = [[d / area, -b / area, (b * y - d * x) / area], [-c / area, a / area, (c * x - a * y) / area]]
    return np.ascontiguousarray(np.stack([np.stack(row, axis=1) for row in rows], axis=1))


def drawn_to_size(
    size: int, factor: int, canvas: int, views: NDArray[np.float64], tones: NDArray[np.uint8]
) -> Frame:
    """Return the frame in which views move coordinates: drawn `factor` times larger than the output, then averaged."""
    none, no_backs = np.zeros(0, np.int64), np.zeros((0, 2, 3), np.float32)
    places = views * (size * factor / canvas)
    return Frame(size, size * factor, COPY if factor == 1 else AVERAGE, places, tones, none, no_backs)


def drawn_natively(size: int, canvas: int, views: NDArray[np.float64], tones: NDArray[np.uint8]) -> Frame:
    """Return the frame in which views move pixels: every canvas is drawn whole at its native size, then resampled.

    Where the image has fewer pixels than what it shows of the canvas, that is averaged by the power of two nearest
    to their ratio first (a divisor of every native size), which is what keeps lines from breaking up.
    """
    count = len(views)
    backs = inverses(views * (size / canvas))
    pixels_a_pixel = np.linalg.svd(backs[:, :, :2], compute_uv=False)[:, 0]
    most = min(MOST_SHRINK, canvas & -canvas)
    shrink = np.clip(2 ** np.rint(np.log2(pixels_a_pixel)), 1, most).astype(np.int64)
    # pixel i has its middle at i + 1/2, on both sides
    backs[:, :, 2] += backs[:, :, :2].sum(axis=2) / 2
    backs /= shrink[:, None, None]
    backs[:, :, 2] -= 0.5
    places = np.tile(np.eye(2, 3), (count, 1, 1))
    backs[np.abs(backs).max(axis=(1, 2)) > FARTHEST] = [[0, 0, -FARTHEST], [0, 0, -FARTHEST]]
    return Frame(size, canvas, RESAMPLE, places, tones, shrink, backs.astype(np.float32))
