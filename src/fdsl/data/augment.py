"""How training images are varied: drawn from each image's identity, epoch and repetition."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fdsl.data.crop import random_resized_crops
from fdsl.errors import InputError, check_float


@dataclass(frozen=True)
class Plan:
    """What the renderer is told of a batch."""

    view: NDArray[np.float64] | None
    tone: NDArray[np.uint8] | None


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """What happens to a training image.

    Attributes:
        crop_scale: smallest and largest share of the canvas that a random resized crop shows; None for all of it.

    Raises:
        InputError: a field is out of range.
    """

    crop_scale: tuple[float, float] | None = (0.35, 1.0)

    def __post_init__(self) -> None:
        if self.crop_scale is None:
            return
        try:
            low, high = self.crop_scale
        except (TypeError, ValueError) as error:
            raise InputError(f"crop_scale must be two numbers, got {self.crop_scale!r}") from error
        if check_float("crop_scale", low, 0.01, 1) > check_float("crop_scale", high, 0.01, 1):
            raise InputError(f"crop_scale must go from low to high, got {self.crop_scale!r}")

    def plan(
        self,
        seed: int,
        categories: NDArray[np.int64],
        instances: NDArray[np.int64],
        epochs: NDArray[np.int64],
        *,
        repeats: NDArray[np.int64] | int = 0,
        canvas: int,
    ) -> Plan:
        """Return how the images (categories[n], instances[n]) look in their epoch and repetition."""
        if self.crop_scale is None:
            return Plan(None, None)
        passes = epochs * 64 + repeats
        return Plan(random_resized_crops(seed, categories, instances, passes, canvas, self.crop_scale), None)
