"""Test images without their texture, or without their contours: what is left of a model's answers tells what it sees.

After Geirhos et al., "ImageNet-trained CNNs are biased towards texture" (ICLR 2019, arXiv:1811.12231), who compare
what networks make of edges, silhouettes and textures. It is a profile in that spirit, not their measure: the shape
bias they report is that of images whose shape and texture are of two classes (cue conflict), which takes
style-transferred images.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from fdsl.evaluate.gray import LUMA
from fdsl.random import Purpose, blocks

PLAIN, EDGES, BLURRED, SHUFFLED = "plain", "edges", "blurred", "shuffled"
EDGE_SMOOTHING = 1 / 160
"""Deviation of the Gaussian before edges are looked for, in sides of the image: MATLAB's square root of 2 pixels at
224."""
NO_EDGE_SHARE, LOWER = 0.7, 0.4
"""Share of the pixels that are no edge, and the lower threshold as a share of the upper: those of MATLAB's `edge`."""
FAINTEST = 256.0
"""Gray levels a side of the image that an edge must climb at least, 8 a pixel at 32: noise on an empty wall is none."""
BLUR = 1 / 32
"""Deviation of the Gaussian that blurs, in sides of the image: 1 pixel at 32, 7 at 224."""
CELLS = 4
"""Patches in a row and in a column."""

Image = NDArray[np.uint8]
"""uint8 [S, S, 3]."""
Change = Callable[[Image, int], Image]
"""Takes an image and its number in its source, which addresses random draws."""


def edges(image: Image) -> Image:
    """Return the edges of an image, one pixel wide and black on white whatever the image's colours are.

    They are Canny's (IEEE PAMI 8(6), 1986): the gradient of the smoothed luminance where it is greatest across the
    edge, kept where it is strong or hangs together with a place where it is. Thresholds as in MATLAB's `edge`, whose
    edges Geirhos et al. took: 70% of the pixels lie below the upper one, the lower one is 0.4 of it.

    Args:
        image: uint8 [S, S, 3].

    Returns:
        uint8 [S, S, 3], 0 or 255; all 255 where nothing climbs 256 / S gray levels a pixel.
    """
    smooth = ndimage.gaussian_filter(image @ LUMA, EDGE_SMOOTHING * len(image), mode="nearest")
    down, right = (ndimage.sobel(smooth, axis, mode="nearest") / 8 for axis in (0, 1))  # gray levels a pixel
    strength = np.hypot(down, right)
    upper = max(FAINTEST / len(image), float(np.quantile(strength, NO_EDGE_SHARE)))
    thin = _greatest_across(strength, down, right)
    groups, _ = ndimage.label(thin & (strength > LOWER * upper), np.ones((3, 3)))
    strong = np.unique(groups[thin & (strength > upper)])
    line = np.isin(groups, strong[strong > 0])
    return np.where(line[..., None], 0, 255).astype(np.uint8).repeat(3, axis=2)


def _greatest_across(
    strength: NDArray[np.float32], down: NDArray[np.float32], right: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """Return where a gradient is no smaller than at its two neighbours in its direction, to the nearest 45 degrees.

    Of two that are equal the one further down or right stays, so that an edge between two pixels is drawn once.
    """
    octant = np.round(np.arctan2(down, right) / (np.pi / 4)).astype(int) % 4
    around = np.pad(strength, 1)
    side = len(strength)
    kept = np.zeros(strength.shape, bool)
    for number, (y, x) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        after = around[1 + y : 1 + y + side, 1 + x : 1 + x + side]
        before = around[1 - y : 1 - y + side, 1 - x : 1 - x + side]
        kept |= (octant == number) & (strength > after) & (strength >= before)
    return kept


def blurred(image: Image) -> Image:
    """Return an image, uint8 [S, S, 3], blurred by a Gaussian whose deviation is 1/32 of its side."""
    reach = BLUR * len(image)
    smooth = ndimage.gaussian_filter(image.astype(np.float32), (reach, reach, 0), mode="nearest")
    return np.round(smooth).clip(0, 255).astype(np.uint8)


def shuffled(image: Image, number: int) -> Image:
    """Return an image cut into 4 x 4 patches that have changed places: contours end, texture and colours stay.

    Where the side is no multiple of 4, up to three columns at the right and rows at the bottom stay as they are.

    Args:
        image: uint8 [S, S, 3], S >= 4.
        number: of the image in its source; the places are drawn for it, and are the same for every model and seed.
    """
    drawn = blocks(0, "shuffled patches", 0, number, Purpose.PLACE, np.arange(CELLS * CELLS))
    order = np.argsort(drawn[:, 0], kind="stable")
    cell = len(image) // CELLS
    whole = CELLS * cell
    patches = image[:whole, :whole].reshape(CELLS, cell, CELLS, cell, 3).swapaxes(1, 2)
    moved = patches.reshape(-1, cell, cell, 3)[order].reshape(patches.shape)
    result = image.copy()
    result[:whole, :whole] = moved.swapaxes(1, 2).reshape(whole, whole, 3)
    return result


CHANGES: dict[str, Change] = {
    PLAIN: lambda image, _: image,
    EDGES: lambda image, _: edges(image),
    BLURRED: lambda image, _: blurred(image),
    SHUFFLED: shuffled,
}
"""The versions of the test images by name, the images themselves first."""


def changed(images: NDArray[np.uint8], numbers: NDArray[np.int64], change: str) -> NDArray[np.uint8]:
    """Return one of the `CHANGES` of images, uint8 [N, S, S, 3], by their numbers in their source, [N]."""
    return np.stack(
        [CHANGES[change](image, number) for image, number in zip(images, numbers.tolist(), strict=True)]
    )


def shape_bias(edges_accuracy: float, shuffled_accuracy: float, chance: float) -> float | None:
    """Return how much of what is recognised is by contours: 1 by edges alone, 0 by shuffled patches alone.

    It is kept(edges) / (kept(edges) + kept(shuffled)), where kept(version) is the share of the accuracy above chance on
    the plain images that is left on the version; the plain images' own cancels. None where both are at chance.

    Args:
        edges_accuracy: on the edges alone, 0..1.
        shuffled_accuracy: on the shuffled patches, 0..1.
        chance: accuracy of naming always the same class, 0..1.
    """
    by_edges, by_patches = (max(0.0, accuracy - chance) for accuracy in (edges_accuracy, shuffled_accuracy))
    return by_edges / (by_edges + by_patches) if by_edges + by_patches > 0 else None
