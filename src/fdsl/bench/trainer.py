"""fdsl's updates as a source to time, each as `fdsl.train.loop` makes it."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from itertools import count, repeat
from pathlib import Path

from torch import Tensor, nn

from fdsl.bench.loading import flowing
from fdsl.bench.timing import Source
from fdsl.data.loader import Loader
from fdsl.train.config import Precision, TrainConfig
from fdsl.train.device import make_fabric, reseed
from fdsl.train.learner import Learner
from fdsl.train.meter import Meter

STREAM = "bench training"


class Trainer:
    """A model that learns as in `fdsl pretrain`.

    Args:
        model: a timm model; changed in place.
        batch_size: samples of an update.
        steps: updates in a window.
        precision: as in a training's config.
        compiled: whether to compile the model.

    Raises:
        InputError: nothing can be compiled here.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        batch_size: int,
        steps: int,
        precision: Precision = "auto",
        compiled: bool = False,
    ) -> None:
        self.fabric = make_fabric(precision)
        self.batch_size, self.steps = batch_size, steps
        # the learning rate of a first update, over and over: time does not depend on it, and no weight runs away
        training = TrainConfig(out=Path(), batch_size=batch_size, compile=compiled)
        self.learner = Learner(model, training, steps=1000, fabric=self.fabric)
        self.learner.model.train()
        self._seeds = count()

    def window(self, batches: Iterator[tuple[Tensor, Tensor]], meter: Meter, steps: int) -> int:
        """Make `steps` updates, counted by `meter`, and return how many samples that took."""
        for images, targets in meter.timed(batches, steps):
            reseed(0, STREAM, next(self._seeds))
            meter.add(*self.learner.update(images, targets, 0))
        meter.pause(steps, self.learner.lr)
        meter.report(steps, self.learner.lr)
        return steps * self.batch_size

    def cached(self, batch: tuple[Tensor, Tensor]) -> Source:
        """Make a source of updates that see one batch over and over."""

        def source() -> Generator[int, None, None]:
            yield self.window(repeat(batch), Meter(self.batch_size), 1)
            while True:
                yield self.window(repeat(batch), Meter(self.batch_size), self.steps)

        return source

    def fed(self, loader: Loader, meter: Meter) -> Source:
        """Make a source of updates that see what the loader draws meanwhile; `meter` counts the waiting."""

        def source() -> Generator[int, None, None]:
            with flowing(loader) as batches:
                # an update to fill what is drawn ahead, as it is before every one of a long training
                yield self.window(batches, Meter(self.batch_size), 1)
                while True:
                    yield self.window(batches, meter, self.steps)

        return source
