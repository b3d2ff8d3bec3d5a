"""Pre-training: a classifier of formula categories, on images drawn as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from fdsl.data.dataset import UNLIMITED, FormulaDataset
from fdsl.data.loader import Loader
from fdsl.errors import InputError
from fdsl.formulas import Family, altered_family, family
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.options import family_fields, parse_options
from fdsl.train.accuracy import BATCH, share_right
from fdsl.train.config import PretrainConfig
from fdsl.train.device import batch_of_one, borrowed_state, describe, drawing_threads, make_fabric, reseed
from fdsl.train.learner import Learner
from fdsl.train.loop import train
from fdsl.train.meter import Meter, Window
from fdsl.train.model import build_model
from fdsl.train.objective import OBJECTIVES, SEGMENT, Objective, Overlap
from fdsl.train.progress import say
from fdsl.train.run import Number, RunFolder
from fdsl.train.segmentation import Segmenter, build_segmenter, save_head
from fdsl.train.weights import save_weights

UNLIMITED_HELD_OUT = 1 << 31
"""First held-out instance where training has no last one: it would take 2^31 / 1,000 epochs to get there."""


@dataclass(frozen=True, kw_only=True)
class PretrainResult:
    """What a pre-training run came to."""

    out: Path
    """The run's folder; its weights load with timm's local-dir."""
    steps: int
    samples: int
    seconds: float
    """Time spent drawing and learning, without evaluation and checkpoints."""
    samples_per_second: float
    draw_share: float
    """Share of `seconds` the model waited for images."""
    loss: float
    """Mean training loss since the last but one report."""
    train_accuracy: float
    """Accuracy on the augmented training images since the last but one report, in 0..1."""
    accuracy: float
    """Accuracy on held-out instances of the same categories, drawn without augmentation, in 0..1. Of several classes,
    the share of images whose likeliest class is in them; of masks, the share of pixels."""
    held_out: int
    """Held-out images drawn."""
    target: str
    """What was learned: class, classes or mask."""
    mean_iou: float | None
    """Of masks, mean intersection over union of the categories and the background on held-out images, in 0..1."""
    untrained: tuple[str, ...]
    """Of masks, parameters behind the last feature map, which are saved at their random start."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {**vars(self), "out": str(self.out), "untrained": list(self.untrained)}


class PretrainTask:
    """Feeds the loop with batches of `dataset`."""

    name = "pretrain"
    columns: tuple[str, ...] = (
        "step",
        "samples",
        "lr",
        "loss",
        "accuracy",
        "grad_norm",
        "samples_per_second",
        "data_stall",
        "memory_mb",
    )

    def __init__(self, config: PretrainConfig, dataset: FormulaDataset, fabric: Fabric) -> None:
        """Set up the loader, and have it measure the mean and deviation of the images."""
        self._config = config
        self.steps = config.steps
        self._loader = Loader(
            dataset,
            batch_of_one(config.batch_size, fabric, even=bool(config.mixup or config.cutmix)),
            seed=config.seed,
            augment=config.augmentation,
            repeats=config.aug_repeats,
            mixup=config.mixup,
            cutmix=config.cutmix,
            label_smoothing=config.label_smoothing,
            device=fabric.device,
            renderer=config.renderer,
            rank=fabric.global_rank,
            world_size=fabric.world_size,
            samples=config.samples,
        )
        if fabric.device.type == "cuda" and config.renderer == "auto" and self._loader.renderer == "cpu":
            say("images are drawn on the CPU; pip install 'fdsl[cuda]' has NVIDIA GPUs draw their own")
        self.standardize = self._loader.standardize

    def batches(self, step: int) -> Iterable[tuple[Tensor, Tensor]]:
        """Return the batches after update `step`."""
        self._loader.seek(step * self._config.batch_size)
        return self._loader

    def reports_after(self, step: int) -> bool:
        """Report every `log_every` updates and after the last."""
        return step % self._config.log_every == 0 or step == self.steps

    def row(self, window: Window, model: Callable[[], nn.Module]) -> dict[str, Number]:
        """Return the means of the window."""
        return {"samples": window.step * self._config.batch_size, **vars(window)}


def pretrain(config: PretrainConfig) -> PretrainResult:
    """Pre-train a model on images of one family and save it to `config.out`.

    Raises:
        InputError: a field does not fit another, or the folder holds something else.
        DataError: a checkpoint or category file is damaged.
        FdslError: the loss stopped being a finite number.
    """
    drawn = _family(config)
    run = RunFolder(config, "pretrain", PretrainTask.columns, dataset=drawn.digest(config.seed))
    fabric = make_fabric(config.precision, config.strategy)
    threads = drawing_threads(fabric.device, config.threads)
    objective = OBJECTIVES[drawn.target if config.target == "auto" else config.target]
    dataset = FormulaDataset(
        drawn,
        config.instances,
        config.size,
        config.seed,
        targets=objective.target,
        lines=config.lines,
        threads=threads,
    )
    with borrowed_state(fabric.device, config.threads), run:
        learner = _learner(config, drawn.classes, fabric, objective)
        task = PretrainTask(config, dataset, fabric)
        meter = train(task, learner, config, run, describe(fabric))
        model = learner.best_model()
        if fabric.is_global_zero:
            _save(model, config, task, dataset.classes)
        overlap = Overlap(1 + drawn.classes) if objective is SEGMENT else None
        held_out = _held_out(dataset, config, fabric)
        accuracy = share_right(fabric, model, held_out, task.standardize, objective, overlap)
        result = _result(config, meter, accuracy, objective.target, overlap, model)
        run.finish(result.to_json())
    return result


def _family(config: PretrainConfig) -> Family:
    """Build the family; check that training and the held-out images after it find instances enough."""
    base = family(config.family, **family_fields(config.classes, config.options))
    drawn = altered_family(base, *config.alter)
    held_out = ceil(config.held_out / drawn.classes)
    if config.instances is None:
        epochs = UNLIMITED_HELD_OUT // UNLIMITED
        most = epochs * UNLIMITED * drawn.classes * config.aug_repeats
        if config.samples > most:
            raise InputError(
                f"samples must be <= {most} with {drawn.classes} classes, got {config.samples}: "
                f"new instances last for {epochs} epochs"
            )
    elif config.instances + held_out > MAX_INSTANCE:
        raise InputError(
            f"instances must be <= {MAX_INSTANCE - held_out}, got {config.instances}: "
            f"{held_out} more of each category are held out"
        )
    return drawn


def _learner(config: PretrainConfig, classes: int, fabric: Fabric, objective: Objective) -> Learner:
    reseed(config.seed, "pretrain weights", 0)
    args = parse_options("model_args", config.model_args)
    build, outputs = (build_segmenter, 1 + classes) if objective is SEGMENT else (build_model, classes)
    model = build(config.model, args, size=config.size, classes=outputs, drop_path=config.drop_path)
    if isinstance(model, Segmenter) and model.untrained:
        names = ", ".join(model.untrained)
        say(f"behind the last feature map, and not trained by masks: {names}")
    return Learner(model, config, steps=config.steps, fabric=fabric, objective=objective)


def _save(model: nn.Module, config: PretrainConfig, task: PretrainTask, classes: Sequence[str]) -> None:
    """Write the weights for timm; a segmentation's head, which timm has no place for, beside them."""
    mean, std = task.standardize.mean, task.standardize.std
    if isinstance(model, Segmenter):
        save_weights(model.backbone, config.out, size=config.size, mean=mean, std=std, classes=())
        save_head(model, config.out)
    else:
        save_weights(model, config.out, size=config.size, mean=mean, std=std, classes=classes)


def _held_out(
    dataset: FormulaDataset, config: PretrainConfig, fabric: Fabric
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield images of instances that training never sees, as they are; of several processes, to each its share."""
    first = UNLIMITED_HELD_OUT if config.instances is None else config.instances
    classes, masks = dataset.family.classes, dataset.target_names == "mask"
    # logits of every pixel fill gigabytes: no more images at once than training had room for
    most = min(BATCH, config.batch_size) if masks else BATCH
    own = np.arange(fabric.global_rank, config.held_out, fabric.world_size)
    for start in range(0, len(own), most):
        numbers = own[start : start + most]
        categories = numbers % classes  # an instance of every category, then the next
        if config.held_out < classes:
            categories = numbers * classes // config.held_out  # of some, from the first to the last
        identity = categories, first + numbers // classes
        targets = torch.from_numpy(dataset.draw_targets(*identity)[str(dataset.target_names)])
        yield torch.from_numpy(dataset.draw(*identity)), targets.long() if masks else targets


def _result(
    config: PretrainConfig,
    meter: Meter,
    accuracy: float,
    target: str,
    overlap: Overlap | None,
    model: nn.Module,
) -> PretrainResult:
    samples = config.steps * config.batch_size
    return PretrainResult(
        out=config.out,
        steps=config.steps,
        samples=samples,
        seconds=meter.seconds,
        samples_per_second=samples / meter.seconds,
        draw_share=meter.waited / meter.seconds,
        loss=meter.last.loss,
        train_accuracy=meter.last.accuracy,
        accuracy=accuracy,
        held_out=config.held_out,
        target=target,
        mean_iou=None if overlap is None else overlap.mean,
        untrained=model.untrained if isinstance(model, Segmenter) else (),
    )
