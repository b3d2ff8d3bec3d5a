"""The images of a probe, and what classifiers on their features say of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from fdsl.data.real import RealImages
from fdsl.errors import DataError
from fdsl.evaluate.probing.changes import CHANGES, changed
from fdsl.evaluate.probing.classifiers import NEIGHBOURS, PLAIN_STRENGTH, fewest, train_classifiers
from fdsl.evaluate.probing.config import ProbeConfig
from fdsl.evaluate.probing.features import Frozen, Labels, Numbers
from fdsl.evaluate.probing.scores import Said, said_of
from fdsl.train.accuracy import BATCH
from fdsl.train.finetuning.batches import Batch, SquareImages, ahead
from fdsl.train.finetuning.images import labelled_ones, open_splits, squares
from fdsl.train.progress import say

CLASSES_NAMED = 3
"""In a note, at most."""

Answers = dict[str, dict[str, dict[int, Said]]]
"""What was said of the test images, by version, classifier and seed."""


@dataclass(frozen=True, kw_only=True)
class ProbedImages:
    """The images of a probe."""

    train: dict[int, RealImages]
    """Labelled images of each seed."""
    test: RealImages
    skipped: list[str]
    """Broken ones left out."""

    @property
    def first(self) -> RealImages:
        """Labelled images of the first seed; the smallest class is as small with every seed."""
        return next(iter(self.train.values()))

    @property
    def untested(self) -> list[str]:
        """Classes without test images."""
        tested = set(self.test.labels.tolist())
        return [name for label, name in enumerate(self.test.classes) if label not in tested]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What both classifiers came to."""

    answers: Answers
    features: int
    """Length of a feature vector."""
    strength: dict[int, float]
    """C of each seed's logistic regression."""


def open_probed(config: ProbeConfig) -> ProbedImages:
    """Open the images and choose those of each seed.

    Raises:
        InputError, DataError: see `open_splits`; or all labelled images are of one class.
    """
    say(f"opening {config.data}")
    finetuning = config.finetuning(config.seeds[0])
    whole, test = open_splits(replace(finetuning, labels=None, shots=None))
    train = {seed: labelled_ones(whole, config.finetuning(seed)) for seed in config.seeds}
    present = np.unique(whole.labels)
    if len(present) < 2:
        raise DataError(
            f"{config.data} must have labelled images of two classes at least, got {whole.classes[present[0]]!r} alone"
        )
    return ProbedImages(train=train, test=test, skipped=[*whole.skipped, *test.skipped])


def notes_on(config: ProbeConfig, images: ProbedImages, neighbours: int) -> list[str]:
    """Return what is done otherwise than a person might expect, a line each."""
    notes = []
    if images.skipped:
        several = len(images.skipped) > 1
        notes.append(
            f"{len(images.skipped)} broken image{'s' * several} left out:{' first' * several} {images.skipped[0]}"
        )
    if config.neighbours is None and neighbours < NEIGHBOURS:
        notes.append(
            f"neighbours are {neighbours}, not {NEIGHBOURS}: the smallest class has no more labelled images"
        )
    if fewest(images.first.labels) < 2:
        notes.append(
            f"C is {PLAIN_STRENGTH:g}, not chosen by cross-validation: a class has one labelled image alone"
        )
    if names := images.untested:
        more = f" and {len(names) - CLASSES_NAMED} more" if len(names) > CLASSES_NAMED else ""
        notes.append(
            f"no test images of {len(names)} of {len(images.test.classes)} classes, which count nowhere: "
            f"{', '.join(names[:CLASSES_NAMED])}{more}"
        )
    return notes


def measure(
    config: ProbeConfig, frozen: Frozen, size: int, images: ProbedImages, neighbours: int
) -> Measured:
    """Train both classifiers for each seed, and ask them about every version of the test images.

    Args:
        config: of the probe.
        frozen: model that gives the features.
        size: height and width of its images, in pixels.
        images: to learn from and to test on.
        neighbours: how many vote.
    """
    test = _test_features(config, frozen, size, images.test)
    answers: Answers = {version: {"linear": {}, "knn": {}} for version in CHANGES}
    strength: dict[int, float] = {}
    train: Numbers | None = None
    for seed, labelled in images.train.items():
        # with all labels every seed has the same images, in other folds
        if train is None or config.labels is not None or config.shots is not None:
            say(f"seed {seed}: features of {len(labelled):,} labelled images")
            train = frozen.features(squares(labelled, config.finetuning(seed), size).batches(BATCH))
        say(f"seed {seed}: training both classifiers, choosing C")
        found = train_classifiers(train, labelled.labels, seed, neighbours)
        strength[seed] = found.strength
        for version, features in test.items():
            for name, classifier in found.named().items():
                said = said_of(classifier, features, images.test.labels, images.test.classes)
                answers[version][name][seed] = said
    return Measured(answers=answers, features=next(iter(test.values())).shape[1], strength=strength)


def _test_features(config: ProbeConfig, frozen: Frozen, size: int, images: RealImages) -> dict[str, Numbers]:
    """Return the features of every version of the test images, float64 [T, D] each."""
    test = squares(images, config.finetuning(config.seeds[0]), size)
    found = {}
    for version in CHANGES:
        say(f"features of {len(test):,} test images, {version}")
        found[version] = frozen.features(changed_batches(test, images.source_index, version))
    return found


def changed_batches(test: SquareImages, numbers: Labels, version: str) -> Iterator[Batch]:
    """Yield a version of all images in order, as `SquareImages.batches` does.

    Args:
        test: N images.
        numbers: of the images in their source, int64 [N].
        version: one of `CHANGES`.
    """
    chunks = (np.arange(len(test))[start : start + BATCH] for start in range(0, len(test), BATCH))
    yield from ahead(
        lambda chunk: (
            torch.from_numpy(changed(test.pixels(chunk), numbers[chunk], version)),
            test.labels[chunk],
        ),
        chunks,
    )
