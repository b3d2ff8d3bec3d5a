"""Where a run computes, how precisely and with how many processes; its threads and random generator, given back."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.plugins.precision.amp import MixedPrecision
from lightning.fabric.strategies.ddp import DDPStrategy
from lightning.fabric.strategies.model_parallel import ModelParallelStrategy
from lightning.fabric.strategies.strategy import Strategy as FabricStrategy
from torch import Tensor, nn
from torch.distributed import DistError, DistNetworkError, fsdp
from torch.distributed.device_mesh import DeviceMesh
from torch.nn.functional import scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from fdsl.cores import usable_cores
from fdsl.errors import InputError, first_line
from fdsl.processes import Processes, processes
from fdsl.random import Purpose, words
from fdsl.train.config import Precision, Strategy

SHARDED_TOGETHER = 1_000_000
"""Weights of a block at least, for FSDP to gather it by itself; smaller ones are gathered with what holds them."""


def make_fabric(precision: Precision, strategy: Strategy = "ddp") -> Fabric:
    """Return Fabric on the best device here, a GPU if there is one, with the processes that torchrun or Slurm started.

    Args:
        precision: "bf16" is autocast over float32 weights, "fp16" the same with the loss scaled; "auto" takes bf16
            where the device is fast at it.
        strategy: of several processes.

    Raises:
        InputError: the processes do not find each other.
    """
    here = processes()
    environments: dict[str, Callable[[], ClusterEnvironment]] = {
        "none": LightningEnvironment,
        "torchrun": TorchElasticEnvironment,
        "slurm": _Slurm,
    }
    with quiet("lightning.fabric", "lightning.pytorch"):  # each plugin announces itself
        device = Fabric(devices=1, plugins=[LightningEnvironment()]).device.type
        if precision == "auto":
            precision = "bf16" if fast_bf16(torch.device(device)) else "32"
        mixed: dict[Precision, Any] = {"bf16": "bf16-mixed", "fp16": "16-mixed"}
        plugins: list[Any] = [environments[here.launcher]()]
        if precision in mixed:
            plugins.append(MixedPrecision(mixed[precision], device))
        fabric = Fabric(
            devices=here.on_node,
            num_nodes=here.nodes,
            strategy=_strategy(strategy, here) if here.size > 1 else "auto",
            plugins=plugins,
        )
        if here.size > 1:
            _meet(fabric)
    return fabric


class _Slurm(SLURMEnvironment):
    """The processes of a Slurm step, whatever the job's script or an `salloc` before it asked for."""

    def __init__(self) -> None:
        super().__init__(auto_requeue=False)

    def world_size(self) -> int:
        return processes().size

    @staticmethod
    def _validate_srun_variables() -> None:
        """A job may well have been given --ntasks: what counts are the tasks of the step."""

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Both come from the same variables."""


def _strategy(strategy: Strategy, here: Processes) -> FabricStrategy:
    if strategy == "ddp":
        return DDPStrategy()
    if not hasattr(fsdp, "fully_shard"):
        raise InputError(
            f"strategy must be ddp with torch {torch.__version__}, got {strategy}: FSDP2 takes torch 2.6"
        )
    return ModelParallelStrategy(_shard, data_parallel_size=here.size, tensor_parallel_size=1)


def _shard(model: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Cut the weights of a model in pieces, one a process (FSDP2); each large block is gathered when it is needed."""
    from torch.distributed.fsdp import fully_shard

    along = mesh["data_parallel"]
    for block in reversed([m for m in model.modules() if _stands_alone(m)]):
        fully_shard(block, mesh=along)
    fully_shard(model, mesh=along)
    return model


def _stands_alone(module: nn.Module) -> bool:
    """Whether a module is a residual block or stage of a size worth gathering by itself."""
    name = type(module).__name__
    return (
        name.endswith(("Block", "Bottleneck"))
        and sum(p.numel() for p in module.parameters()) >= SHARDED_TOGETHER
    )


def _meet(fabric: Fabric) -> None:
    """Let all processes find each other."""
    try:
        fabric.launch()
    except RuntimeError as error:
        # before torch 2.5 a port in use is a plain RuntimeError
        if not isinstance(error, DistNetworkError) and "EADDRINUSE" not in str(error):
            raise
        at = f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}"
        taken = "EADDRINUSE" in str(error) or "in use" in str(error)
        wanted = (
            "MASTER_PORT must be a free port"
            if taken
            else "MASTER_ADDR and MASTER_PORT must lead to process 0"
        )
        raise InputError(f"{wanted}, got {at}: {first_line(error)}") from error


def lost(error: BaseException | None) -> bool:
    """Whether an error says that a process this one computes with is gone."""
    if isinstance(error, DistError):  # NCCL's is one
        return True
    return isinstance(error, RuntimeError) and "gloo/transport" in str(error)


def shards(fabric: Fabric) -> bool:
    """Whether each process holds a piece of the model."""
    return isinstance(fabric.strategy, ModelParallelStrategy)


def summed(fabric: Fabric, counts: Tensor) -> Tensor:
    """Return the sum over all processes of `counts`, on the CPU."""
    if fabric.world_size == 1:
        return counts
    total: Any = fabric.all_reduce(fabric.to_device(counts.clone()), reduce_op="sum")
    return total.cpu()


def batch_of_one(batch_size: int, fabric: Fabric, *, even: bool) -> int:
    """Return the images of an update that each process learns.

    Raises:
        InputError: they cannot be dealt out evenly, or not in pairs where those are mixed.
    """
    size = fabric.world_size
    if batch_size % size:
        raise InputError(f"batch_size must be a multiple of the {size} processes, got {batch_size}")
    if even and batch_size // size % 2:
        raise InputError(
            f"batch_size must be a multiple of {2 * size}, with {size} processes and mixup or cutmix, got {batch_size}"
        )
    return batch_size // size


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Keep what the loggers of these names say, short of errors, from the user."""
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
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

    On a GPU operations are deterministic in it: a run that is resumed there comes to the same weights. What has no
    deterministic form warns and goes on. Products of float32 matrices are taken in TF32, as timm's own script has it.
    """
    threads_before = torch.get_num_threads()
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []), _on_gpu(on_gpu):
        try:
            torch.set_num_threads(threads or max(1, own_cores() - 1))
            yield
        finally:
            torch.set_num_threads(threads_before)


@contextlib.contextmanager
def _on_gpu(wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    before, warned = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    deterministic: Any = torch.utils.deterministic
    filled = deterministic.fill_uninitialized_memory
    products, convolutions = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    deterministic.fill_uninitialized_memory = False  # only for those who read what nobody wrote
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = products, convolutions
        deterministic.fill_uninitialized_memory = filled


def own_cores() -> int:
    """Return the cores of this process: torchrun lets all processes of a machine run on all of it, Slurm divides it."""
    here = processes()
    return max(1, usable_cores() // here.on_node) if here.launcher == "torchrun" else usable_cores()


def drawing_threads(device: torch.device, threads: int | None) -> int | None:
    """Return how many threads draw images beside a model on `device`; None is all.

    A model on the CPU leaves one core free, and drawing is a quarter of the work where models are small: more threads
    would take the model's cores.
    """
    if threads is not None or (device.type != "cpu" and processes().on_node == 1):
        return threads
    return max(1, own_cores() // 4 if device.type == "cpu" else own_cores() - 1)


def reseed(seed: int, stream: str, step: int, rank: int = 0) -> None:
    """Set torch's generator from an address, so that a step needs no earlier one: drop path draws from it."""
    drawn = words(seed, stream, rank, step, Purpose.STEP, 2)
    torch.manual_seed(int(drawn[0]) << 32 | int(drawn[1]))
