"""Augmented, normalized samples a second on one core: drawn by `fdsl.Loader`, and read from PNGs by timm's loader.

Every thread of the process is kept on one core, and seconds are those in which it works for this process: neither side
waits for anything but the core, and what other processes take of it would fall on whichever side they meet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

from fdsl.bench.cases import Case, cases
from fdsl.bench.config import BenchConfig
from fdsl.bench.loading import loaded, open_loader
from fdsl.bench.one_core import one_core
from fdsl.bench.report import Report, known, rate_cells, rate_json, short
from fdsl.bench.stored import BATCH, stored_pictures, why_not
from fdsl.bench.timing import Rate, measure, ratio
from fdsl.errors import check_int

OURS = "fdsl"
STORED = "stored"
SMALLER = 256
"""Side of the smaller of two sizes of which PNGs are read, where the native size is larger than this."""
HEADINGS = ("family", "<samples from", "PNG px", "samples/s", "range", "µs/sample", "factor")


@dataclass(frozen=True, kw_only=True)
class BenchPipelineConfig(BenchConfig):
    """Measure augmented samples a second on one core, beside timm's loader reading stored PNGs in the same run."""

    benchmark: ClassVar[str] = "pipeline"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"batch_size": 8, "images": 8}

    seconds: float = 1.0
    """Time a turn takes at least."""
    batch_size: int = 256
    """Samples in a batch of fdsl's."""
    images: int = 256
    """Images stored as PNGs, read over and over."""

    def __post_init__(self) -> None:
        check_int("batch_size", self.batch_size, 1, 1 << 16)
        check_int("images", self.images, 1, 1 << 20)
        super().__post_init__()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """One line of the benchmark.

    Attributes:
        case: what is drawn or was stored.
        what: OURS or STORED.
        batch_size: samples at a time.
        stored_size: pixels a side of the PNGs.
        rate: samples/s; None if it was skipped.
        ratio: of PNGs, how many times as fast fdsl is.
        skipped: why there is no rate.
    """

    case: Case
    what: str
    batch_size: int
    stored_size: int | None = None
    rate: Rate | None = None
    ratio: float | None = None
    skipped: str | None = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        factor = "" if self.ratio is None else short(self.ratio)
        return [(self.what, str(self.stored_size or ""), *rate_cells(self.rate), factor)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields: dict[str, Any] = {
            "what": self.what,
            "batch_size": self.batch_size,
            "stored_size": self.stored_size,
        }
        fields |= {"ratio": self.ratio, "skipped": self.skipped}
        return self.case.facts | known(fields) | rate_json(self.rate)


def run_bench(config: BenchPipelineConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure every family of `config`; `announce` is told what comes next."""
    lines = [line for case in cases(config) for line in _bench_case(config, case, announce)]
    notes = (
        f"Medians of {config.repetitions} turns of {config.seconds:g} s of CPU time and more, on one core.",
        "Samples: float32 [3, 224, 224], normalized; crop, RandAugment, erasing.",
        f"fdsl: each drawn anew, parameters included, in batches of {config.batch_size}.",
        f"stored: PNGs in the page cache, through timm's training loader, {BATCH} a batch.",
        "factor: how many times as many samples fdsl makes.",
    )
    return Report(config, HEADINGS, lines, notes)


def _bench_case(
    config: BenchPipelineConfig, case: Case, announce: Callable[[str], None]
) -> Iterator[Pipeline]:
    announce(case.title)
    native = case.drawn.native_size
    sizes = (native, SMALLER) if native > SMALLER else (native,)
    loader = open_loader(case.drawn, config.batch_size, config.seed, threads=1)
    with ExitStack() as stack:
        sources = [loaded(loader)]
        if why_not() is None:
            sources += [
                stack.enter_context(stored_pictures(case.drawn, size, config.seed, config.images))
                for size in sizes
            ]
        with one_core():
            rates = measure(sources, config.repetitions, config.seconds, cpu_time=True)
    yield Pipeline(case, OURS, config.batch_size, rate=rates[0])
    for size, rate in zip(sizes, rates[1:], strict=False):
        yield Pipeline(case, STORED, BATCH, size, rate, ratio(rates[0], rate))
    if reason := why_not():
        yield Pipeline(case, STORED, BATCH, native, skipped=reason)
