"""What `fdsl bench files` is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from fdsl.bench.config import BenchConfig
from fdsl.cores import usable_cores
from fdsl.data.export.exporting import MOST_WORKERS
from fdsl.errors import InputError, check_choice, check_int
from fdsl.render.renderer import MAX_SIZE, MIN_SIZE

Part = Literal["encoders", "throughput"]
SMALLER = 224


@dataclass(frozen=True, kw_only=True)
class BenchFilesConfig(BenchConfig):
    """Measure encoders beside those of others, and the whole of fdsl render beside its encoder alone."""

    benchmark: ClassVar[str] = "files"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"images": 2, "size": 32}

    families: tuple[str, ...] = ("RCDB",)
    """Families to measure; none is all."""
    parts: tuple[Part, ...] = get_args(Part)
    """What to measure: encoders, throughput."""
    size: int = 512
    """Height and width of the images, in pixels; throughput is measured at 224 as well."""
    images: int = 64
    """Images that are encoded one after the other; of throughput those of a category, four of which make a shard."""
    workers: int | None = None
    """Processes that draw and encode; None is one a core."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", tuple(dict.fromkeys(self.parts)))
        for part in self.parts:
            check_choice("parts", part, get_args(Part))
        if not self.parts:
            raise InputError(f"parts must be one at least of {', '.join(get_args(Part))}, got none")
        check_int("size", self.size, MIN_SIZE, MAX_SIZE)
        check_int("images", self.images, 1, 1 << 16)
        if self.workers is not None:
            check_int("workers", self.workers, 1, MOST_WORKERS)
        super().__post_init__()

    @property
    def sizes(self) -> list[int]:
        """Pixels a side at which throughput is measured."""
        return sorted({self.size, min(self.size, SMALLER)}, reverse=True)

    @property
    def processes(self) -> int:
        """How many processes work."""
        return usable_cores() if self.workers is None else self.workers
