"""What a model is trained to say: one class, several classes, or the class of every pixel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

LossOf = Callable[[Tensor, Tensor], Tensor]
Summed = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Objective:
    """A loss, and what counts as right.

    Attributes:
        target: the label it is of, as `FormulaDataset(targets=)` has it.
        loss: of logits and targets, a scalar.
        right: of logits and targets, the images answered rightly, float32 [B] in 0..1.
    """

    target: str
    loss: LossOf
    right: LossOf


def _named(logits: Tensor, targets: Tensor) -> Tensor:
    """Return whether the highest logit is the class; of a mixed image, the one with the larger share."""
    labels = targets.argmax(1) if targets.ndim == 2 else targets
    return (logits.argmax(1) == labels).float()


def _among(logits: Tensor, targets: Tensor) -> Tensor:
    """Return whether the highest logit is one of the image's classes."""
    return targets.gather(1, logits.argmax(1, keepdim=True))[:, 0]


def _pixels(logits: Tensor, targets: Tensor) -> Tensor:
    """Return the share of the pixels that are classified rightly."""
    return (logits.argmax(1) == targets).float().mean((1, 2))


CLASSIFY = Objective("class", functional.cross_entropy, _named)
"""Logits [B, C]; targets int64 [B], or distributions, float32 [B, C]."""
MULTILABEL = Objective("classes", functional.binary_cross_entropy_with_logits, _among)
"""Logits [B, C]; targets float32 [B, C], 1 for each class in the image: a binary cross-entropy a class."""
SEGMENT = Objective("mask", functional.cross_entropy, _pixels)
"""Logits [B, 1 + C, H, W]; targets int64 [B, H, W], 0 for the background."""

OBJECTIVES = {objective.target: objective for objective in (CLASSIFY, MULTILABEL, SEGMENT)}
"""By the label they are of."""


class Overlap:
    """Intersection over union of each class of pixels, over many images.

    Args:
        classes: number of classes, the background included.
    """

    def __init__(self, classes: int) -> None:
        self._both = torch.zeros(classes, dtype=torch.int64)
        self._either = torch.zeros(classes, dtype=torch.int64)

    def add(self, answers: Tensor, targets: Tensor) -> None:
        """Count the pixels of one batch, int64 [B, H, W] each."""
        answers, targets = answers.cpu().flatten(), targets.cpu().flatten()
        classes = len(self._both)
        both = torch.bincount(targets[answers == targets], minlength=classes)
        self._both += both
        self._either += (
            torch.bincount(answers, minlength=classes) + torch.bincount(targets, minlength=classes) - both
        )

    def reduce(self, summed: Summed) -> None:
        """Add up the counts of all processes by `summed`."""
        self._both, self._either = summed(self._both), summed(self._either)

    @property
    def mean(self) -> float:
        """Mean intersection over union of the classes that were seen or answered, in 0..1."""
        there = self._either > 0
        return float((self._both[there] / self._either[there]).double().mean())
