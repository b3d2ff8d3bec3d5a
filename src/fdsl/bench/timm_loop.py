"""timm's own training loop, to measure ours beside: what its train.py does for each batch, from timm's parts.

train.py is a script and not in timm's package. Its loop is written here as it runs with `--opt adamw --smoothing 0`:
optimiser factory and schedule with timm's defaults, `--amp --amp-dtype bfloat16` or none, the loss read every update.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator
from typing import Any

import torch
from timm.optim._optim_factory import create_optimizer_v2
from timm.scheduler.scheduler_factory import create_scheduler_v2
from timm.utils.metrics import AverageMeter
from torch import Tensor, nn

from fdsl.bench.timing import Source

EPOCHS, UPDATES_PER_EPOCH = 300, 1000
"""Of the schedule, which train.py moves at the end of an epoch; no window comes to one."""


class TimmLoop:
    """A model that learns as in timm's train.py."""

    def __init__(
        self,
        model: nn.Module,
        *,
        lr: float,
        weight_decay: float,
        device: torch.device,
        amp: bool,
        compiled: bool,
    ) -> None:
        """Set `model` up as train.py does.

        Args:
            model: a timm model; changed in place.
            lr: peak learning rate.
            weight_decay: of all but biases and norms.
            device: where to train.
            amp: whether to autocast to bfloat16.
            compiled: whether to compile the model.
        """
        self._device, self._amp = device, amp
        model = model.to(device)
        self._optimizer = create_optimizer_v2(model, opt="adamw", lr=lr, weight_decay=weight_decay)
        self._schedule, _ = create_scheduler_v2(
            self._optimizer, sched="cosine", num_epochs=EPOCHS, updates_per_epoch=UPDATES_PER_EPOCH
        )
        self._model: Any = torch.compile(model, backend="inductor") if compiled else model
        self._loss = nn.CrossEntropyLoss().to(device)
        self._updates = 0

    def source(self, images: Tensor, targets: Tensor, steps: int) -> Source:
        """Make a source of windows of `steps` updates that see one batch over and over."""
        images = images.contiguous()  # as timm's loader gives them

        def source() -> Generator[int, None, None]:
            with _fast_matrices(self._device):
                self._epoch([(images, targets)])
                yield 0
                while True:
                    self._epoch([(images, targets)] * steps)
                    yield steps * len(images)

        return source

    def _epoch(self, loader: list[tuple[Tensor, Tensor]]) -> None:
        """Make one update for each batch."""
        meter: Any = AverageMeter  # untyped
        losses, data_time, update_time = meter(), meter(), meter()
        self._model.train()
        self._optimizer.zero_grad()
        asked = began = time.time()
        for images, targets in loader:
            images, targets = images.to(self._device), targets.to(self._device)
            data_time.update(time.time() - asked)
            with self._autocast():
                loss = self._loss(self._model(images), targets)
            loss.backward()
            self._optimizer.step()
            losses.update(loss.item(), len(images))  # waits for the device
            self._updates += 1
            self._optimizer.zero_grad()
            now = time.time()
            update_time.update(now - began)
            self._schedule.step_update(num_updates=self._updates, metric=losses.avg)
            began, asked = now, time.time()

    def _autocast(self) -> contextlib.AbstractContextManager[object]:
        if not self._amp:
            return contextlib.nullcontext()
        return torch.autocast(self._device.type, dtype=torch.bfloat16)


@contextlib.contextmanager
def _fast_matrices(device: torch.device) -> Iterator[None]:
    """Set what train.py sets on a GPU for the whole process: TF32 products, and convolutions chosen by trial."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.benchmark
    try:
        if device.type == "cuda":
            products.allow_tf32, convolutions.benchmark = True, True
        yield
    finally:
        products.allow_tf32, convolutions.benchmark = before
