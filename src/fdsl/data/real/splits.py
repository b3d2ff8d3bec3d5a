"""Which split of a data set is trained on, and which tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fdsl.data.real.images import RealImages
from fdsl.errors import DataError, InputError
from fdsl.random import Purpose, blocks

Split = Literal["train", "test"]

TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "val", "validation", "valid", "eval", "evaluation", "testing", "dev")
WHOLE = "all"  # what the one split of a data set without splits is called
TEST_SHARE = 0.2  # of the images of a data set that comes without a test split
SPLIT_SEED = 0  # a split belongs to the data set, not to a run


class Source(Protocol):
    """A data set, before any image of it is opened."""

    name: str
    test_share: float
    """Share of each class that is held out for testing if there is one split alone."""

    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""

    def open(self, split: str) -> RealImages:
        """Return one split."""

    def knows(self, split: str) -> bool:
        """Whether `split`, as a person gave it, can be opened."""


def split_names(source: Source, train: str | None, test: str | None) -> tuple[str, str | None]:
    """Return the names of the split to train on and the one to test on; None is to be held out from training.

    Args:
        source: the data set.
        train: name of the split to train on; None is "train" or another word for it, or the only split there is.
        test: name of the split to test on; None is "test", "val" or another word for it, or else to be held out.

    Raises:
        InputError: there is no such split, both are one, or nothing says which to train on.
    """
    known = list(source.splits())
    listed = ", ".join(known)
    for field, name in (("train_split", train), ("test_split", test)):
        if name is not None and not source.knows(name):
            raise InputError(f"{field} must be a split of {source.name} ({listed}), got {name!r}")
    if train is None:
        train = next((name for name in TRAIN_NAMES if name in known), None)
    if train is None:
        rest = [name for name in known if name != test]
        if len(rest) != 1:
            raise InputError(f"train_split must name one of the splits of {source.name} ({listed}), got None")
        train = rest[0]
    if test is None:
        test = next((name for name in TEST_NAMES if name in known and name != train), None)
    if train == test:
        raise InputError(
            f"test_split must differ from train_split, got {test!r}: images must not be tested that were learned"
        )
    return train, test


def held_out(images: RealImages, split: Split, test_share: float) -> RealImages:
    """Return the part of `images` for a split that takes the same share of each class, by addressed draws."""
    labels = images.labels
    drawn = blocks(SPLIT_SEED, "test split", 0, np.arange(len(labels)), Purpose.SPLIT, 0)[:, 0]
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(drawn[members], kind="stable")]
        is_test[order[: round(test_share * len(members))]] = True
    return images.subset(np.flatnonzero(is_test if split == "test" else ~is_test))


def with_classes(images: RealImages, classes: list[str]) -> RealImages:
    """Return `images` with their labels counted in `classes`, those of the training images.

    Raises:
        DataError: there are images of a class that training lacks.
    """
    if images.classes == classes:
        return images
    number = {name: label for label, name in enumerate(classes)}
    moved: NDArray[np.int64] = np.array([number.get(name, -1) for name in images.classes], np.int64)
    labels = moved[images.labels]
    if (labels < 0).any():
        unknown = images.classes[images.labels[int(labels.argmin())]]
        raise DataError(
            f"{images.name} must train every class it tests, got test images of {unknown!r} alone"
        )
    return replace(images, classes=classes, labels=labels)
