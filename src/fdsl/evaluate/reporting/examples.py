"""What models learned from, in pictures: the drawings of a pre-training, and labelled real images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fdsl.data.dataset import FormulaDataset
from fdsl.data.loader import Loader
from fdsl.data.real import RealImages
from fdsl.evaluate.reporting.page import Picture, count
from fdsl.evaluate.sheet import family_sheet, grid
from fdsl.formulas import altered_family, family
from fdsl.options import family_fields
from fdsl.train.config import PretrainConfig

EXAMPLES, EXAMPLE_COLUMNS, EXAMPLE_SIDE = 100, 20, 64
SHEET_ROWS, SHEET_COLUMNS, SHEET_SIDE = 4, 10, 96
TRAINED = 20
"""Samples shown as they were trained on."""
LARGEST = 112
"""Pixels of a sample at most: larger ones are shown smaller, for the sake of the page."""


def left_out(skipped: Sequence[str]) -> str:
    """Return how many broken images were left out, as a sentence without its full stop."""
    return f"{count(len(skipped))} broken image{' was' if len(skipped) == 1 else 's were'} left out"


def labelled_images(images: RealImages, seed: int, tested: int, skipped: Sequence[str] = ()) -> Picture:
    """Show the labelled images that `seed` trains on, class by class, a hundred at most, of all classes alike.

    Args:
        images: those that were chosen for training.
        seed: they were drawn by.
        tested: number of test images.
        skipped: broken images that were left out, for training and testing.

    Raises:
        DataError: one of them cannot be read.
    """
    order = np.argsort(images.labels, kind="stable")
    if len(order) > EXAMPLES:
        order = order[np.arange(EXAMPLES) * len(order) // EXAMPLES]
    pictures = [images[int(index)][0] for index in order]
    side = min(EXAMPLE_SIDE, pictures[0].width)
    shown = len(pictures) - len(pictures) % EXAMPLE_COLUMNS or len(pictures)
    fitted = [np.asarray(ImageOps.fit(picture, (side, side))) for picture in pictures[:shown]]
    columns = min(EXAMPLE_COLUMNS, shown)
    stack = np.stack(fitted).reshape(-1, columns, side, side, 3)
    which = f"All {len(images)}" if shown == len(images) else f"{shown} of the {count(len(images))}"
    caption = (
        f"{which} labelled images that seed {seed} trains on: {images.name}, {len(images.classes)} classes. "
        f"Accuracy is measured on {count(tested)} others."
    )
    if skipped:
        caption += f" {left_out(skipped)}."
    return Picture(image=grid(stack), caption=caption, pixels=side < EXAMPLE_SIDE)


def drawings(config: PretrainConfig, digest: str | None) -> list[Picture]:
    """Draw what a pre-training learned from: instances of its first categories whole, and its first samples.

    Args:
        config: of the pre-training.
        digest: of its dataset, as it was recorded; None where it was not.

    Raises:
        InputError: the family is unknown, or has no such field.
        DataError: its category files are gone or damaged.
    """
    base = family(config.family, **family_fields(config.classes, config.options))
    drawn = altered_family(base, *config.alter)
    rows = min(SHEET_ROWS, drawn.classes)
    columns = min(SHEET_COLUMNS, config.instances or SHEET_COLUMNS)
    side = max(SHEET_SIDE, min(config.size, LARGEST))
    sheet = family_sheet(drawn, rows, columns, size=side, seed=config.seed, lines=config.lines)
    what = ", ".join([base.name, *config.options, *config.alter])
    larger = "" if config.size == side else f", drawn at {side} pixels instead of {config.size}"
    caption = (
        f"{what}: {columns} instances of {rows} of {count(drawn.classes)} categories, a row each{larger}. "
        f"Dataset seed {config.seed}, lines {config.lines}."
    )
    if digest is not None and digest != drawn.digest(config.seed):
        caption += " This version of fdsl draws this dataset otherwise than the one that trained on it did."
    return [Picture(image=sheet, caption=caption), _samples(config, drawn_dataset(config, drawn))]


def drawn_dataset(config: PretrainConfig, drawn: object) -> FormulaDataset:
    """Return the dataset of a pre-training."""
    return FormulaDataset(
        drawn, config.instances, config.size, config.seed, lines=config.lines, threads=config.threads  # type: ignore[arg-type]
    )  # fmt: skip


def _samples(config: PretrainConfig, dataset: FormulaDataset) -> Picture:
    """Show the first samples of the training as the model saw them, but for mixing."""
    loader = Loader(
        dataset, TRAINED, seed=config.seed, augment=config.augmentation, repeats=config.aug_repeats
    )
    images, _ = loader.batch(0)
    planes = loader.standardize
    mean, std = np.array(planes.mean), np.array(planes.std)
    shares = images.numpy().transpose(0, 2, 3, 1) * std + mean
    pixels: NDArray[np.uint8] = np.rint(255 * shares).clip(0, 255).astype(np.uint8)
    if pixels.shape[1] > LARGEST:
        small = [Image.fromarray(one).resize((LARGEST, LARGEST), Image.Resampling.BOX) for one in pixels]
        pixels = np.stack([np.asarray(one) for one in small])
    if (pixels == pixels[..., :1]).all():
        pixels = pixels[..., 0]
    stack = pixels.reshape(-1, TRAINED // 2, *pixels.shape[1:])
    smaller = f", shown at {LARGEST}" if config.size > LARGEST else ""
    mixed = " Mixup and CutMix came on top." if config.mixup or config.cutmix else ""
    caption = (
        f"The first {TRAINED} samples of the training as the model saw them, {config.size} pixels{smaller}: "
        f"{_varied(config)}.{mixed}"
    )
    return Picture(image=grid(stack), caption=caption, pixels=True)


def _varied(config: PretrainConfig) -> str:
    """Return how samples were varied, in words."""
    words = []
    if config.crop_scale is not None:
        low, high = (100 * share for share in config.crop_scale)
        words.append(f"random crops of {low:g} to {high:g}% of the canvas")
    if config.hflip or config.vflip:
        words.append("mirrored at random")
    if config.auto_augment is not None:
        words.append(f"RandAugment {config.auto_augment}")
    if config.random_erasing:
        words.append(f"rectangles erased in {100 * config.random_erasing:g}% of them")
    if config.aug_repeats > 1:
        words.append(f"each image {config.aug_repeats} times in a row")
    return ", ".join(words) or "whole, not varied"
