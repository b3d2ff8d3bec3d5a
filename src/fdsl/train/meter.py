"""Loss, accuracy, speed and waiting of a run, read from the device only when a report is due."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

import torch
from lightning.fabric import Fabric
from torch import Tensor

from fdsl.errors import FdslError
from fdsl.train.device import summed

T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """Means over the updates since the last report, and over all processes."""

    step: int
    """Updates done."""
    lr: float
    """Learning rate of the last of them."""
    loss: float
    accuracy: float
    """Share of right answers, in 0..1."""
    samples_per_second: float
    grad_norm: float = 0.0
    """Norm of the last update's gradient, before it was clipped."""
    data_stall: float = 0.0
    """Share of the time in which this process waited for its batches, in 0..1."""
    memory_mb: float = 0.0
    """Most memory this process has held, in 10^6 bytes: on its GPU, or of the machine."""


class Meter:
    """Counts a run; its state goes into checkpoints, so that a resumed run counts on.

    The clock runs while batches are awaited and learned from, not during evaluations and checkpoints.
    """

    def __init__(
        self,
        batch_size: int,
        *,
        explode: float = 0.0,
        scaled: bool = False,
        fabric: Fabric | None = None,
    ) -> None:
        """Start counting at nothing.

        Args:
            batch_size: images in an update, over all processes.
            explode: times the first loss, or 1 if that is more, at which a loss is too large; 0 is never.
            scaled: the loss is scaled up for fp16; a gradient too large for it is not used, and no error.
            fabric: knows the processes that share an update; None is one.
        """
        self.seconds = 0.0
        self.waited = 0.0
        self._explode, self._scaled = explode, scaled
        self._fabric = fabric
        self._first: float | None = None
        self._grad_norm = 0.0
        self._waited_before = 0.0
        self.last = Window(step=0, lr=0.0, loss=0.0, accuracy=0.0, samples_per_second=0.0)
        self._batch_size = batch_size
        self._opened_at = 0.0
        self._new: list[tuple[Tensor, Tensor]] = []
        self._losses: list[float] = []
        self._right: list[float] = []
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
        self._new.append((loss, right))

    def pause(self, step: int, lr: float, grad_norm: Tensor | None = None) -> None:
        """Stop the clock and wait for the device.

        Args:
            step: updates done.
            lr: learning rate of the last of them.
            grad_norm: norm of its gradient, a scalar; None is not known.

        Raises:
            FdslError: a loss since the last pause, or the gradient, is not a finite number, or a loss is too large; the
                message names its update.
        """
        losses = self._gather()
        if grad_norm is not None:
            self._grad_norm = float(grad_norm)
        self.seconds += time.perf_counter() - self._started
        for at, loss in enumerate(losses, step - len(losses) + 1):
            if self._first is None:
                self._first = loss
            where = f"at update {at} (learning rate {lr:.3g}): lower lr, or limit the gradient with clip_grad"
            if not isfinite(loss):
                raise FdslError(f"loss must stay a finite number, got {loss} {where}")
            limit = self._explode * max(1.0, self._first)
            if self._explode and loss > limit:
                raise FdslError(
                    f"loss must stay below {limit:.4g}, {self._explode:g} times what it was at first (explode), "
                    f"got {loss:.4g} {where}"
                )
        if not self._scaled and not isfinite(self._grad_norm):
            raise FdslError(
                f"gradient must stay a finite number, got {self._grad_norm} at update {step} "
                f"(learning rate {lr:.3g}): lower lr, or limit the gradient with clip_grad"
            )

    def _gather(self) -> list[float]:
        """Read the new losses, means over all processes, and counts of all of them; return the losses."""
        if not self._new:
            return []
        columns = torch.stack([torch.stack(pair).float() for pair in self._new])
        if self._fabric is not None:
            columns = summed(self._fabric, columns)
            columns[:, 0] /= self._fabric.world_size
        losses, right = columns.cpu().T.tolist()
        self._losses += losses
        self._right += right
        self._new = []
        return list(losses)

    def go(self) -> None:
        """Let the clock run again."""
        self._started = time.perf_counter()

    def report(self, step: int, lr: float) -> Window:
        """Close the window of updates since the last report, while paused, and return it."""
        count, seconds = len(self._losses), self.seconds - self._opened_at
        self.last = Window(
            step=step,
            lr=lr,
            loss=sum(self._losses) / count,
            accuracy=sum(self._right) / (count * self._batch_size),
            samples_per_second=count * self._batch_size / seconds,
            grad_norm=self._grad_norm,
            data_stall=(self.waited - self._waited_before) / seconds,
            memory_mb=peak_memory() / 1e6,
        )
        self._losses, self._right = [], []
        self._opened_at, self._waited_before = self.seconds, self.waited
        return self.last

    def state(self) -> dict[str, Any]:
        """Return the counts as tensors and plain values."""
        return {
            "seconds": self.seconds,
            "waited": self.waited,
            "opened_at": self._opened_at,
            "waited_before": self._waited_before,
            "first": self._first,
            "grad_norm": self._grad_norm,
            "last": vars(self.last),
            "losses": self._losses,
            "right": self._right,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned."""
        self.seconds, self.waited = state["seconds"], state["waited"]
        self._opened_at, self._waited_before = state["opened_at"], state["waited_before"]
        self._first, self._grad_norm = state["first"], state["grad_norm"]
        self.last = Window(**state["last"])
        self._losses, self._right = list(state["losses"]), list(state["right"])


def peak_memory() -> int:
    """Return the most memory, in bytes, that this process has held: on its GPU if it computes there."""
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return torch.cuda.max_memory_allocated()
    # Linux counts in KiB, macOS in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
