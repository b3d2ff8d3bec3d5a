"""Some of the images: few labels, so many of a class, at most so many; by addressed draws."""

from __future__ import annotations

import numpy as np

from fdsl.data.real.images import RealImages
from fdsl.errors import InputError, check_int
from fdsl.random import Purpose, blocks


def few_labels(images: RealImages, labels: int, seed: int, *, field: str = "labels") -> RealImages:
    """Return `labels` random images, as many of each class (one more of some if it does not divide).

    Of one seed the choice of fewer lies within the choice of more, as far as the classes divide evenly.

    Args:
        images: what to choose from.
        labels: images to keep in all.
        seed: another seed gives another choice.
        field: what an error calls `labels`.

    Raises:
        InputError: a class has too few images, or there are fewer labels than classes.
    """
    count = len(images.classes)
    check_int(field, labels, count)
    drawn = blocks(seed, "few labels", 0, np.arange(max(len(images), count)), Purpose.FEW_LABELS, 0)
    wanted = np.full(count, labels // count)
    wanted[np.argsort(drawn[:count, 1], kind="stable")[: labels % count]] += 1
    chosen = []
    for label in range(count):
        members = np.flatnonzero(images.labels == label)
        if len(members) < wanted[label]:
            raise InputError(
                f"{field} must be fewer, got {labels}: class {images.classes[label]!r} has "
                f"{len(members)} images of the {wanted[label]} wanted"
            )
        chosen.append(members[np.argsort(drawn[members, 0], kind="stable")[: wanted[label]]])
    return images.subset(np.sort(np.concatenate(chosen)))


def shots_of(images: RealImages, shots: int, seed: int) -> RealImages:
    """Return `shots` random images of each class; of one seed, 5 shots are among the 10.

    Raises:
        InputError: a class has fewer images.
    """
    check_int("shots", shots, 1)
    counts = np.bincount(images.labels, minlength=len(images.classes))
    least = int(counts.argmin())
    if counts[least] < shots:
        raise InputError(
            f"shots must be at most {counts[least]}, got {shots}: class {images.classes[least]!r} has no more images "
            "to learn from"
        )
    return few_labels(images, shots * len(images.classes), seed)


def at_most(images: RealImages, count: int, seed: int) -> RealImages:
    """Return `count` random images, or all if there are no more; classes keep their shares as chance has it.

    Args:
        images: what to choose from.
        count: images to keep in all.
        seed: another seed gives another choice.

    Raises:
        InputError: `count` is below one.
    """
    check_int("count", count, 1)
    if len(images) <= count:
        return images
    drawn = blocks(seed, "at most", 0, np.arange(len(images)), Purpose.FEW_LABELS, 0)[:, 0]
    return images.subset(np.sort(np.argsort(drawn, kind="stable")[:count]))
