"""Contact sheets: a grid of images, a row a category, a column an instance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.errors import InputError, check_int
from fdsl.files import atomic_path
from fdsl.formulas import Family
from fdsl.render import Renderer

if TYPE_CHECKING:
    from fdsl.data.dataset import FormulaDataset

SEPARATOR_PIXELS = 2
SEPARATOR_GRAY = 128
# WebP's limit; a longer sheet is no picture to look at in any format.
MAX_SIDE = 16_383


def contact_sheet(dataset: FormulaDataset, categories: int = 8, instances: int = 8) -> Image.Image:
    """Draw the first `instances` images of the first `categories` of `dataset`; see `family_sheet`.

    Raises:
        InputError: the dataset has fewer categories or instances, or the picture would exceed 16,383 pixels.
    """
    check_int("instances", instances, 1, dataset.instances)
    return family_sheet(
        dataset.family, categories, instances, size=dataset.size, seed=dataset.seed, lines=dataset.lines
    )


def family_sheet(
    family: Family,
    categories: int = 8,
    instances: int = 8,
    *,
    size: int = 128,
    seed: int = 0,
    lines: str = "auto",
    first_category: int = 0,
    first_instance: int = 0,
) -> Image.Image:
    """Draw `instances` images of `categories` categories of `family`, the first ones if not told. Needs no torch.

    Returns:
        A picture, mode L or RGB as the family draws, of `categories` rows and `instances` columns. Images are
        `size` pixels high and wide; gray separators, two pixels wide, lie between and around them.

    Raises:
        InputError: the family has fewer categories, the picture would exceed 16,383 pixels a side, or `size`,
            `seed`, `lines` or an instance is out of range.
    """
    renderer = Renderer(size, lines)
    check_int("first_category", first_category, 0, family.classes - 1)
    check_int("first_instance", first_instance, 0)
    check_int("categories", categories, 1, family.classes - first_category)
    step = size + SEPARATOR_PIXELS
    for field, count in (("categories", categories), ("instances", instances)):
        if (side := check_int(field, count, 1) * step + SEPARATOR_PIXELS) > MAX_SIDE:
            raise InputError(
                f"{field} must be at most {MAX_SIDE // step} at {size} pixels an image, got {count}: "
                f"the sheet would be {side} pixels long"
            )
    columns = np.arange(first_instance, first_instance + instances)
    numbers = range(first_category, first_category + categories)
    rows = [renderer(family.table(seed, np.full(instances, k), columns)) for k in numbers]
    return grid(np.stack(rows))


def grid(images: NDArray[np.uint8]) -> Image.Image:
    """Lay `images`, uint8 [R, C, H, W] or [R, C, H, W, 3], out as R rows and C columns, separated by gray."""
    rows, columns, height, width = images.shape[:4]
    step_y, step_x = height + SEPARATOR_PIXELS, width + SEPARATOR_PIXELS
    shape = (rows * step_y + SEPARATOR_PIXELS, columns * step_x + SEPARATOR_PIXELS, *images.shape[4:])
    sheet = np.full(shape, SEPARATOR_GRAY, np.uint8)
    for row in range(rows):
        top = row * step_y + SEPARATOR_PIXELS
        for column in range(columns):
            left = column * step_x + SEPARATOR_PIXELS
            sheet[top : top + height, left : left + width] = images[row, column]
    return Image.fromarray(sheet)


def check_picture_path(field: str, path: Path) -> str:
    """Return Pillow's name of the format that the suffix of `path` stands for.

    Raises:
        InputError: Pillow writes no format of that suffix, or `path` is a folder.
    """
    if path.is_dir():
        raise InputError(f"{field} must be a file, got the folder {str(path)!r}")
    # The common ones come first because naming them needs none of Pillow's plugins loaded.
    Image.preinit()
    suffix = path.suffix.lower()
    if suffix not in Image.EXTENSION:
        Image.init()
    format_name = Image.EXTENSION.get(suffix, "")
    if format_name not in Image.SAVE:
        raise InputError(f"{field} must end in .png, .jpg or another picture's suffix, got {str(path)!r}")
    return format_name


def save_picture(picture: Image.Image, path: str | Path) -> None:
    """Write `picture` to `path`, whole or not at all, in the format of its suffix.

    Raises:
        InputError: see `check_picture_path`.
        OSError: the file cannot be written.
    """
    path = Path(path)
    format_name = check_picture_path("path", path)
    with atomic_path(path) as temporary:
        picture.save(temporary, format=format_name)
