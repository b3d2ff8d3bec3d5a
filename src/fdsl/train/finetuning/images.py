"""The real images of a fine-tuning: which, how square, how bright."""

from __future__ import annotations

import numpy as np
import torch

from fdsl.data.real import RealImages, at_most, few_labels, open_both, shots_of
from fdsl.data.standardize import Standardize
from fdsl.errors import DataError
from fdsl.train.config import FinetuneConfig
from fdsl.train.finetuning.batches import EVAL_CROP, Method, SquareImages

STATISTICS_IMAGES = 1024
SMALL = 64  # pixels; up to here a shift is the usual augmentation, above it a random crop
TEST_SEED = 0  # the test images are the same for every seed of a run


def open_splits(config: FinetuneConfig) -> tuple[RealImages, RealImages]:
    """Return the training images, cut to the labels allowed, and the test images.

    Raises:
        InputError: the data do not exist, or have too few images for the labels.
        DataError: a split holds no images, or the test images have a class that training lacks.
    """
    images, test_images = open_both(
        config.data,
        root=config.data_root,
        train_split=config.train_split,
        test_split=config.test_split,
        download=config.download,
        skip_broken=config.skip_broken,
    )
    unknown = set(np.unique(test_images.labels).tolist()) - set(np.unique(images.labels).tolist())
    if unknown:
        name = images.classes[min(unknown)]
        raise DataError(f"{config.data} must train every class it tests, got no training image of {name!r}")
    if config.test_limit is not None:
        test_images = at_most(test_images, config.test_limit, TEST_SEED)
    return labelled_ones(images, config), test_images


def labelled_ones(images: RealImages, config: FinetuneConfig) -> RealImages:
    """Return the training images that the labels allowed and the seed choose.

    Raises:
        InputError: a class has too few of them.
    """
    if config.labels is not None:
        return few_labels(images, config.labels, config.seed)
    if config.shots is not None:
        return shots_of(images, config.shots, config.seed)
    return images


def statistics(images: RealImages, size: int, device: torch.device) -> Standardize:
    """Return the standardization by some of the images, evenly chosen, at `size` pixels."""
    sample = np.linspace(0, len(images) - 1, min(len(images), STATISTICS_IMAGES)).astype(np.int64)
    pixels = SquareImages(images.subset(sample), size).pixels(np.arange(len(sample)))
    return Standardize.of([pixels], device)


def squares(images: RealImages, config: FinetuneConfig, size: int) -> SquareImages:
    """Return `images` as they are tested: their middle, as square as the model wants them."""
    return SquareImages(images, size, share=shown_share(config, size))


def shown_share(config: FinetuneConfig, size: int) -> float:
    """Return the share of the shorter side of an image that is seen when testing."""
    return EVAL_CROP if method_for(config, size) == "crop" else 1.0


def method_for(config: FinetuneConfig, size: int) -> Method:
    """Return how training images of `size` pixels are varied."""
    if config.augment == "auto":
        return "pad" if size <= SMALL else "crop"
    return config.augment
