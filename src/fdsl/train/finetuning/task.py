"""The task of a fine-tuning: batches of real images for the loop, and tests of what it learned."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil

from lightning.fabric import Fabric
from torch import Tensor, nn

from fdsl.data.mixing import Mixing
from fdsl.data.real import RealImages
from fdsl.train.accuracy import BATCH, Predictions, predict
from fdsl.train.config import FinetuneConfig
from fdsl.train.device import batch_of_one
from fdsl.train.finetuning.batches import TrainingBatches
from fdsl.train.finetuning.images import method_for, squares, statistics
from fdsl.train.meter import Window
from fdsl.train.run import Number


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
        self._count, self._classes = len(images), images.classes
        self.steps = ceil(config.epochs * len(images) / config.batch_size)
        method = method_for(config, size)
        flip = config.data != "digits" if config.flip is None else config.flip
        rank, world_size = fabric.global_rank, fabric.world_size
        self._training = TrainingBatches(
            images,
            size,
            method,
            flip=flip,
            seed=config.seed,
            sampling=config.sampling,
            rank=rank,
            world_size=world_size,
        )
        self._test = squares(test_images, config, size)
        self.standardize = statistics(images, size, fabric.device)
        self._mixing = Mixing(
            classes=len(self._classes),
            mixup=config.mixup,
            cutmix=config.cutmix,
            label_smoothing=config.label_smoothing,
            seed=config.seed,
        )
        self._tests: dict[int, Predictions] = {}

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
            row["test_accuracy"] = self.test(model(), window.step).accuracy()
        return row

    def test(self, model: nn.Module, step: int) -> Predictions:
        """Return what `model` says of the test images after `step` updates."""
        if step not in self._tests:
            batches = self._test.batches(BATCH, self._fabric.global_rank, self._fabric.world_size)
            said = predict(self._fabric, model, batches, self.standardize, self._classes, len(self._test))
            self._tests = {step: said}
        return self._tests[step]
