"""Fine-tuning: a classifier of real images, from pre-trained weights or by the same path from scratch."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric
from torch import nn

from fdsl.data.real import RealImages
from fdsl.errors import InputError
from fdsl.train.accuracy import Predictions
from fdsl.train.config import FinetuneConfig
from fdsl.train.device import borrowed_state, describe, make_fabric
from fdsl.train.finetuning.answers import write_answers
from fdsl.train.finetuning.images import open_splits, shown_share
from fdsl.train.finetuning.parts import PROBE, check_whole, finished, last_part_resumed, resumed
from fdsl.train.finetuning.starting import (
    architecture_of,
    filled_model,
    freeze_backbone,
    starting_model,
    take_over,
)
from fdsl.train.finetuning.task import FinetuneTask
from fdsl.train.learner import Learner
from fdsl.train.loop import train
from fdsl.train.meter import Meter
from fdsl.train.progress import say
from fdsl.train.run import RunFolder
from fdsl.train.weights import Architecture, MatchReport, save_weights

FEW_UPDATES = 50
"""Fewer than that leave even a head near its random start."""


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """What a fine-tuning run came to."""

    out: Path
    """The run's folder; its weights load with timm's local-dir."""
    accuracy: float
    """Accuracy on the test images after the last epoch, in 0..1."""
    class_average_accuracy: float
    """Mean of the accuracies a class, in 0..1: every class counts alike."""
    per_class: dict[str, float]
    """The accuracy a class; classes without test images are left out."""
    test_images: int
    labels: int
    """Labelled training images used."""
    epochs: int
    steps: int
    seed: int
    lr: float
    """Peak learning rate."""
    seconds: float
    """Time spent learning, without evaluation and checkpoints."""
    samples_per_second: float
    loss: float
    """Mean training loss of the last epoch."""
    train_accuracy: float
    """Accuracy on the augmented training images in the last epoch, in 0..1."""
    model: str
    size: int
    weights: str | None
    """Where the weights came from; None is from scratch."""
    match: MatchReport | None
    """How they met the model."""
    skipped: tuple[str, ...]
    """Broken images left out."""
    probe_accuracy: float | None = None
    """Test accuracy of the head alone, before all of the model was fine-tuned; None without that part."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        match = self.match.to_json() if self.match is not None else None
        return {**vars(self), "out": str(self.out), "match": match, "skipped": list(self.skipped)}


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a part that learns the head left for the part that learns everything."""

    weights: Path
    accuracy: float
    match: MatchReport | None
    """How the weights that it started from itself met the model."""


def finetune(config: FinetuneConfig) -> FinetuneResult:
    """Fine-tune a model on real images, test it and save it to `config.out`.

    With `probe_epochs` it is two runs: one of the head alone in `config.out/probe`, and one of all of the model that
    starts from there (linear probing, then fine-tuning: Kumar et al., ICLR 2022).

    Raises:
        InputError: a field does not fit another or the data, or the folder holds something else.
        DataError: an image, the weights or a checkpoint are damaged.
        FdslError: the loss stopped being a finite number.
    """
    if config.seeds:
        raise InputError("seeds must be empty for one fine-tuning: finetune_seeds(config) makes one for each")
    if not config.probe_epochs:
        return _fine_tune(config, None)
    config, start = _probed(config, make_fabric(config.precision, config.strategy))
    return _fine_tune(config, start)


def _probed(config: FinetuneConfig, fabric: Fabric) -> tuple[FinetuneConfig, Start]:
    """Learn the head alone, as far as that is not done; return how to go on, and from what."""
    probe = replace(
        config,
        out=config.out / PROBE,
        freeze=True,
        epochs=config.probe_epochs,
        lr=config.probe_lr,
        probe_epochs=0,
        layer_decay=1.0,
        eval_every=0,
    )
    check_whole(config, fabric, PROBE)
    config = last_part_resumed(config, fabric)
    done = finished(probe, fabric)
    if done is None:
        say(f"the head alone, in {probe.out}:")
        done = _fine_tune(resumed(probe, fabric), None).to_json()
    fabric.barrier()  # the weights are there once the first process has written them
    match = MatchReport.from_json(done["match"]) if done["match"] is not None else None
    return config, Start(weights=probe.out, accuracy=float(done["accuracy"]), match=match)


def _fine_tune(config: FinetuneConfig, start: Start | None) -> FinetuneResult:
    """Make one run; with `start` its weights are those of the part before it."""
    beside = frozenset({PROBE}) if start is not None else frozenset[str]()
    run = RunFolder(config, "finetune", FinetuneTask.columns, beside=beside)
    architecture = architecture_of(config)
    fabric = make_fabric(config.precision, config.strategy)
    images, test_images = _open(config, fabric)
    with borrowed_state(fabric.device, config.threads), run:
        model, match = _model(config, architecture, start, classes=len(images.classes))
        task = FinetuneTask(config, images, test_images, architecture.size, fabric)
        _say_size(config, len(images), len(test_images), task.steps)
        learner = Learner(model, config, steps=task.steps, fabric=fabric, layer_decay=config.layer_decay)
        meter = train(task, learner, config, run, describe(fabric))
        best = learner.best_model()
        said = task.test(best, task.steps)
        result = _result(config, architecture, match, meter, said, labels=len(images), steps=task.steps)
        result = replace(
            result,
            skipped=images.skipped + test_images.skipped,
            probe_accuracy=start.accuracy if start is not None else None,
        )
        if fabric.is_global_zero:
            save_weights(
                best,
                config.out,
                size=architecture.size,
                mean=task.standardize.mean,
                std=task.standardize.std,
                classes=images.classes,
                share=shown_share(config, architecture.size),
            )
            write_answers(config.out, said, test_images.describe_each())
        run.finish(result.to_json())
    return result


def _open(config: FinetuneConfig, fabric: Fabric) -> tuple[RealImages, RealImages]:
    """Open the images, in several processes one after the other if they are to be downloaded; say what is odd."""
    one_first = config.download and fabric.world_size > 1
    with fabric.rank_zero_first(local=True) if one_first else contextlib.nullcontext():
        images, test_images = open_splits(config)
    if skipped := images.skipped + test_images.skipped:
        first = " first" if len(skipped) > 1 else ""
        say(f"{len(skipped)} broken image{'s' * (len(skipped) > 1)} left out:{first} {skipped[0]}")
    tested = set(test_images.labels.tolist())
    if config.test_limit is None and len(tested) < len(images.classes):
        names = [name for label, name in enumerate(images.classes) if label not in tested]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        say(f"no test images of {len(names)} of {len(images.classes)} classes: {', '.join(names[:3])}{more}")
    return images, test_images


def _say_size(config: FinetuneConfig, images: int, test_images: int, steps: int) -> None:
    """Say how much there is to learn from, and that so few updates teach little if they do."""
    few = "; a smaller batch_size or more epochs make more" if steps < FEW_UPDATES else ""
    say(
        f"{images:,} images to learn from, {test_images:,} to test on; {steps:,} updates of {config.batch_size}{few}"
    )


def _model(
    config: FinetuneConfig, architecture: Architecture, start: Start | None, *, classes: int
) -> tuple[nn.Module, MatchReport | None]:
    """Build the model and fill it with what it starts from; say what the weights did not fill."""
    if start is not None:
        model = starting_model(config, architecture, classes=classes)
        take_over(model, start.weights)
        return model, start.match
    model, match = filled_model(config, architecture, classes=classes)
    if config.freeze:
        freeze_backbone(model, architecture.model)
    return model, match


def _result(
    config: FinetuneConfig,
    architecture: Architecture,
    match: MatchReport | None,
    meter: Meter,
    said: Predictions,
    *,
    labels: int,
    steps: int,
) -> FinetuneResult:
    return FinetuneResult(
        out=config.out,
        accuracy=said.accuracy(),
        class_average_accuracy=said.class_average_accuracy(),
        per_class=said.per_class(),
        test_images=len(said.labels),
        labels=labels,
        epochs=config.epochs,
        steps=steps,
        seed=config.seed,
        lr=config.lr,
        seconds=meter.seconds,
        samples_per_second=steps * config.batch_size / meter.seconds,
        loss=meter.last.loss,
        train_accuracy=meter.last.accuracy,
        model=architecture.model,
        size=architecture.size,
        weights=str(config.weights) if config.weights is not None else None,
        match=match,
        skipped=(),
    )
