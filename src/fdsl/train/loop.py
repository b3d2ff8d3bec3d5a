"""The training loop: one for pre-training and fine-tuning, which differ by the task they give it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from fdsl.errors import InputError
from fdsl.train.checkpoint import check_shapes, list_checkpoints, load_checkpoint, save_checkpoint
from fdsl.train.config import TrainConfig
from fdsl.train.device import reseed
from fdsl.train.learner import Learner
from fdsl.train.meter import Meter, Window
from fdsl.train.progress import Ticker
from fdsl.train.run import Number, RunFolder


class Task(Protocol):
    """What a run feeds the loop, and what it hears of it."""

    name: str
    """Names the run's random stream and its progress bar."""
    steps: int
    """Updates in all."""
    columns: tuple[str, ...]
    """Columns of its metrics."""

    def batches(self, step: int) -> Iterable[tuple[Tensor, Tensor]]:
        """Return the batches after update `step`, on the device, as `Learner.update` takes them."""

    def reports_after(self, step: int) -> bool:
        """Whether a row of metrics is due once `step` updates are done; it must be after the last."""

    def row(self, window: Window, model: nn.Module) -> dict[str, Number]:
        """Return the row of metrics; `model` is the one that would be saved now."""


def train(task: Task, learner: Learner, config: TrainConfig, run: RunFolder, device: str) -> Meter:
    """Make the task's updates, from the newest checkpoint if the config says so.

    Args:
        task: what to learn.
        learner: the model and its optimiser; changed in place.
        config: of the run.
        run: the run's folder, not begun yet.
        device: where this computes, in words.

    Returns:
        the counts of the run, earlier sessions included.

    Raises:
        InputError: the run is already longer than the task, or a batch does not fit into memory.
        DataError: the checkpoint is damaged, or of another model.
        FdslError: the loss stopped being a finite number.
    """
    meter = Meter(config.batch_size)
    start = _restore(learner, meter, config, task.steps) if config.resume else 0
    run.begin(start, device)
    learner.train_mode()
    with Ticker(task.name, task.steps, start) as ticker, _memory_for(config.batch_size):
        batches = meter.timed(task.batches(start), task.steps - start) if start < task.steps else ()
        for step, (images, targets) in enumerate(batches, start + 1):
            reseed(config.seed, task.name, step)
            meter.add(*learner.update(images, targets, step - 1))
            ticker.step(step)
            reports, keeps = task.reports_after(step), _keeps_after(step, task.steps, config)
            if reports or keeps:
                meter.pause(step, learner.lr)
                if reports:
                    _report(task, learner, meter, run, ticker, step)
                if keeps:
                    save_checkpoint(config.out, step, {**learner.state(), "meter": meter.state()})
                meter.go()
    return meter


@contextlib.contextmanager
def _memory_for(batch_size: int) -> Iterator[None]:
    """Turn the several errors of a full memory into one that names the field to lower."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        text = str(error)
        full = isinstance(error, (MemoryError, torch.cuda.OutOfMemoryError))
        if not full and "DefaultCPUAllocator" not in text and "can't allocate memory" not in text:
            raise
        reason = text.strip().partition("\n")[0] or "out of memory"
        raise InputError(f"batch_size must fit into memory, got {batch_size}: {reason}") from error


def _restore(learner: Learner, meter: Meter, config: TrainConfig, steps: int) -> int:
    """Fill learner and meter from the newest checkpoint; return how many updates it has seen."""
    found = list_checkpoints(config.out)
    if not found:
        return 0
    content = load_checkpoint(found[-1], learner.fabric.device)
    done: int = content["step"]
    if done > steps:
        raise InputError(f"resume must not shorten a run, got {steps} updates: {found[-1]} has seen {done}")
    check_shapes(found[-1], content["model"], learner.model.module.state_dict())
    learner.load(content)
    meter.load(content["meter"])
    return done


def _keeps_after(step: int, steps: int, config: TrainConfig) -> bool:
    return step == steps or (config.checkpoint_every > 0 and step % config.checkpoint_every == 0)


def _report(task: Task, learner: Learner, meter: Meter, run: RunFolder, ticker: Ticker, step: int) -> None:
    window = meter.report(step, learner.lr)
    row = task.row(window, learner.best_model)
    learner.train_mode()
    run.log(row)
    note = f"loss {window.loss:.3f}  accuracy {window.accuracy:.1%}"
    if "test_accuracy" in row:
        note += f"  test {row['test_accuracy']:.1%}"
    note += f"  {window.samples_per_second:,.0f} images/s"
    seconds_left = meter.seconds / step * (task.steps - step)
    ticker.report(step, note, seconds_left)
