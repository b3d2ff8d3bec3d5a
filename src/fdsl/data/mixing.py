"""Mixup and CutMix of whole batches, drawn from the number of a batch's first sample, and the soft targets they need.

Sources: Zhang et al., "mixup: Beyond Empirical Risk Minimization", ICLR 2018; Yun et al., "CutMix", ICCV 2019. As in
timm's batch mode, one share serves a batch, image n's partner is image B-1-n, and a box that the border cuts gives its
true area to the targets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fdsl.errors import check_float, check_int
from fdsl.random import Purpose, blocks, check_seed

STREAM = "mix"
CUTMIX_SHARE = 0.5
"""Share of the batches that CutMix gets when mixup is on too."""
PAIRS_AT_ONCE = 16
"""Pairs mixed at a time: what is set aside for them stays in cache, and never costs a page fault an image."""

Box = tuple[slice, slice]


@dataclass(frozen=True)
class Mix:
    """How one batch is mixed."""

    share: float
    """Of an image itself in its target, 0..1; its partner has the rest."""
    box: Box | None
    """Rows and columns that come from the partner (CutMix); None blends all of them by `share` (mixup)."""


@dataclass(frozen=True, kw_only=True)
class Mixing:
    """Mixup, CutMix and label smoothing of batches.

    Attributes:
        classes: number of labels C.
        mixup: alpha of mixup, its share being Beta(alpha, alpha); 0 is off.
        cutmix: alpha of CutMix; 0 is off. With both on, each batch gets one of them by a fair coin.
        label_smoothing: probability spread evenly over all classes, 0..1.
        seed: of shares, coins and boxes, 0..2^32-1.

    Raises:
        InputError: a field is out of range.
    """

    classes: int
    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_int("classes", self.classes, 1)
        check_float("mixup", self.mixup, 0, 100)
        check_float("cutmix", self.cutmix, 0, 100)
        check_float("label_smoothing", self.label_smoothing, 0, 1)
        check_seed(self.seed)

    @property
    def mixes(self) -> bool:
        """Whether images change; a batch then needs an even number of them."""
        return bool(self.mixup or self.cutmix)

    def draw(self, number: int, height: int, width: int) -> Mix:
        """Return how the batch that begins with sample `number` is mixed; no other batch needs to be drawn for it.

        NumPy draws from the Beta distribution, keyed by the address: another of its versions may draw other shares.
        """
        word = blocks(self.seed, STREAM, number >> 32, number & 0xFFFFFFFF, Purpose.MIX, 0)
        key = int.from_bytes(word.astype(">u4").tobytes())
        random = np.random.Generator(np.random.Philox(key=key))
        cut = self.cutmix > 0 and (self.mixup == 0 or random.random() < CUTMIX_SHARE)
        alpha = self.cutmix if cut else self.mixup
        share = float(random.beta(alpha, alpha))
        if not cut:
            return Mix(share, None)
        rows, columns = (_around(int(random.integers(side)), share, side) for side in (height, width))
        area = (rows.stop - rows.start) * (columns.stop - columns.start)
        return Mix(1 - area / (height * width), (rows, columns))

    def __call__(self, images: Tensor, labels: Tensor, number: int) -> Tensor:
        """Mix a batch in place and return its targets.

        Args:
            images: float [B, channels, H, W], in any linear scale.
            labels: int64 [B] on the same device.
            number: of the batch's first sample, 0..2^64-1.

        Returns:
            `labels` themselves if mixup, CutMix and smoothing are all off, otherwise float32 [B, C], each row a
            distribution.
        """
        if not self.mixes and not self.label_smoothing:
            return labels
        smooth = self.label_smoothing / self.classes
        targets = torch.full((len(labels), self.classes), smooth, device=labels.device)
        targets.scatter_(1, labels[:, None], 1 - self.label_smoothing + smooth)
        if self.mixes:
            mix = self.draw(number, *images.shape[-2:])
            blend(targets, mix.share)
            if mix.box is None:
                blend(images, mix.share)
            else:
                blend(images[..., mix.box[0], mix.box[1]], 0.0)
        return targets


def blend(rows: Tensor, share: float) -> None:
    """Replace row n by share * row n + (1 - share) * row B-1-n, all rows of [B, ...] in place."""
    count = len(rows)
    for begin in range(0, count // 2, PAIRS_AT_ONCE):
        end = min(begin + PAIRS_AT_ONCE, count // 2)
        front, back = rows[begin:end], rows[count - end : count - begin]
        kept = front.flip(0)
        front.lerp_(back.flip(0), 1 - share)
        back.lerp_(kept, 1 - share)


def _around(centre: int, share: float, side: int) -> slice:
    """Return the part of 0..side-1 that a cut of sqrt(1 - share) of it covers around `centre`."""
    cut = int(side * np.sqrt(1 - share))
    return slice(max(0, centre - cut // 2), min(side, centre + (cut + 1) // 2))
