"""Counting right answers, and keeping all answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from fdsl.train.device import summed
from fdsl.train.objective import Objective, Overlap
from fdsl.train.speed import eager

BATCH = 256


def share_right(
    fabric: Fabric,
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    standardize: Callable[[Tensor], Tensor],
    objective: Objective,
    overlap: Overlap | None = None,
) -> float:
    """Return the share of the images that `model` answers rightly, in 0..1; of segmented ones, of their pixels.

    Args:
        fabric: knows the device and the arithmetic.
        model: on the device; left in evaluation mode.
        batches: this process's share: images as `standardize` takes them, and targets as `objective` takes them.
        standardize: turns images on the device into what the model sees.
        objective: what counts as right.
        overlap: counts the pixels of a segmentation, too.
    """
    counts = torch.zeros(2, dtype=torch.float64)
    model.eval()
    with torch.inference_mode(), fabric.autocast(), eager(model):
        for images, targets in batches:
            logits = model(standardize(fabric.to_device(images))).float()
            there = fabric.to_device(targets)
            counts[0] += float(objective.right(logits, there).double().sum())
            counts[1] += len(images)
            if overlap is not None:
                overlap.add(logits.argmax(1), there)
    right, seen = summed(fabric, counts).tolist()
    if overlap is not None:
        overlap.reduce(partial(summed, fabric))
    return float(right / seen)


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """What a model said of N images, in their order."""

    classes: list[str]
    labels: NDArray[np.int64]
    """True classes, [N]."""
    answers: NDArray[np.int64]
    """Classes the model holds likeliest, [N]."""
    confidence: NDArray[np.float32]
    """Probability it gives these, [N]."""
    label_confidence: NDArray[np.float32]
    """Probability it gives the true classes, [N]."""

    def accuracy(self) -> float:
        """Return the share of the images answered rightly, in 0..1."""
        return int((self.answers == self.labels).sum()) / len(self.labels)

    def per_class(self) -> dict[str, float]:
        """Return the same of each class that has images."""
        count = len(self.classes)
        right = np.bincount(self.labels[self.answers == self.labels], minlength=count)
        seen = np.bincount(self.labels, minlength=count)
        rows = zip(self.classes, right.tolist(), seen.tolist(), strict=True)
        return {name: hits / images for name, hits, images in rows if images}

    def class_average_accuracy(self) -> float:
        """Return the mean of these: every class counts alike, however many images it has."""
        shares = self.per_class().values()
        return sum(shares) / len(shares)

    def confusion(self) -> NDArray[np.int64]:
        """Return how many images of class i were taken for class j, int64 [C, C]."""
        count = len(self.classes)
        pairs = np.bincount(self.labels * count + self.answers, minlength=count * count)
        return pairs.reshape(count, count)


def predict(
    fabric: Fabric,
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    standardize: Callable[[Tensor], Tensor],
    classes: list[str],
    count: int,
) -> Predictions:
    """Return what `model` says of `count` images, of which each process sees its share.

    Args:
        fabric: knows the device and the arithmetic.
        model: on the device; left in evaluation mode.
        batches: this process's share, every W-th image from its rank on, of W processes: images as `standardize` takes
            them, int64 labels [B].
        standardize: turns images on the device into what the model sees.
        classes: names of the classes.
        count: images of all processes together.

    Returns:
        the same in every process: the images in their order.
    """
    whole: list[Tensor] = []
    parts: list[Tensor] = []
    model.eval()
    with torch.inference_mode(), fabric.autocast(), eager(model):
        for images, labels in batches:
            logits: Tensor = model(standardize(fabric.to_device(images)))
            answers = logits.argmax(1).cpu()
            shares = logits.float().softmax(1).cpu()
            whole.append(torch.stack([labels, answers], 1))
            parts.append(torch.stack([shares.gather(1, n[:, None])[:, 0] for n in (answers, labels)], 1))
    numbers = _in_order(fabric, whole, torch.int64, count).numpy()
    sure = _in_order(fabric, parts, torch.float32, count).numpy()
    return Predictions(
        classes=classes,
        labels=numbers[:, 0],
        answers=numbers[:, 1],
        confidence=sure[:, 0],
        label_confidence=sure[:, 1],
    )


def _in_order(fabric: Fabric, rows: list[Tensor], dtype: torch.dtype, count: int) -> Tensor:
    """Return the rows [count, 2] of all processes, of which each had every W-th."""
    own = torch.cat(rows) if rows else torch.zeros(0, 2, dtype=dtype)
    if fabric.world_size == 1:
        return own
    padded = own.new_zeros(-(-count // fabric.world_size), 2)  # all are of one size where they are gathered
    padded[: len(own)] = own
    every: Any = fabric.all_gather(fabric.to_device(padded))  # [W, rows, 2]
    return every.cpu().transpose(0, 1).reshape(-1, 2)[:count]
