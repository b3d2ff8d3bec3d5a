"""Counting right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from fdsl.train.objective import Objective, Overlap

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
        batches: images as `standardize` takes them, and targets as `objective` takes them.
        standardize: turns images on the device into what the model sees.
        objective: what counts as right.
        overlap: counts the pixels of a segmentation, too.
    """
    right, seen = 0.0, 0
    model.eval()
    with torch.inference_mode(), fabric.autocast():
        for images, targets in batches:
            logits = model(standardize(fabric.to_device(images))).float()
            there = fabric.to_device(targets)
            right += float(objective.right(logits, there).double().sum())
            seen += len(images)
            if overlap is not None:
                overlap.add(logits.argmax(1), there)
    return right / seen


def count_right(
    fabric: Fabric,
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    standardize: Callable[[Tensor], Tensor],
    classes: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return how often `model` names each class rightly, and how many images each class has.

    Args:
        fabric: knows the device and the arithmetic.
        model: on the device; left in evaluation mode.
        batches: images as `standardize` takes them, int64 labels [B].
        standardize: turns images on the device into what the model sees.
        classes: number of labels C.

    Returns:
        right int64[C], seen int64[C].
    """
    right, seen = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    model.eval()
    with torch.inference_mode(), fabric.autocast():
        for images, labels in batches:
            answers = model(standardize(fabric.to_device(images))).argmax(1).cpu()
            right += np.bincount(labels[answers == labels].numpy(), minlength=classes)
            seen += np.bincount(labels.numpy(), minlength=classes)
    return right, seen
