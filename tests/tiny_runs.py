"""Training runs of a second or two, for the tests of training: how to make, interrupt and look at them."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fdsl.train import FinetuneConfig, PretrainConfig, finetune, pretrain
from fdsl.train.learner import Learner

TINY = ("patch_size=16", "embed_dim=16", "depth=1", "num_heads=2", "class_token=false", "global_pool=avg")
# Everything that draws random numbers while it trains; and what pre-training draws besides.
RANDOM = {"drop_path": 0.2, "mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1, "ema_decay": 0.9}
AUGMENTED = {
    "hflip": 0.5,
    "vflip": 0.5,
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "random_erasing": 0.5,
    "aug_repeats": 3,
}


def pretrain_config(out: Path, **changed: Any) -> PretrainConfig:
    """Return a pre-training of seconds, with some fields changed."""
    fields: dict[str, Any] = {
        "classes": 4,
        "instances": 8,
        "size": 32,
        "lines": "crisp",
        "model_args": TINY,
        "samples": 72,
        "batch_size": 6,
        "log_every": 4,
        "checkpoint_every": 3,
        "held_out": 10,
        "threads": 1,
        "precision": "32",
        "clip_grad": 1.0,
    }
    return PretrainConfig(out=out, **{**fields, **changed})


def finetune_config(out: Path, **changed: Any) -> FinetuneConfig:
    """Return a fine-tuning of seconds, with some fields changed."""
    fields: dict[str, Any] = {
        "data": "digits",
        "model": "vit_tiny_patch16_224",
        "model_args": TINY,
        "size": 32,
        "labels": 20,
        "epochs": 3,
        "batch_size": 6,
        "checkpoint_every": 3,
        "test_limit": 20,
        "threads": 1,
        "precision": "32",
    }
    return FinetuneConfig(out=out, **{**fields, **changed})


def run_config(config: PretrainConfig | FinetuneConfig) -> Any:
    """Make the run and return its result."""
    return pretrain(config) if isinstance(config, PretrainConfig) else finetune(config)


def run_until(config: PretrainConfig | FinetuneConfig, update: int) -> None:
    """Start a run and interrupt it, as Ctrl-C would, during the given update."""
    with interrupted(update):
        run_config(config)


@contextlib.contextmanager
def interrupted(update: int, *, of_all: bool = False) -> Iterator[None]:
    """Interrupt the block during the given update of a run; with `of_all`, counted over all runs in the block."""
    original, made = Learner.update, 0

    def interrupting(self: Learner, images: Any, targets: Any, step: int, **how: Any) -> Any:
        nonlocal made
        made = made + 1 if of_all else step + 1
        if made == update:
            raise KeyboardInterrupt
        return original(self, images, targets, step, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "update", interrupting)
        with pytest.raises(KeyboardInterrupt):
            yield


def metrics(out: Path) -> list[dict[str, str]]:
    """Return the metrics without the columns that a clock or the machine's memory decides."""
    measured = ("samples_per_second", "data_stall", "memory_mb")
    with (out / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k not in measured} for row in csv.DictReader(file)]


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, but the lock."""
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock"]
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}
