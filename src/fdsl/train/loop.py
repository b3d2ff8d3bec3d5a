"""The training loop: one for pre-training and fine-tuning, which differ by the task they give it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor, nn

from fdsl.errors import FdslError, InputError, first_line
from fdsl.train.config import TrainConfig
from fdsl.train.device import reseed
from fdsl.train.learner import Learner
from fdsl.train.meter import Meter, Window
from fdsl.train.progress import Ticker, note
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
        """Return this process's batches after update `step`, on the device, as `Learner.update` takes them."""

    def reports_after(self, step: int) -> bool:
        """Whether a row of metrics is due once `step` updates are done; it must be after the last."""

    def row(self, window: Window, model: Callable[[], nn.Module]) -> dict[str, Number]:
        """Return the row of metrics; `model` makes the one that would be saved now. All processes call this."""


def train(task: Task, learner: Learner, config: TrainConfig, run: RunFolder, device: str) -> Meter:
    """Make the task's updates, from the newest whole checkpoint if the config says so.

    Args:
        task: what to learn.
        learner: the model and its optimiser; changed in place.
        config: of the run.
        run: the run's folder, entered but not begun yet.
        device: where this computes, in words.

    Returns:
        the counts of the run, earlier sessions included.

    Raises:
        InputError: the run is already longer than the task, or a batch does not fit into memory.
        DataError: the checkpoints are damaged, or of another model.
        FdslError: the loss or the gradient stopped being a finite number, or the loss exploded.
        Stopped, KeyboardInterrupt: a signal asked the run to stop; a checkpoint is written.
    """
    fabric = learner.fabric
    meter = Meter(
        config.batch_size,
        explode=config.explode,
        scaled=learner.scaler is not None,
        fabric=fabric,
    )
    start = _restore(learner, meter, run, task.steps) if config.resume else 0
    run.begin(start, device)
    learner.train_mode()
    if start == task.steps:
        return meter
    with (
        run.stopping.updates(),
        Ticker(task.name, task.steps, start) as ticker,
        _memory_for(config.batch_size),
    ):
        batches = meter.timed(task.batches(start), task.steps - start)
        for step, (images, targets) in enumerate(batches, start + 1):
            signal = run.stopping.asked()
            reports, keeps = task.reports_after(step), bool(signal) or _keeps_after(step, task.steps, config)
            reseed(config.seed, task.name, step, fabric.global_rank)
            meter.add(*learner.update(images, targets, step - 1, measure=reports or keeps))
            ticker.step(step)
            if reports or keeps:
                with _last_good(run):
                    meter.pause(step, learner.lr, learner.grad_norm)
                if reports:
                    _report(task, learner, meter, run, ticker, step)
                if keeps:
                    run.save(
                        step, {**learner.state(), "meter": meter.state(), "world_size": fabric.world_size}
                    )
                meter.go()
            signal = signal or (run.stopping.asked_last() if step == task.steps else 0)
            if signal:
                fabric.barrier()  # a launcher may end the others once one has left: not before the file is written
                run.leave(signal, step, task.steps)
    return meter


@contextlib.contextmanager
def _last_good(run: RunFolder) -> Iterator[None]:
    """Let an error of the numbers say which weights were still good."""
    try:
        yield
    except FdslError as error:
        kept = f"{run.newest} is from before" if run.newest else "no checkpoint was due before"
        raise FdslError(f"{error}; {kept}") from error


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
        raise InputError(f"batch_size must fit into memory, got {batch_size}: {first_line(error)}") from error


def _restore(learner: Learner, meter: Meter, run: RunFolder, steps: int) -> int:
    """Fill learner and meter from the newest whole checkpoint; return how many updates it has seen."""
    content = run.load(learner.model.module.state_dict())
    if content is None:
        return 0
    done: int = content["step"]
    if done > steps:
        raise InputError(
            f"resume must not shorten a run, got {steps} updates: its checkpoint has seen {done}"
        )
    if done < steps:
        run.say_differences(content)
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
    seconds_left = meter.seconds / step * (task.steps - step)
    ticker.report(step, note(row), seconds_left)
