"""Options that change how fast a model learns and how much memory that takes, not what it learns."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from timm.optim._optim_factory import create_optimizer_v2
from torch import Tensor, nn
from torch.optim import Optimizer

from fdsl.errors import InputError, first_line
from fdsl.train.config import TrainConfig
from fdsl.train.progress import say
from fdsl.train.whole import is_sharded


def prepare(model: nn.Module, config: TrainConfig) -> None:
    """Change `model` in place as the config's options say; its parameters keep their names and values.

    To be called before anything wraps the model.

    Raises:
        InputError: the model cannot recompute its activations, or nothing can be compiled here.
    """
    if config.checkpoint_activations:
        _recompute_activations(model)
    if config.channels_last:
        model.to(memory_format=torch.channels_last)
    if config.compile:
        with _compile_errors():
            # random numbers as eager torch draws them: the same drop path with the option and without
            model.compile(options={"fallback_random": True})


def build_optimizer(model: nn.Module, config: TrainConfig, **groups: Any) -> Optimizer:
    """Return the optimiser of the config for `model`; `groups` are further arguments of timm's factory.

    Fused is one pass a tensor: 1.6 ms an update instead of 4.4 for a small transformer on a CPU core. Fabric cannot
    limit gradients that a fused optimiser would unscale itself, so fp16 does without; torch has no fused SGD of sharded
    weights.
    """
    # timm's "momentum" is SGD without Nesterov's step ahead, which its "sgd" has
    name = "momentum" if config.optimizer == "sgd" else "adamw"
    if config.optimizer == "sgd":
        groups["momentum"] = 0.9
    groups["fused"] = config.precision != "fp16" and not (is_sharded(model) and config.optimizer == "sgd")
    optimizer: Optimizer = create_optimizer_v2(
        model, opt=name, lr=config.lr, weight_decay=config.weight_decay, **groups
    )
    return optimizer


def arranged(images: Tensor, config: TrainConfig) -> Tensor:
    """Return images in the memory order the model works in; gray planes that are one in memory become three."""
    return images.contiguous(memory_format=torch.channels_last) if config.channels_last else images


def eager(model: nn.Module) -> AbstractContextManager[object]:
    """Return the context in which a compiled model runs as it is written, which evaluations do.

    They would compile it again, in evaluation mode and for batches of other sizes. Before torch 2.6 they do.
    """
    if getattr(model, "_compiled_call_impl", None) is None or not hasattr(torch.compiler, "set_stance"):
        return contextlib.nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance


class Compiling:
    """Says that a model is compiled, which the first forward and backward pass does, and turns failure into one line.

    Used as a context around every pass; it costs nothing after the first.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._due = config.compile

    def __call__(self) -> AbstractContextManager[None]:
        """Return the context for one forward and backward pass."""
        if not self._due:
            return contextlib.nullcontext()
        self._due = False
        return self._first()

    @contextlib.contextmanager
    def _first(self) -> Iterator[None]:
        say("compiling the model: a minute or more before the first update")
        started = time.perf_counter()
        with _compile_errors():
            yield
        say(f"compiled in {time.perf_counter() - started:.0f} s")


class RunningStatistics:
    """What batch norms have measured: of a forward pass that is made again for the backward pass, counted once.

    torch's checkpointing runs a block twice, and a norm in it would move its means and variances twice.
    """

    def __init__(self, model: nn.Module, config: TrainConfig) -> None:
        kind, twice = nn.modules.batchnorm._BatchNorm, config.checkpoint_activations
        self._norms: list[nn.Module] = [m for m in model.modules() if twice and isinstance(m, kind)]

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Bring the statistics back after the block, a backward pass, to what they were before it."""
        buffers = [buffer for norm in self._norms for buffer in norm.buffers()]
        before = [buffer.clone() for buffer in buffers]
        yield
        for buffer, value in zip(buffers, before, strict=True):
            buffer.copy_(value)


def _recompute_activations(model: nn.Module) -> None:
    """Switch on timm's checkpointing, in the backbone of a model that has one."""
    backbone: Any = getattr(model, "backbone", model)
    try:
        backbone.set_grad_checkpointing(True)
    except (
        AssertionError,
        AttributeError,
        NotImplementedError,
    ) as error:  # timm's way to say that it has none
        name = type(backbone).__name__
        raise InputError(
            f"checkpoint_activations must be off for {name}, got True: {first_line(error)}"
        ) from error


@contextlib.contextmanager
def _compile_errors() -> Iterator[None]:
    """Turn what torch raises, and where, into one error that names the field; a full memory stays what it is."""
    try:
        yield
    except RuntimeError as error:
        if not _of_compiler(error):
            raise
        raise InputError(f"compile must be off on this machine, got True: {_reason(error)}") from error


def _of_compiler(error: RuntimeError) -> bool:
    """Whether torch.compile raised `error`, and not a kernel that it made."""
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return False
    from torch._dynamo.exc import TorchDynamoException  # takes 2 s to load, which only compiling needs

    return isinstance(error, TorchDynamoException) or "torch.compile" in str(error)


def _reason(error: BaseException) -> str:
    """Return the first line of what lies under the compiler's own words."""
    inner = getattr(error, "inner_exception", None) or error.__cause__
    return _reason(inner) if isinstance(inner, BaseException) else first_line(error)
