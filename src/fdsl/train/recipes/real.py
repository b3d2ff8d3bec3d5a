"""Fine-tuning as the publications do, as far as fine-tuning here goes; the model is that of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fdsl.train.config import FinetuneConfig

DEIT: dict[str, Any] = {
    "size": 224,
    "label_smoothing": 0.1,
    "drop_path": 0.1,
    "mixup": 0.8,
    "cutmix": 1.0,
    "augment": "crop",
    "flip": True,
}
"""What DeiT does to real images and weights, as far as it goes here."""


def imagenet(out: Path, data: Path, weights: Path | None, seed: int = 0) -> FinetuneConfig:
    """Fine-tuning on ImageNet-1k for 300 passes, without RandAugment, random erasing and repeated augmentation.

    Source: Kataoka et al., CVPR 2022, and scripts/finetune.sh of its release: DeiT-B, 64 images on each of 16 GPUs,
    AdamW, lr 1e-3, which is DeiT's for 1,024. Its exe_*.sh leave out drop path and random erasing, its README has
    both. Crops show 0.35 to 1 of an image here, there 0.08 to 1; the cosine ends at zero, there at 1e-5.
    Cost: 384 million images. By DeiT's figures (arXiv 2012.12877, section 5.6) 424 V100-hours for base, under 288 for
    tiny or small.
    Measured: not measured here.
    """
    return FinetuneConfig(
        out=out,
        data=str(data),
        weights=weights,
        epochs=300,
        batch_size=1024,
        lr=1e-3,
        weight_decay=0.05,
        warmup=5 / 300,
        **DEIT,
        seed=seed,
    )


def small_sets(out: Path, data: Path, weights: Path | None, seed: int = 0) -> FinetuneConfig:
    """Fine-tuning on CIFAR, Cars, Flowers and their like for 1,000 passes, with SGD.

    Source: Takashima et al., CVPR 2023, and scripts/finetune.sh of its release: 96 images on each of 8 GPUs, lr 0.01,
    weight decay 1e-4, 10 passes of warm-up. It builds on the release of Nakashima et al., AAAI 2022, from which label
    smoothing, mixup, CutMix and the flip come and whose own optimiser is AdamW at 5e-4. Missing
    here: RandAugment, random erasing, crops of less than 0.35 (there 0.08), the cosine's end at 1e-5.
    Cost: 1,000 passes; 50 million images for CIFAR. By DeiT's figures (arXiv 2012.12877, section 5.6) 55 V100-hours
    for base, under 38 for tiny or small.
    Measured: not measured here.
    """
    return FinetuneConfig(
        out=out,
        data=str(data),
        weights=weights,
        epochs=1000,
        batch_size=768,
        optimizer="sgd",
        lr=0.01,
        weight_decay=1e-4,
        warmup=10 / 1000,
        **DEIT,
        seed=seed,
    )
