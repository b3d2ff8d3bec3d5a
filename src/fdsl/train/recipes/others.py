"""Pre-training as published with other models and targets: masks with a Swin, several labels with a ResNet."""

from __future__ import annotations

from pathlib import Path

from fdsl.train.config import PretrainConfig


def swin_tiny_segrcdb(out: Path, seed: int = 0) -> PretrainConfig:
    """Swin-T at 512 pixels segmenting SegRCDB's 20,000 images of 32 contours, masks of kind M1.

    Source: Shinoda et al., "SegRCDB: Semantic Segmentation via Formula-Driven Supervised Learning", ICCV 2023, and the
    settings released with it: 300 epochs of 32 images, AdamW, lr 6e-4, weight decay 0.01, 1,500 updates of warm-up,
    drop path 0.3. There a UPerNet decodes; here a linear head does, and the learning rate falls along a cosine.
    Cost: 6 million images of 512 pixels, days on one GPU.
    Measured: not measured here.
    """
    return PretrainConfig(
        out=out,
        family="SegRCDB",
        instances=79,  # of 254 categories: 20,066 images
        size=512,
        lines="crisp",
        model="swin_tiny_patch4_window7_224",
        samples=6_000_000,
        batch_size=32,
        lr=6e-4,
        weight_decay=0.01,
        warmup=1500 / 187_500,
        drop_path=0.3,
        crop_scale=(0.25, 1.0),
        hflip=0.5,
        seed=seed,
    )


def resnet50_multifractal(out: Path, seed: int = 0) -> PretrainConfig:
    """ResNet-50 at 224 pixels on the categories of one to five colour fractals, a binary cross-entropy each.

    Source: Anderson and Farrell, "Improving Fractal Pre-training", WACV 2022: 1,000 categories, a million images an
    epoch, 90 epochs, weight decay 1e-4. There SGD with a learning rate of 0.1; here AdamW.
    Cost: 90 million images, days on one GPU.
    Measured: not measured here.
    """
    return PretrainConfig(
        out=out,
        family="MultiFractal",
        classes=1000,
        instances=None,
        size=224,
        model="resnet50",
        samples=90_000_000,
        batch_size=512,
        lr=1e-3,
        weight_decay=1e-4,
        crop_scale=(0.35, 1.0),
        hflip=0.5,
        vflip=0.5,
        checkpoint_every=5000,
        seed=seed,
    )
