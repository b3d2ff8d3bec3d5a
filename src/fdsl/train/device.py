"""Where a run computes and how precisely; its threads and random generator, given back afterwards."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.precision import MixedPrecision
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from fdsl.cores import usable_cores
from fdsl.random import Purpose, words
from fdsl.train.config import Precision


def make_fabric(precision: Precision) -> Fabric:
    """Return Fabric on the best device here: a GPU if there is one, otherwise the CPU.

    Args:
        precision: "bf16" is autocast over float32 weights, "fp16" too, with a scaled loss; "auto" is bf16 where the
            device is fast at it.
    """
    with _quiet("lightning.fabric", "lightning.pytorch"):  # each plugin announces itself
        fabric = Fabric(devices=1, precision="32-true")
        if precision == "bf16" or (precision == "auto" and fast_bf16(fabric.device)):
            fabric = Fabric(devices=1, precision="bf16-mixed")
        elif precision == "fp16":
            # as a plugin: Fabric by itself takes bf16 for fp16 on a CPU
            kind = fabric.device.type
            scaled = MixedPrecision("16-mixed", kind, torch.amp.GradScaler(kind))
            fabric = Fabric(devices=1, plugins=[scaled])
    return fabric


@contextlib.contextmanager
def _quiet(*names: str) -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def fast_bf16(device: torch.device) -> bool:
    """Whether `device` multiplies bf16 matrices faster than float32 ones."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type == "cpu" and hasattr(torch.cpu, "get_capabilities"):
        known = torch.cpu.get_capabilities()
        return bool(known.get("amx_bf16") or known.get("avx512_bf16"))
    return False


def describe(fabric: Fabric) -> str:
    """Return the device and arithmetic in words."""
    device = fabric.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = f", {torch.get_num_threads()} threads" if device.type == "cpu" else ""
    return f"{name}, {fabric._precision.precision}{threads}"


def attention(fabric: Fabric) -> AbstractContextManager[object]:
    """Return the context in which attention is fastest: in float32 on a CPU that autocasts the rest to bf16.

    The backward pass of torch's fused bf16 kernel for CPUs (2.15) is slow: forward and backward of 32 x 4 heads took
    9.3 ms for 16 tokens and 60 ms for 197, in float32 0.6 and 28, as plain bf16 products 1.3 and 68. For a small
    transformer at 32 pixels that is 60% of the step.
    """
    if fabric.device.type == "cpu" and fabric._precision.precision == "bf16-mixed":
        return _Float32Attention()
    return contextlib.nullcontext()


class _Float32Attention(TorchFunctionMode):
    """Compute scaled dot-product attention in float32 whatever autocast says."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not scaled_dot_product_attention:
            return func(*args, **kwargs)
        query, key, value, *rest = args
        with torch.autocast("cpu", enabled=False):
            return func(query.float(), key.float(), value.float(), *rest, **kwargs)


@contextlib.contextmanager
def borrowed_state(device: torch.device, threads: int | None) -> Iterator[None]:
    """Let the block set seed and threads; the caller's generator and thread count come back after it.

    Without `threads`, one core is left to whatever prepares images. An OpenMP team that has to share a core spins
    at every barrier: a small transformer's step on two busy cores takes 0.5 to 1 s with two threads, 0.05 to 0.1 s
    with one (0.026 and 0.036 s where nothing else runs).
    """
    threads_before = torch.get_num_threads()
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            torch.set_num_threads(threads or max(1, usable_cores() - 1))
            yield
        finally:
            torch.set_num_threads(threads_before)


def drawing_threads(device: torch.device, threads: int | None) -> int | None:
    """Return how many threads draw images beside a model on `device`; None is all.

    A model on the CPU leaves one core free, and drawing is a quarter of the work where models are small: more threads
    would take the model's cores.
    """
    return threads if threads is not None or device.type != "cpu" else max(1, usable_cores() // 4)


def reseed(seed: int, stream: str, step: int) -> None:
    """Set torch's generator from an address, so that a step needs no earlier one: drop path draws from it."""
    drawn = words(seed, stream, 0, step, Purpose.STEP, 2)
    torch.manual_seed(int(drawn[0]) << 32 | int(drawn[1]))
