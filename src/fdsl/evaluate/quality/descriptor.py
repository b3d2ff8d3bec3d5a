"""The fixed descriptor space in which the images of any family are compared: nothing in it is learned or fitted.

An image becomes two or three blocks of numbers, each over the deviation that the block has over images of all
families, so that none outweighs the others and a distance means the same in every family.

    energies    40  how much of which frequency and direction, wherever it is: 5 x 8 log-Gabor filters (Field, JOSA A
                    1987), averaged over the whole image as the coarsest GIST is (Oliva and Torralba, IJCV 2001)
    tones       16  how much is darker than each of 15 grays, and how much the grays deviate
    colours      6  colour families only: mean, deviation and skew of two chromas (Stricker and Orengo, SPIE 1995)

None says where anything is, because that is what most families vary within a category. With 4 x 4 histograms of
gradients (Dalal and Triggs, CVPR 2005) and an 8 x 8 grid of grays as further blocks of equal weight, the separability
of FractalDB, whose instances are flipped, fell from 1.00 to 0.27 and that of RCDB from 0.24 to 0.13; it rose where
instances stay in place, that of MVFractalDB from 0.65 to 0.80 (100 categories, 8 images of each).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fdsl.evaluate.gray import LUMA

Planes = NDArray[np.float32]
"""Float32 [N, H, W]."""
Vectors = NDArray[np.float32]
"""Float32 [N, D]."""

SIDE = 64
"""Images are averaged down, or repeated up, to so many pixels a side: their descriptors do not depend on the size."""
DIRECTIONS, TONES = 8, 16
FREQUENCIES = (1.5, 3.0, 6.0, 12.0, 24.0)
"""Centres of the filters, periods across an image."""
BANDWIDTH = 0.55
"""Of a filter: deviation over centre, on a logarithmic scale; two octaves wide."""
LEAST_ENERGY = 1e-6
"""Below this, in squared luma of 0..1, an energy counts as none: 1e-3 is a quarter of a gray."""
CHROMAS = np.array([[-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)

DEVIATIONS = {"energies": 3.340, "tones": 1.213, "colours": 0.195}
"""Of each block: root mean square distance to the mean, of 100 categories x 8 images at 128 pixels of each of the 13
families at their defaults together; of colours, of MultiFractal alone."""


def block_lengths(channels: int) -> dict[str, int]:
    """Return how many numbers each block of a descriptor has, for images of 1 or 3 channels."""
    lengths = {"energies": len(FREQUENCIES) * DIRECTIONS, "tones": TONES}
    return lengths if channels == 1 else {**lengths, "colours": 6}


def describe(images: NDArray[np.uint8]) -> Vectors:
    """Return the descriptors of images, float32 [N, 56]; [N, 62] in colour.

    The unit of a distance: over images of all gray families at their defaults, as many of each, the root mean square
    distance to their mean is 1.

    Args:
        images: uint8 [N, H, W], or [N, H, W, 3] of red, green and blue.
    """
    found = blocks(images)
    scale = len(found) ** 0.5
    return np.concatenate(
        [values / np.float32(scale * DEVIATIONS[name]) for name, values in found.items()], axis=1
    )


def blocks(images: NDArray[np.uint8]) -> dict[str, Vectors]:
    """Return the blocks of images' descriptors as they are, before they are scaled; see `describe`."""
    if images.ndim == 3:
        planes = averaged(images, SIDE)
    else:
        channels = np.stack([averaged(images[..., channel], SIDE) for channel in range(3)], axis=-1)
        planes = channels @ LUMA
    found = {"energies": energies(planes), "tones": tones(planes)}
    return found if images.ndim == 3 else {**found, "colours": colours(channels)}


def averaged(planes: Planes | NDArray[np.uint8], side: int) -> Planes:
    """Return planes at another size, [N, side, side]: a pixel is the mean of what it covers; bytes become 0..1."""
    down, across = (_overlaps(length, side) for length in planes.shape[1:])
    if planes.dtype == np.uint8:
        planes, across = planes.astype(np.float32), across / np.float32(255)
    return down @ (planes @ across.T)


@lru_cache(maxsize=16)
def _overlaps(length: int, side: int) -> NDArray[np.float32]:
    """Return what share of each of `side` parts of a line each of its `length` pixels makes, float32 [side, length]."""
    ends = np.linspace(0, length, side + 1)
    begin, end = np.arange(length), np.arange(1, length + 1)
    shared = np.minimum(ends[1:, None], end) - np.maximum(ends[:-1, None], begin)
    return (np.maximum(shared, 0) * side / length).astype(np.float32)


def energies(planes: Planes) -> Vectors:
    """Return how much passes each filter, [N, frequencies * directions], decades above `LEAST_ENERGY`.

    Moving what is shown changes nothing, as long as it does not reach over the edge.
    """
    waves = np.fft.rfft2(planes - planes.mean(axis=(1, 2), keepdims=True))
    power = (np.abs(waves) ** 2 / SIDE**4).reshape(len(planes), -1)
    passed = power.astype(np.float32) @ _filters()
    return np.log10(passed + np.float32(LEAST_ENERGY)) - np.float32(np.log10(LEAST_ENERGY))


@lru_cache(maxsize=1)
def _filters() -> NDArray[np.float32]:
    """Return the squared gain of each filter at each frequency of a plane, float32 [SIDE * (SIDE / 2 + 1), filters]."""
    down, across = np.fft.fftfreq(SIDE, 1 / SIDE)[:, None], np.fft.rfftfreq(SIDE, 1 / SIDE)[None]
    radius = np.maximum(np.hypot(down, across), 1e-9)
    angle = np.arctan2(down, across)
    # the half of the plane that rfft2 leaves out holds as much again, but for the columns that are their own mirror
    counted = np.where((across == 0) | (across == SIDE / 2), 1.0, 2.0)
    gains = []
    for frequency in FREQUENCIES:
        ring = np.exp(-((np.log(radius / frequency) / np.log(1 / BANDWIDTH)) ** 2))
        for number in range(DIRECTIONS):
            turned = angle - number * np.pi / DIRECTIONS
            away = np.abs((turned + np.pi / 2) % np.pi - np.pi / 2)
            gains.append(ring * np.exp(-((away / (np.pi / DIRECTIONS)) ** 2)) * counted)
    return np.stack(gains, axis=-1).reshape(-1, len(gains)).astype(np.float32)


def tones(planes: Planes) -> Vectors:
    """Return the shares of pixels at or below each sixteenth of the luma but the last, and the deviation, [N, 16]."""
    levels = np.arange(1, TONES, dtype=np.float32) / TONES
    below = np.stack([(planes <= level).mean(axis=(1, 2)) for level in levels], axis=1)
    return np.concatenate([below, 2 * planes.std(axis=(1, 2))[:, None]], axis=1).astype(np.float32)


def colours(pixels: NDArray[np.float32]) -> Vectors:
    """Return mean, deviation and cube root of the third moment of both chromas, [N, 6], of pixels [N, H, W, 3]."""
    chromas = (pixels @ CHROMAS.T).reshape(len(pixels), -1, 2)
    mean = chromas.mean(axis=1)
    away = chromas - mean[:, None]
    moments = (mean, np.sqrt((away**2).mean(axis=1)), np.cbrt((away**3).mean(axis=1)))
    return np.concatenate(moments, axis=1).astype(np.float32)
