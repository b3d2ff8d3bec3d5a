"""Recipes: functions that return a config and say where it comes from, what it costs and what it measured."""

from __future__ import annotations

from pathlib import Path

from fdsl.cores import usable_cores
from fdsl.train.config import FinetuneConfig, PretrainConfig

PROBE_VIT = (
    "patch_size=8",
    "embed_dim=128",
    "depth=4",
    "num_heads=4",
    "class_token=false",
    "global_pool=avg",
)
"""Arguments that make `vit_tiny_patch16_224` a transformer of 0.8 million weights for 32 pixels."""
FEW, FEW_BATCH = 200, 25
"""Up to so many labelled images, small batches: an epoch would be two or three updates otherwise."""
MOST_THREADS = 4
"""In fine-tuning: small batches of small images keep no more busy. One core is left to the rest of the system, since
a thread that has to wait for its core holds up all others: seven times slower was measured on two busy cores."""


def epochs_for(labels: int) -> int:
    """Return passes over `labels` images: about as many updates as a small transformer needs from scratch."""
    for most, epochs in ((200, 100), (800, 40), (2000, 30)):
        if labels <= most:
            return epochs
    return 15


def batch_for(labels: int) -> int:
    """Return the batch size to fine-tune on `labels` images with."""
    return min(FEW_BATCH, labels) if labels <= FEW else 64


def threads_for(threads: int | None) -> int:
    """Return the threads to fine-tune a small model with, where a person asks for `threads` or for none."""
    return threads or min(MOST_THREADS, max(1, usable_cores() - 1))


def probe_rcdb100(out: Path, seed: int = 0) -> PretrainConfig:
    """Small transformer, 32 pixels, 100 RCDB categories, area-averaged: the smallest run known to transfer.

    Source: this project; what `fdsl demo` runs.
    Cost: 450,000 images; 6 to 8 minutes on 2 cores, drawing included.
    Measured (RESULTS.md): 24.6% of held-out drawings; +19.8 points on scikit-learn's digits with 10 labels a class.
    With `samples=1_000_000`, `instances=None` and crops by an earlier rule, 14 minutes: 45.5%; +11.1 points on CIFAR-10
    with 1,000 labels, +12.7 with 5,000, each side at its best of three learning rates.
    """
    return PretrainConfig(
        out=out,
        family="RCDB",
        classes=100,
        size=32,
        lines="area",
        crop_scale=(0.35, 1.0),
        model_args=PROBE_VIT,
        samples=450_000,
        seed=seed,
    )


def probe_cifar10(
    out: Path, data: Path, weights: Path | None, *, labels: int = 1000, seed: int = 0
) -> FinetuneConfig:
    """Fine-tuning on few CIFAR-10 images; `weights=None` is its twin from scratch.

    Source: this project.
    Cost: 20 seconds with 1,000 labels on one core of an Intel Xeon with AMX, 50 with 5,000.
    Measured (RESULTS.md), with a million images of `probe_rcdb100`: 47.7% with 1,000 labels (scratch 36.3%), 57.6% with
    5,000 (scratch 44.1%), both at this learning rate.
    """
    return FinetuneConfig(
        out=out,
        data=str(data),
        weights=weights,
        model="vit_tiny_patch16_224",
        model_args=PROBE_VIT,
        size=32,
        labels=labels,
        epochs=30 if labels <= 1000 else 15,
        seed=seed,
    )


def deit_tiny_rcdb1k(out: Path, seed: int = 0) -> PretrainConfig:
    """DeiT-Ti at 224 pixels on 1,000 RCDB categories of 1,000 images each, in the manner of the publication.

    Source: Kataoka et al., "Replacing Labeled Real-Image Datasets with Auto-Generated Contours", CVPR 2022, with
    the DeiT settings it builds on: 300 epochs, AdamW, mixup, CutMix, drop path, label smoothing, RandAugment, random
    erasing, three samples an image in a row; no flips.
    Cost: 300 million images, days on one GPU.
    Measured: not measured here.
    """
    return PretrainConfig(
        out=out,
        family="RCDB",
        classes=1000,
        instances=1000,
        size=224,
        model="deit_tiny_patch16_224",
        samples=300_000_000,
        batch_size=1024,
        lr=1e-3,
        weight_decay=0.05,
        warmup=5 / 300,
        label_smoothing=0.1,
        drop_path=0.1,
        mixup=0.8,
        cutmix=1.0,
        crop_scale=(0.08, 1.0),
        auto_augment="rand-m9-mstd0.5-inc1",
        random_erasing=0.25,
        aug_repeats=3,
        checkpoint_every=5000,
        seed=seed,
    )


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
