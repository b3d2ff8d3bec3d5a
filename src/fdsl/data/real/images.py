"""Labelled images, opened when they are asked for; and the check that their labels are labels."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fdsl.errors import DataError

MOST_CLASSES = 1_000_000
"""Classes that labels without names may tell apart: more are other numbers, such as identifiers."""


@dataclass(frozen=True, kw_only=True)
class RealImages:
    """Labelled images, opened when they are asked for.

    `images[n]` is (RGB image, label); `labels` is int64 [N]; `classes` names the labels, each by a name of its own.
    """

    name: str
    classes: list[str]
    labels: NDArray[np.int64]
    open_image: Callable[[int], Image.Image]
    """Opens image n of the source; where it is broken it raises, as decoders do, any exception. Threads call it."""
    describe: Callable[[int], str]
    """Names image n of the source to a person."""
    source_index: NDArray[np.int64]
    """Where each image lies in the source, [N]."""
    skipped: tuple[str, ...] = ()
    """Broken images left out."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """Return image `index`, RGB, and its label.

        Raises:
            DataError: the image is broken; the message names its file or row.
        """
        at = int(self.source_index[index])
        try:
            image = _rgb(self.open_image(at))
        except Exception as error:
            # A damaged file makes Pillow's decoders fail as it comes: struct.error, EOFError, zlib.error, ...
            unknown = isinstance(error, UnidentifiedImageError)
            reason = "not an image" if unknown else str(error) or type(error).__name__
            raise DataError(f"{self.describe(at)} cannot be read: {reason}") from error
        return image, int(self.labels[index])

    def subset(self, indices: NDArray[np.int64]) -> RealImages:
        """Return the images at `indices`, in that order."""
        return replace(self, labels=self.labels[indices], source_index=self.source_index[indices])

    def describe_each(self) -> list[str]:
        """Return the name of each image, as `describe` has it."""
        return [self.describe(at) for at in self.source_index.tolist()]

    def without_broken(self) -> RealImages:
        """Open every image and leave out the broken ones; `skipped` names them."""
        good, skipped = [], []
        for index in range(len(self)):
            try:
                self[index]
                good.append(index)
            except DataError as error:
                skipped.append(str(error))
        if not good:
            raise DataError(f"{self.name} must hold readable images, got none among {len(self)}")
        return replace(self.subset(np.array(good, np.int64)), skipped=tuple(skipped))


def _rgb(image: Image.Image) -> Image.Image:
    """Return `image` as RGB of 8 bits.

    Raises:
        ValueError: nothing says which of its numbers is white.
    """
    # Pillow cuts what lies above 255 off, which would leave little but white of 16 bits.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        levels = np.asarray(image).astype(np.float32) * np.float32(255 / 65535)
        return Image.fromarray(np.round(levels).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        kind = "32-bit integers" if image.mode == "I" else "fractions"
        raise ValueError(f"its pixels are {kind}; save it with 8 or 16 bits a channel")
    return image.convert("RGB")


def labelled(
    name: str,
    values: Iterable[Any],
    names: Sequence[str] | None,
    open_image: Callable[[int], Image.Image],
    describe: Callable[[int], str],
) -> RealImages:
    """Return the images of a source, once their labels are known to be labels.

    Args:
        name: of the source.
        values: label of each image; an integer of any kind.
        names: of the classes, in the order of the labels; None calls them by their numbers.
        open_image: see `RealImages`.
        describe: see `RealImages`.

    Raises:
        DataError: a label is no integer, negative, or not below the number of names; the message names its image.
    """
    labels = _checked(list(values), None if names is None else len(names), describe)
    if names is None:
        names = [str(label) for label in range(int(labels.max(initial=-1)) + 1)]
    return RealImages(
        name=name,
        classes=distinct(names),
        labels=labels,
        open_image=open_image,
        describe=describe,
        source_index=np.arange(len(labels)),
    )


def distinct(names: Iterable[object]) -> list[str]:
    """Return the names of the classes; those that occur twice (ImageNet's two cranes) with their number."""
    texts = [str(name) for name in names]
    count = Counter(texts)
    return [f"{text} ({n})" if count[text] > 1 else text for n, text in enumerate(texts)]


def _checked(values: list[Any], classes: int | None, describe: Callable[[int], str]) -> NDArray[np.int64]:
    bound = MOST_CLASSES if classes is None else classes
    for n, value in enumerate(values):
        try:
            label = operator.index(value)  # NumPy's and torch's integers too, but no float and no text
        except TypeError:
            label = None
        if label is None or isinstance(value, bool):
            raise DataError(f"{describe(n)} must have an integer as its label, got {value!r}")
        if label < 0:
            raise DataError(
                f"{describe(n)} must have a label of 0 or more, got {label}: an image without a label, which only "
                "another split (train_split, test_split) may do without"
            )
        if label >= bound:
            what = "its number of classes" if classes is not None else "the most there may be"
            raise DataError(f"{describe(n)} must have a label below {bound:,}, {what}, got {label:,}")
    return np.array(values, np.int64)
