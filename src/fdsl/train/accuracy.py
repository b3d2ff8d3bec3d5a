"""Counting right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

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
        batches: this process's share: images as `standardize` takes them, int64 labels [B].
        standardize: turns images on the device into what the model sees.
        classes: number of labels C.

    Returns:
        right int64[C], seen int64[C].
    """
    counts = torch.zeros(2, classes, dtype=torch.int64)
    model.eval()
    with torch.inference_mode(), fabric.autocast(), eager(model):
        for images, labels in batches:
            answers = model(standardize(fabric.to_device(images))).argmax(1).cpu()
            counts[0] += torch.bincount(labels[answers == labels], minlength=classes)
            counts[1] += torch.bincount(labels, minlength=classes)
    right, seen = summed(fabric, counts).numpy()
    return right, seen


def summed(fabric: Fabric, counts: Tensor) -> Tensor:
    """Return the sum over all processes of `counts`, on the CPU."""
    if fabric.world_size == 1:
        return counts
    total: Any = fabric.all_reduce(fabric.to_device(counts.clone()), reduce_op="sum")
    return total.cpu()
