"""Recipes that finish within an hour: a small transformer on a laptop, a DeiT-Ti on one GPU."""

from __future__ import annotations

from dataclasses import replace
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
    Measured: 24.6% of held-out drawings; +19.8 points on scikit-learn's digits with 10 labels a class (RESULTS.md).
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


def laptop_rcdb100(out: Path, seed: int = 0) -> PretrainConfig:
    """`probe_rcdb100` for a million images, none of which comes twice.

    Source: this project.
    Cost: 1,000,000 images; 14 minutes on 2 cores of an Intel Xeon with AMX, drawing included.
    Measured: 34.3% of held-out drawings, 54.8% of the crops it learns from; +11.8 points on CIFAR-10 with 5,000 labels
    (RESULTS.md). With crops by an earlier rule 45.5% of held-out ones; +11.1 with 1,000 labels, +12.7 with 5,000, each
    side at its best of three learning rates.
    """
    return replace(probe_rcdb100(out, seed), samples=1_000_000, instances=None)


def gpu_hour_rcdb1k(out: Path, seed: int = 0) -> PretrainConfig:
    """DeiT-Ti at 224 pixels on RCDB-1k, for an hour of one GPU.

    Source: this project. The learning rate is DeiT's for this batch size, 5e-4 x batch / 512; mixup, CutMix,
    RandAugment and random erasing, which longer runs take against overfitting, stay out.
    Cost: 2,500,000 images; an hour at 700 images a second. That rate is an assumption: DeiT's figures (arXiv
    2012.12877, section 5.6: under 72 hours on 4 GPUs for 384 million images) put a V100 above 370. One CPU core
    draws 9,000 such images a second (docs/benchmarks.md).
    Measured: not measured here.
    """
    return PretrainConfig(
        out=out,
        family="RCDB",
        classes=1000,
        model="deit_tiny_patch16_224",
        samples=2_500_000,
        batch_size=512,
        lr=5e-4,
        label_smoothing=0.1,
        seed=seed,
    )


def probe_digits(out: Path, weights: Path | None, *, seed: int = 0) -> FinetuneConfig:
    """Fine-tuning on ten labels a class of scikit-learn's digits, which need no download.

    Source: this project; what `fdsl demo` runs.
    Cost: 400 updates of 25 images; half a minute on one core.
    Measured: 86.3% after `probe_rcdb100`, 66.5% from scratch, means of three seeds at this learning rate (RESULTS.md).
    """
    return FinetuneConfig(
        out=out,
        data="digits",
        weights=weights,
        model="vit_tiny_patch16_224",
        model_args=PROBE_VIT,
        size=32,
        labels=100,
        epochs=epochs_for(100),
        batch_size=batch_for(100),
        seed=seed,
    )


def probe_cifar10(
    out: Path, data: Path, weights: Path | None, *, labels: int = 1000, seed: int = 0
) -> FinetuneConfig:
    """Fine-tuning on few CIFAR-10 images; `weights=None` is its twin from scratch.

    Source: this project.
    Cost: 20 seconds with 1,000 labels on one core of an Intel Xeon with AMX, 50 with 5,000 and half the passes.
    Measured: 47.7% after `laptop_rcdb100` with 1,000 labels (scratch 36.3%), 57.6% with 5,000 (scratch 44.1%), both at
    this learning rate (RESULTS.md).
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
