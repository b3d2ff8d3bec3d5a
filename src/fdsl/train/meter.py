"""Loss, accuracy, speed and waiting of a run, read from the device only when a report is due."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from fdsl.errors import FdslError

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """Means over the updates since the last report."""

    step: int
    """Updates done."""
    lr: float
    """Learning rate of the last of them."""
    loss: float
    accuracy: float
    """Share of right answers, in 0..1."""
    samples_per_second: float


class Meter:
    """Counts a run; its state goes into checkpoints, so that a resumed run counts on.

    The clock runs while batches are awaited and learned from, not during evaluations and checkpoints.
    """

    def __init__(self, batch_size: int) -> None:
        """Start counting at nothing."""
        self.seconds = 0.0
        self.waited = 0.0
        self.last = Window(step=0, lr=0.0, loss=0.0, accuracy=0.0, samples_per_second=0.0)
        self._batch_size = batch_size
        self._opened_at = 0.0
        self._losses: list[Tensor] = []
        self._right: list[Tensor] = []
        self._started = time.perf_counter()

    def timed(self, batches: Iterable[T], count: int) -> Iterator[T]:
        """Yield `count` of `batches`; the time each takes to arrive counts as waiting."""
        source = iter(batches)
        self._started = time.perf_counter()
        for _ in range(count):
            asked = time.perf_counter()
            batch = next(source)
            self.waited += time.perf_counter() - asked
            yield batch

    def add(self, loss: Tensor, right: Tensor) -> None:
        """Note one update: its loss and its number of right answers, left on the device."""
        self._losses.append(loss)
        self._right.append(right)

    def pause(self, step: int, lr: float) -> None:
        """Stop the clock and wait for the device.

        Raises:
            FdslError: a loss since the last report is not a finite number; the message names its update.
        """
        losses = _together(self._losses).cpu() if self._losses else torch.zeros(0)
        self.seconds += time.perf_counter() - self._started
        bad = torch.nonzero(~torch.isfinite(losses))
        if len(bad):
            at = step - len(losses) + 1 + int(bad[0])
            raise FdslError(
                f"loss must stay a finite number, got {float(losses[bad[0]])} at update {at} "
                f"(learning rate {lr:.3g}): lower lr, or limit the gradient with clip_grad"
            )

    def go(self) -> None:
        """Let the clock run again."""
        self._started = time.perf_counter()

    def report(self, step: int, lr: float) -> Window:
        """Close the window of updates since the last report, while paused, and return it."""
        count = len(self._losses)
        self.last = Window(
            step=step,
            lr=lr,
            loss=float(_together(self._losses).double().mean()),
            accuracy=float(_together(self._right).sum()) / (count * self._batch_size),
            samples_per_second=count * self._batch_size / (self.seconds - self._opened_at),
        )
        self._losses, self._right, self._opened_at = [], [], self.seconds
        return self.last

    def state(self) -> dict[str, Any]:
        """Return the counts as tensors and plain values."""
        return {
            "seconds": self.seconds,
            "waited": self.waited,
            "opened_at": self._opened_at,
            "last": vars(self.last),
            "losses": [float(loss) for loss in self._losses],
            "right": [float(right) for right in self._right],
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.seconds, self.waited, self._opened_at = state["seconds"], state["waited"], state["opened_at"]
        self.last = Window(**state["last"])
        self._losses = [torch.tensor(loss) for loss in state["losses"]]
        self._right = [torch.tensor(float(right)) for right in state["right"]]


def _together(scalars: list[Tensor]) -> Tensor:
    """Return scalars as one tensor where the last of them is: those of a checkpoint come back on the CPU."""
    return torch.stack([scalar.to(scalars[-1].device) for scalar in scalars])
