"""Which image a sample of the training stream is: a function of (images, seed, number)."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fdsl.random import Purpose, blocks

STREAM = "fine-tuning"
CLASSES = "fine-tuning classes"
IMAGES = "fine-tuning class members"

Numbers = NDArray[np.int64]


class Sampler(Protocol):
    """Turns numbers of samples into images."""

    def __call__(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Return the pass and the image of each sample, int64 [B] each; no image comes twice in a pass."""


class Shuffled:
    """Passes over all N images, each in an order of its own: sample n is in pass n // N."""

    def __init__(self, labels: Numbers, seed: int) -> None:
        """Take the labels of the images, [N]."""
        self._count, self._seed = len(labels), seed
        self._pass, self._order = -1, np.zeros(0, np.int64)

    def __call__(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Return pass and image of each sample."""
        passes, images = numbers // self._count, np.empty(len(numbers), np.int64)
        for current in np.unique(passes).tolist():
            if current != self._pass:
                drawn = blocks(self._seed, STREAM, current, np.arange(self._count), Purpose.EPOCH_ORDER, 0)
                self._pass, self._order = current, np.argsort(drawn[:, 0], kind="stable")
            here = passes == current
            images[here] = self._order[numbers[here] % self._count]
        return passes, images


class Balanced:
    """Each of C classes equally often: C samples in a row hold every class once, in an order of their own.

    A class passes over its own images, so those of a small class come around more often. Classes without images do
    not count.
    """

    def __init__(self, labels: Numbers, seed: int) -> None:
        """Take the labels of the images, [N]."""
        self._members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self._seed = seed
        self._orders: dict[int, tuple[int, Numbers]] = {}

    def __call__(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """Return pass and image of each sample; the pass is that of its class."""
        count = len(self._members)
        turns = (
            numbers // count
        )  # every class has one sample a turn, so this also counts the samples of a class
        rounds, which = np.unique(turns, return_inverse=True)
        drawn = blocks(self._seed, CLASSES, rounds[:, None], np.arange(count)[None], Purpose.EPOCH_ORDER, 0)
        decks = np.argsort(drawn[..., 0], axis=1, kind="stable")
        classes = decks[which, numbers % count]
        passes, images = np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
        for n, (label, turn) in enumerate(zip(classes.tolist(), turns.tolist(), strict=True)):
            passes[n], at = divmod(turn, len(self._members[label]))
            images[n] = self._order(label, int(passes[n]))[at]
        return passes, images

    def _order(self, label: int, current: int) -> Numbers:
        """Return the images of a class in the order of a pass; the newest order of each class is kept."""
        known, order = self._orders.get(label, (-1, np.zeros(0, np.int64)))
        if known != current:
            members = self._members[label]
            drawn = blocks(self._seed, IMAGES, current, members, Purpose.EPOCH_ORDER, 0)
            order = members[np.argsort(drawn[:, 0], kind="stable")]
            self._orders[label] = current, order
        return order
