"""Counting right answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

BATCH = 256


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
