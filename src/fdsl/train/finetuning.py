"""Fine-tuning: a classifier of real images, from pre-trained weights or by the same path from scratch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from fdsl.data.mixing import Mixing
from fdsl.data.real import RealImages, at_most, few_labels, open_images
from fdsl.data.standardize import Standardize
from fdsl.errors import DataError, InputError
from fdsl.train.accuracy import BATCH, count_right
from fdsl.train.batches import EVAL_CROP, Method, SquareImages, TrainingBatches
from fdsl.train.config import DEFAULT_MODEL, FinetuneConfig, parse_options
from fdsl.train.device import batch_of_one, borrowed_state, describe, make_fabric, reseed
from fdsl.train.learner import Learner
from fdsl.train.loop import train
from fdsl.train.meter import Window
from fdsl.train.model import build_model, default_size
from fdsl.train.progress import say
from fdsl.train.run import Number, RunFolder
from fdsl.train.weights import Architecture, MatchReport, describe_weights, load_weights, save_weights

STATISTICS_IMAGES = 1024
SMALL = 64  # pixels; up to here a shift is the usual augmentation, above it a random crop
TEST_SEED = 0  # the test images are the same for every seed of a run


@dataclass(frozen=True, kw_only=True)
class FinetuneResult:
    """What a fine-tuning run came to."""

    out: Path
    """The run's folder; its weights load with timm's local-dir."""
    accuracy: float
    """Accuracy on the test images after the last epoch, in 0..1."""
    per_class: dict[str, float]
    """The same a class; classes without test images are left out."""
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

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        match = self.match.to_json() if self.match is not None else None
        return {**vars(self), "out": str(self.out), "match": match, "skipped": list(self.skipped)}


Counts = tuple[NDArray[np.int64], NDArray[np.int64]]


class FinetuneTask:
    """Feeds the loop with batches of real images and tests what it learned."""

    name = "finetune"
    columns: tuple[str, ...] = (
        "epoch",
        "step",
        "lr",
        "train_loss",
        "train_accuracy",
        "test_accuracy",
        "grad_norm",
        "samples_per_second",
        "data_stall",
        "memory_mb",
    )

    def __init__(
        self, config: FinetuneConfig, images: RealImages, test_images: RealImages, size: int, fabric: Fabric
    ) -> None:
        """Open the images, if they fit in memory, and measure mean and deviation of the training ones."""
        self._config, self._fabric = config, fabric
        batch_of_one(config.batch_size, fabric, even=bool(config.mixup or config.cutmix))
        self._count, self._classes = len(images), len(images.classes)
        self.steps = ceil(config.epochs * len(images) / config.batch_size)
        method = method_for(config, size)
        flip = config.data != "digits" if config.flip is None else config.flip
        rank, world_size = fabric.global_rank, fabric.world_size
        self._training = TrainingBatches(
            images, size, method, flip=flip, seed=config.seed, rank=rank, world_size=world_size
        )
        self._test = squares(test_images, config, size)
        self.standardize = statistics(images, size, fabric.device)
        self._mixing = Mixing(
            classes=self._classes,
            mixup=config.mixup,
            cutmix=config.cutmix,
            label_smoothing=config.label_smoothing,
            seed=config.seed,
        )
        self._counts: dict[int, Counts] = {}

    def batches(self, step: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Return the batches after update `step`."""
        batch_size = self._config.batch_size
        for number, batch in enumerate(self._training.batches(batch_size, step, self.steps), step):
            pixels, labels = self._fabric.to_device(batch)
            images = self.standardize.planes(pixels)
            first = number * batch_size + self._fabric.global_rank * len(labels)
            yield images, self._mixing(images, labels, first)

    def epoch(self, step: int) -> int:
        """Return the number of whole passes after `step` updates."""
        return min(step * self._config.batch_size // self._count, self._config.epochs)

    def reports_after(self, step: int) -> bool:
        """Report at the end of each epoch."""
        return step == self.steps or self.epoch(step) > self.epoch(step - 1)

    def row(self, window: Window, model: Callable[[], nn.Module]) -> dict[str, Number]:
        """Return the means of the epoch; the test accuracy too if it is due."""
        epoch, every = self.epoch(window.step), self._config.eval_every
        row: dict[str, Number] = {
            "epoch": epoch,
            "step": window.step,
            "lr": window.lr,
            "train_loss": window.loss,
            "train_accuracy": window.accuracy,
            "grad_norm": window.grad_norm,
            "samples_per_second": window.samples_per_second,
            "data_stall": window.data_stall,
            "memory_mb": window.memory_mb,
        }
        if window.step == self.steps or (every and epoch // every > self.epoch(window.step - 1) // every):
            right, seen = self.test(model(), window.step)
            row["test_accuracy"] = float(right.sum() / seen.sum())
        return row

    def test(self, model: nn.Module, step: int) -> Counts:
        """Return right answers and images a class, int64 [C] each, of `model` after `step` updates."""
        if step not in self._counts:
            batches = self._test.batches(BATCH, self._fabric.global_rank, self._fabric.world_size)
            self._counts = {step: count_right(self._fabric, model, batches, self.standardize, self._classes)}
        return self._counts[step]


def finetune(config: FinetuneConfig) -> FinetuneResult:
    """Fine-tune a model on real images, test it and save it to `config.out`.

    Raises:
        InputError: a field does not fit another or the data, or the folder holds something else.
        DataError: an image, the weights or a checkpoint are damaged.
        FdslError: the loss stopped being a finite number.
    """
    run = RunFolder(config, "finetune", FinetuneTask.columns)
    architecture = architecture_of(config)
    images, test_images = open_splits(config)
    skipped = images.skipped + test_images.skipped
    if skipped:
        say(f"{len(skipped)} broken image{'s' * (len(skipped) > 1)} left out: first {skipped[0]}")
    fabric = make_fabric(config.precision, config.strategy)
    with borrowed_state(fabric.device, config.threads), run:
        model, match = _model(config, architecture, classes=len(images.classes))
        task = FinetuneTask(config, images, test_images, architecture.size, fabric)
        learner = Learner(model, config, steps=task.steps, fabric=fabric, layer_decay=config.layer_decay)
        meter = train(task, learner, config, run, describe(fabric))
        best, size = learner.best_model(), architecture.size
        right, seen = task.test(best, task.steps)
        mean, std = task.standardize.mean, task.standardize.std
        if fabric.is_global_zero:
            save_weights(best, config.out, size=size, mean=mean, std=std, classes=images.classes)
        per_class = zip(images.classes, right.tolist(), seen.tolist(), strict=True)
        result = FinetuneResult(
            out=config.out,
            accuracy=int(right.sum()) / int(seen.sum()),
            per_class={name: hits / count for name, hits, count in per_class if count},
            test_images=len(test_images),
            labels=len(images),
            epochs=config.epochs,
            steps=task.steps,
            seed=config.seed,
            lr=config.lr,
            seconds=meter.seconds,
            samples_per_second=task.steps * config.batch_size / meter.seconds,
            loss=meter.last.loss,
            train_accuracy=meter.last.accuracy,
            model=architecture.model,
            size=size,
            weights=str(config.weights) if config.weights is not None else None,
            match=match,
            skipped=skipped,
        )
        run.finish(result.to_json())
    return result


def architecture_of(config: FinetuneConfig) -> Architecture:
    """Return the model asked for: fields of the config first, then what the weights say, then the default.

    Raises:
        InputError: the weights are not there, or nothing says what model they are of.
        DataError: the config beside the weights cannot be read.
    """
    described = describe_weights(config.weights) if config.weights is not None else None
    if config.weights is not None and described is None and config.model is None:
        raise InputError(f"model must be given, got None: no config.json lies beside {config.weights}")
    args = parse_options("model_args", config.model_args)
    if described is None:
        model = config.model or DEFAULT_MODEL
        return Architecture(model=model, model_args=args, size=config.size or default_size(model))
    if config.model in (None, described.model):
        args = {**described.model_args, **args}
    return replace(
        described,
        model=config.model or described.model,
        model_args=args,
        size=config.size or described.size,
    )


def open_splits(config: FinetuneConfig) -> tuple[RealImages, RealImages]:
    """Return the training images, cut to the labels allowed, and the test images.

    Raises:
        InputError: the data do not exist, or have too few images for the labels.
        DataError: a split holds no images, or the test images have a class that training lacks.
    """
    images = open_images(config.data, "train", skip_broken=config.skip_broken)
    test_images = open_images(config.data, "test", skip_broken=config.skip_broken)
    for split, part in (("training", images), ("test", test_images)):
        if not len(part):
            raise DataError(f"{config.data} must hold {split} images, got none")
    unknown = set(np.unique(test_images.labels).tolist()) - set(np.unique(images.labels).tolist())
    if unknown:
        raise DataError(f"{config.data} must train every class it tests, got none for label {min(unknown)}")
    if config.test_limit is not None:
        test_images = at_most(test_images, config.test_limit, TEST_SEED)
    if config.labels is not None:
        images = few_labels(images, config.labels, config.seed)
    return images, test_images


def statistics(images: RealImages, size: int, device: torch.device) -> Standardize:
    """Return the standardization by some of the images, evenly chosen, at `size` pixels."""
    sample = np.linspace(0, len(images) - 1, min(len(images), STATISTICS_IMAGES)).astype(np.int64)
    pixels = SquareImages(images.subset(sample), size).pixels(np.arange(len(sample)))
    return Standardize.of([pixels], device)


def starting_model(config: FinetuneConfig, architecture: Architecture, *, classes: int) -> nn.Module:
    """Return the model with the random weights that a fine-tuning of this seed starts from."""
    reseed(config.seed, "finetune weights", 0)
    name, args, size = architecture.model, architecture.model_args, architecture.size
    return build_model(name, args, size=size, classes=classes, drop_path=config.drop_path)


def _model(
    config: FinetuneConfig, architecture: Architecture, *, classes: int
) -> tuple[nn.Module, MatchReport | None]:
    """Build the model and fill it with the weights; what they did not fill is said aloud."""
    model = starting_model(config, architecture, classes=classes)
    if config.weights is None:
        return model, None
    match = load_weights(model, config.weights)
    for line in (f"weights from {config.weights}:", *match.lines()):
        say(line)
    return model, match


def squares(images: RealImages, config: FinetuneConfig, size: int) -> SquareImages:
    """Return `images` as they are tested: their middle, as square as the model wants them."""
    return SquareImages(images, size, share=EVAL_CROP if method_for(config, size) == "crop" else 1.0)


def method_for(config: FinetuneConfig, size: int) -> Method:
    """Return how training images of `size` pixels are varied."""
    if config.augment == "auto":
        return "pad" if size <= SMALL else "crop"
    return config.augment
