"""How fast each family is drawn: at 224 pixels and at its native size, on one thread and on all.

Two baselines take turns with it, because absolute figures of one machine move by a third from run to run while ratios
hold: the straightforward program (`bench.straightforward`), and a dataset stored as PNG files that timm's training
loader reads (`bench.stored`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fdsl.bench import straightforward
from fdsl.bench.cases import Case, cases, identities
from fdsl.bench.config import BenchConfig
from fdsl.bench.report import Report, known, rate_cells, rate_json, short
from fdsl.bench.stored import stored_pictures, why_not
from fdsl.bench.timing import Rate, Source, measure, ratio, repeated
from fdsl.cores import usable_cores
from fdsl.errors import check_int
from fdsl.render import Renderer

SIZE = 224
SLOW_BATCH = 4
OURS = "fdsl"
STRAIGHTFORWARD = "python"
STORED = "stored"
HEADINGS = ("family", "px", "<drawn by", "threads", "images/s", "range", "µs/image", "factor")


@dataclass(frozen=True, kw_only=True)
class BenchRenderConfig(BenchConfig):
    """Measure how fast images are drawn, beside two baselines in the same run."""

    benchmark: ClassVar[str] = "render"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"images": 16}

    images: int = 256
    """Images drawn at once, and stored as PNGs."""

    def __post_init__(self) -> None:
        check_int("images", self.images, 1, 1 << 20)
        super().__post_init__()


@dataclass(frozen=True, slots=True)
class Drawing:
    """One line of the benchmark.

    Attributes:
        case: what is drawn.
        size: pixels a side of the images made.
        what: OURS, STRAIGHTFORWARD or STORED.
        threads: at work.
        rate: images/s; None if it was skipped.
        ratio: for a baseline, how many times as fast fdsl is on one thread at the same size.
        skipped: why there is no rate.
    """

    case: Case
    size: int
    what: str
    threads: int
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
        return [(str(self.size), self.what, str(self.threads), *rate_cells(self.rate), factor)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields: dict[str, Any] = {"size": self.size, "what": self.what, "threads": self.threads}
        fields |= {"ratio": self.ratio, "skipped": self.skipped}
        return self.case.facts | known(fields) | rate_json(self.rate)


def run_bench(config: BenchRenderConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure every family of `config`; `announce` is told what comes next."""
    lines = [line for case in cases(config) for line in _bench_case(config, case, announce)]
    notes = (
        f"Medians of {config.repetitions} turns of {config.seconds:g} s and more, parameters included.",
        "factor: how many times as fast fdsl is, on one thread at the same size.",
        "python: NumPy, Pillow, an image and a point at a time; fdsl traces the strokes.",
        "stored: timm's training loader (RandAugment, erasing) on PNGs of native size.",
    )
    return Report(config, HEADINGS, lines, notes)


def _bench_case(config: BenchRenderConfig, case: Case, announce: Callable[[str], None]) -> Iterator[Drawing]:
    for size in sorted({SIZE, case.drawn.native_size}):
        announce(f"{case.title}, {size} px")
        sources: dict[tuple[str, int], Source] = {
            (OURS, threads): repeated(_drawing(config, case, size, threads))
            for threads in sorted({1, usable_cores()})
        }
        sources[STRAIGHTFORWARD, 1] = repeated(_drawing_slowly(config, case, size))
        with ExitStack() as stack:
            if size == SIZE and why_not() is None:
                sources[STORED, 1] = stack.enter_context(
                    stored_pictures(case.drawn, case.drawn.native_size, config.seed, config.images)
                )
            rates = measure(list(sources.values()), config.repetitions, config.seconds)
        for (what, threads), rate in zip(sources, rates, strict=True):
            factor = None if what == OURS else ratio(rates[0], rate)
            yield Drawing(case, size, what, threads, rate, factor)
        if size == SIZE and (reason := why_not()):
            yield Drawing(case, size, STORED, 1, skipped=reason)


def _drawing(config: BenchRenderConfig, case: Case, size: int, threads: int) -> Callable[[int], int]:
    """Return work that draws batches from their identities, parameters included, into the same memory every time.

    Fresh memory is a page fault every 4 KB; a training's loader draws into memory used over and over too.
    """
    renderer = Renderer(size, threads=threads)
    depth = (3,) if case.drawn.channels == 3 else ()
    out = np.empty((config.images, size, size, *depth), np.uint8)

    def draw(batch: int) -> int:
        table = case.drawn.table(config.seed, *identities(config.classes, batch, config.images))
        return len(renderer(table, out=out))

    return draw


def _drawing_slowly(config: BenchRenderConfig, case: Case, size: int) -> Callable[[int], int]:
    def draw(batch: int) -> int:
        table = case.drawn.table(config.seed, *identities(config.classes, batch, SLOW_BATCH))
        for row in range(SLOW_BATCH):
            straightforward.draw(table, row, size)
        return SLOW_BATCH

    return draw
