"""What `fdsl bench gpu` is told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar, Self

from fdsl.bench.config import BenchConfig
from fdsl.errors import InputError, check_float, check_int
from fdsl.render.renderer import MAX_SIZE, MIN_SIZE


@dataclass(frozen=True, kw_only=True)
class BenchGpuConfig(BenchConfig):
    """Measure drawing on a GPU: how fast, whether its pixels are the CPU's, and what it costs a training."""

    benchmark: ClassVar[str] = "gpu"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {
        "size": 32, "images": 2, "epoch": 4, "batch_size": 2, "steps": 1,
    }  # fmt: skip

    seconds: float = 0.1
    """Time a turn takes at least."""
    size: int = 224
    """Height and width of the images, in pixels."""
    batches: tuple[int, ...] = (256, 512, 1024, 2048)
    """Images drawn at once, one number after the other; 2 with `quick`."""
    images: int = 256
    """Images of each kind that are compared with the CPU's."""
    epoch: int = 1_000_000
    """Images of RCDB that are drawn in one go, in the largest of `batches`."""
    batch_size: int = 256
    """Samples in a step of a training."""
    steps: int = 10
    """Updates in a window, at the end of which the device is waited for."""
    minutes: float = 7.0
    """After which nothing more is begun; what is left is named as skipped."""

    def __post_init__(self) -> None:
        check_int("size", self.size, MIN_SIZE, MAX_SIZE)
        object.__setattr__(self, "batches", tuple(sorted(set(self.batches))))
        if not self.batches:
            raise InputError("batches must be one number at least, got none")
        for batch in self.batches:
            check_int("batches", batch, 1, 1 << 16)
        check_int("images", self.images, 1, 1 << 16)
        check_int("epoch", self.epoch, 4, 10**8)
        check_int("batch_size", self.batch_size, 1, 1 << 16)
        check_int("steps", self.steps, 1, 10**6)
        check_float("minutes", self.minutes, 0, 1e4)
        super().__post_init__()
        if self.quick:
            object.__setattr__(self, "batches", (min(2, self.batches[0]),))

    def for_simulator(self) -> Self:
        """Return what the simulator can do in minutes: the sizes asked for, of everything else as little as `quick`."""
        limits = {
            field: min(most, getattr(self, field))
            for field, most in self.quick_limits.items()
            if field != "size"
        }
        return replace(self, **limits)
