"""How fast each family is drawn: at 224 pixels and at its native size, on one thread and on all.

Two baselines run beside it in the same minutes, because absolute figures of one machine move by a third from
run to run while ratios hold: the straightforward program (`bench.straightforward`), and a dataset stored as
PNG files that timm's training loader reads (`bench.stored`).
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.bench import stored, straightforward
from fdsl.bench.timing import Rate, measure
from fdsl.cores import usable_cores
from fdsl.errors import check_float, check_int
from fdsl.formulas import Family, families, family
from fdsl.machine import machine_facts
from fdsl.render import Renderer

SCHEMA = 1
SIZE = 224
SLOW_BATCH = 4
OURS = "fdsl"
STRAIGHTFORWARD = "python"
STORED = "stored"


@dataclass(frozen=True, kw_only=True)
class BenchRenderConfig:
    """Measure how fast images are drawn, beside two baselines in the same run.

    Raises:
        InputError: a field is out of range or names an unknown family.
    """

    families: tuple[str, ...] = ()
    """Families to measure; none is all."""
    json: Path | None = None
    """File to write the numbers to."""
    images: int = 256
    """Images drawn at once, and stored as PNGs."""
    repetitions: int = 5
    """Timed repetitions."""
    seconds: float = 0.5
    """Time a repetition takes at least; every batch in it shows other instances."""
    classes: int = 128
    """Categories the images come from."""
    seed: int = 0
    """Seed of the datasets."""
    quick: bool = False
    """A few images and two short repetitions, to see that it runs: the numbers mean little."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "families", tuple(family(name).name for name in self.families or families()))
        check_int("images", self.images, 1, 1 << 20)
        check_int("repetitions", self.repetitions, 1, 1000)
        check_float("seconds", self.seconds, 0, 3600)
        check_int("classes", self.classes, 2, 1 << 20)
        check_int("seed", self.seed, 0, 2**32 - 1)
        if self.quick:
            for field, most in (("images", 16), ("repetitions", 2), ("seconds", 0.01), ("classes", 4)):
                object.__setattr__(self, field, min(most, getattr(self, field)))


@dataclass(frozen=True, slots=True)
class Measurement:
    """One line of the benchmark.

    Attributes:
        family: its name.
        size: pixels a side of the images made.
        what: OURS, STRAIGHTFORWARD or STORED.
        threads: at work.
        rate: images/s; None if it was skipped.
        ratio: for a baseline, images/s of fdsl on one thread at the same size over its own.
        skipped: why there is no rate.
    """

    family: str
    size: int
    what: str
    threads: int
    rate: Rate | None = None
    ratio: float | None = None
    skipped: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "rate"}
        known = {name: value for name, value in fields.items() if value is not None}
        return known | (self.rate.to_json() if self.rate else {})


def run_bench(
    config: BenchRenderConfig, announce: Callable[[str], None] = lambda _line: None
) -> list[Measurement]:
    """Measure every family of `config`; `announce` is told what comes next."""
    return [line for name in config.families for line in _bench_family(config, name, announce)]


def to_json(config: BenchRenderConfig, measurements: list[Measurement]) -> dict[str, Any]:
    """Return settings, machine and measurements as plain JSON values; `schema` numbers this form of them."""
    return {
        "schema": SCHEMA,
        "benchmark": "render",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine_facts(),
        "settings": {
            "images": config.images,
            "repetitions": config.repetitions,
            "seconds": config.seconds,
            "classes": config.classes,
            "seed": config.seed,
            "quick": config.quick,
        },
        "measurements": [measurement.to_json() for measurement in measurements],
    }


def _bench_family(
    config: BenchRenderConfig, name: str, announce: Callable[[str], None]
) -> Iterator[Measurement]:
    drawn = family(name, classes=config.classes)
    one_thread: dict[int, float] = {}
    for size in sorted({SIZE, drawn.native_size}):
        for threads in sorted({1, usable_cores()}):
            announce(f"{name}, {size} px, {threads} thread{'s' * (threads > 1)}")
            rate = _measure(config, _drawing(config, drawn, size, threads))
            if threads == 1:
                one_thread[size] = rate.median
            yield Measurement(name, size, OURS, threads, rate)
        announce(f"{name}, {size} px, straightforward Python")
        rate = _measure(config, _drawing_slowly(config, drawn, size))
        yield Measurement(name, size, STRAIGHTFORWARD, 1, rate, one_thread[size] / rate.median)
    announce(f"{name}, {SIZE} px, stored PNGs")
    yield _bench_stored(config, drawn, one_thread[SIZE])


def _measure(config: BenchRenderConfig, work: Callable[[int], int]) -> Rate:
    return measure(work, config.repetitions, config.seconds)


def _drawing(config: BenchRenderConfig, drawn: Family, size: int, threads: int) -> Callable[[int], int]:
    """Return work that draws batches from their identities, parameters included."""
    renderer = Renderer(size, threads=threads)

    def draw(batch: int) -> int:
        return len(renderer(drawn.table(config.seed, *_identities(config, batch, config.images))))

    return draw


def _drawing_slowly(config: BenchRenderConfig, drawn: Family, size: int) -> Callable[[int], int]:
    def draw(batch: int) -> int:
        table = drawn.table(config.seed, *_identities(config, batch, SLOW_BATCH))
        for row in range(SLOW_BATCH):
            straightforward.draw(table, row, size)
        return SLOW_BATCH

    return draw


def _bench_stored(config: BenchRenderConfig, drawn: Family, ours: float) -> Measurement:
    if find_spec("timm") is None:
        return Measurement(
            drawn.name, SIZE, STORED, 1, skipped='timm is not installed: pip install "fdsl[train]"'
        )
    categories, instances = _identities(config, 0, config.images)
    images = Renderer(drawn.native_size)(drawn.table(config.seed, categories, instances))
    with tempfile.TemporaryDirectory(prefix="fdsl-bench-") as folder:
        stored.write_folder(images, categories, Path(folder))
        with stored.timm_reader(Path(folder)) as read:
            rate = _measure(config, read)
    return Measurement(drawn.name, SIZE, STORED, 1, rate, ours / rate.median)


def _identities(
    config: BenchRenderConfig, batch: int, images: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return categories and instances of a batch, int64 [images]: one category after the other, no image twice."""
    numbers = np.arange(images) + batch * images
    return numbers % config.classes, numbers // config.classes
