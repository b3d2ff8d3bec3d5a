"""Masks as pictures with a palette: the form in which segmentation datasets are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.data.dataset import FormulaDataset
from fdsl.data.targets import MOST_BYTE, FreeLabels, check_targets
from fdsl.errors import InputError, check_int
from fdsl.files import atomic_folder
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.render import Renderer

AT_ONCE = 32
DIGITS = 6
BITS = 8


def colours() -> NDArray[np.uint8]:
    """Return a colour for each category of a mask, uint8 [256, 3], black for the background.

    Those of the PASCAL VOC development kit: bits 0, 3 and 6 of the category are the highest of red's, 1, 4 and 7 of
    green's, 2 and 5 of blue's, so that neighbouring categories look different.
    """
    category = np.arange(1 << BITS)
    palette = np.zeros((1 << BITS, 3), np.uint8)
    for bit in range(BITS):
        palette[:, bit % 3] |= (((category >> bit) & 1) << (BITS - 1 - bit // 3)).astype(np.uint8)
    return palette


def palette_picture(mask: NDArray[np.uint8]) -> Image.Image:
    """Return a mask, uint8 [H, W], as a picture of mode P: its pixels are the categories, its palette shows them."""
    picture = Image.fromarray(mask)
    picture.putpalette(colours().tobytes())
    return picture


def export_masks(
    dataset: FormulaDataset,
    folder: str | Path,
    images: int,
    *,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write images and their masks as PNG files: `image/000000.png` and `mask/000000.png`, as SegRCDB's authors do.

    File n is instance n // C of category n % C, of C categories. A mask's pixels are category + 1, the background 0.

    Args:
        dataset: of a family that has masks and at most 255 categories; its size is that of the files.
        folder: new or empty; it appears whole or not at all.
        images: how many.
        progress: is told how many are written, from time to time.

    Raises:
        InputError: the family has no masks or too many categories, there are fewer images, or `folder` holds something.
        OSError: a file cannot be written.
    """
    family = dataset.family
    check_targets(family, "mask")
    if family.classes > MOST_BYTE:
        raise InputError(
            f"classes must be <= {MOST_BYTE} for masks with a palette, got {family.classes}: a pixel is a byte"
        )
    most = family.classes * (MAX_INSTANCE if dataset.instances is None else dataset.instances)
    check_int("images", images, 1, most)
    renderer = Renderer(dataset.size, dataset.lines, dataset.threads)
    with atomic_folder(folder) as temporary:
        for part in ("image", "mask"):
            (temporary / part).mkdir()
        for begin in range(0, images, AT_ONCE):
            numbers = np.arange(begin, min(begin + AT_ONCE, images))
            identity = numbers % family.classes, numbers // family.classes
            drawn = dataset.draw(*identity)
            masks = FreeLabels(family, dataset.seed, *identity, renderer)["mask"]
            for number, image, mask in zip(numbers, drawn, masks.astype(np.uint8), strict=True):
                name = f"{number:0{DIGITS}}.png"
                Image.fromarray(image).save(temporary / "image" / name)
                palette_picture(mask).save(temporary / "mask" / name)
            if progress is not None:
                progress(int(numbers[-1]) + 1)
