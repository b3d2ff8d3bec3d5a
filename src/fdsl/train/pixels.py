"""From uint8 pixels to what a model sees."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class Standardize:
    """Map uint8 images to three channels of mean 0 and deviation 1, on whatever device they are."""

    def __init__(self, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        """Keep what to subtract and divide by, a channel: 3 values in 0..1 each."""
        self.mean, self.std = tuple(mean), tuple(std)
        deviation = torch.tensor(self.std, device=device).view(3, 1, 1)
        self._scale = 1 / (255 * deviation)
        self._shift = torch.tensor(self.mean, device=device).view(3, 1, 1) / deviation

    def __call__(self, images: Tensor) -> Tensor:
        """Return float32 [B, 3, H, W] of uint8 [B, H, W] or [B, H, W, 3]; gray is repeated."""
        channels = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
        return channels * self._scale - self._shift

    @classmethod
    def of(cls, images: NDArray[np.uint8], device: torch.device) -> Standardize:
        """Measure the mean and deviation of `images`, uint8 [N, H, W] or [N, H, W, 3].

        A channel without any contrast keeps its scale.
        """
        depth = 3 if images.ndim == 4 else 1
        counts = np.zeros((depth, 256))
        for image in images:  # histograms are exact and need no float copy
            for channel, pixels in enumerate(image.reshape(-1, depth).T):
                counts[channel] += np.bincount(pixels, minlength=256)
        counts /= counts.sum(1, keepdims=True)
        levels = np.arange(256) / 255
        mean = counts @ levels
        std = np.sqrt(counts @ levels**2 - mean**2)
        std = np.where(std > 1 / 255, std, 1.0)
        three = np.broadcast_to(np.stack([mean, std]), (2, 3))
        return cls(three[0].tolist(), three[1].tolist(), device)
