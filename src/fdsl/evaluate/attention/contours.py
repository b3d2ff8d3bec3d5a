"""Mass of a coarse map on marked pixels: which part of a model's attention lies on contours.

A map has a cell for each patch (or each place of a feature map), g x g of them over a square image. Its masses add up
to 1, and each is spread evenly over its pixels, so that

    share = sum over cells of mass * (part of the cell that is marked)

whatever size the pixels have. A model cannot look finer than its patches: what is measured is whether it prefers
patches that hold many contour pixels, not whether it follows a line within one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Numbers = NDArray[np.float64]

EDGE_SHARE = 0.1
"""Of an image's pixels, those of the steepest change that count as its edges."""


def overlaps(pixels: int, cells: int) -> Numbers:
    """Return how much of each pixel lies in each cell along a line both divide evenly, float64 [pixels, cells].

    Where `cells` does not divide `pixels`, a pixel on a border belongs to both in part. Rows add up to 1.
    """
    pixel = np.arange(pixels)[:, None]
    cell = np.arange(cells)[None, :] * (pixels / cells)
    ends = np.minimum(pixel + 1, cell + pixels / cells)
    return np.clip(ends - np.maximum(pixel, cell), 0, None)


def spread(masses: Numbers, pixels: int) -> Numbers:
    """Return maps with each cell's mass spread evenly over its pixels: float64 [..., pixels, pixels] of [..., g, g].

    The sum stays as it is.
    """
    cells = masses.shape[-1]
    along = overlaps(pixels, cells) * (cells / pixels)
    return along @ masses @ along.T


def densities(marks: NDArray[np.bool_], cells: int) -> Numbers:
    """Return the part of each cell that is marked, float64 [N, cells, cells] in 0..1, of marks bool [N, P, P]."""
    along = overlaps(marks.shape[-1], cells) * (cells / marks.shape[-1])
    return along.T @ marks.astype(np.float64) @ along


def edges(pixels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the pixels of strongest contrast, bool [N, S, S]: an approximation, for images that no formula drew.

    They are the tenth of an image's pixels with the steepest luminance (length of the gradient by Sobel's operator),
    and those that equal the last of them; where nothing changes there is no edge.

    Args:
        pixels: uint8 [N, S, S, 3].
    """
    found = np.zeros(pixels.shape[:3], np.bool_)
    for image, edge in zip(pixels, found, strict=True):
        gray = np.asarray(Image.fromarray(image).convert("L"), np.float64)
        steep = np.hypot(ndimage.sobel(gray, 0), ndimage.sobel(gray, 1))
        edge[:] = (steep >= np.quantile(steep, 1 - EDGE_SHARE)) & (steep > 0)
    return found
