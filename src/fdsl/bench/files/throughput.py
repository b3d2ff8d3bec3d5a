"""How much of `fdsl render` is its encoder: shards drawn, encoded and written, beside the same images encoded alone.

Both are done by the same processes, one a core, in turns. Neither includes what it takes to start them.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.bench.cases import Case, cases
from fdsl.bench.files.config import BenchFilesConfig
from fdsl.bench.report import known, rate_cells, rate_json
from fdsl.bench.timing import Rate, Source, measure, ratio
from fdsl.data.export.config import ExportConfig, Format
from fdsl.data.export.layouts import Layout
from fdsl.data.export.plan import make_plan
from fdsl.data.export.processes import Counter
from fdsl.data.export.store import open_store
from fdsl.data.export.work import layout_of, make_shard
from fdsl.render import Renderer

GOAL = 0.85
"""Of the encoder's rate, which the whole should reach."""
PEER = 35.0
"""Images of RCDB, 512 px as PNG, that the published scripts make a second on a core of another machine."""
ENCODED = (("png", "gray"), ("png", "rgb"), ("jpeg", "gray"), ("webp-lossless", "gray"))
ALONE = "encoder"
WRITTEN: dict[Format, str] = {"webdataset": "tars", "folder": "folder"}
SHARDS_A_WORKER = 4
"""In a turn, so that one that is done early takes over from one that is not."""
PAGE = 4096
HEADINGS = ("family", "px", "<encoding", "<what", "images/s", "range", "a core", "of encoder")


@dataclass(frozen=True, slots=True)
class Throughput:
    """One line of the benchmark.

    Attributes:
        case: what is drawn.
        size: pixels a side.
        encoding: of the images.
        colour: gray or rgb.
        what: ALONE, or how the whole was written.
        workers: processes at work.
        rate: images/s of all of them.
        share: of the whole, its rate over the encoder's.
    """

    case: Case
    size: int
    encoding: str
    colour: str
    what: str
    workers: int
    rate: Rate
    share: float | None = None

    skipped = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    @property
    def each(self) -> float:
        """Images/s of one process."""
        return self.rate.median / self.workers

    @property
    def peers(self) -> float | None:
        """How many times the rate of the published scripts' that is, of what they make."""
        comparable = (self.case.drawn.name, self.size, self.encoding) == ("RCDB", 512, "png")
        return self.each / PEER if comparable and self.what != ALONE else None

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        encoding = self.encoding + " rgb" * (self.colour == "rgb")
        share = "" if self.share is None else f"{self.share:.2f}"
        cells = (*rate_cells(self.rate)[:2], f"{self.each:,.0f}")
        return [(str(self.size), encoding, self.what, *cells, share)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        names = ("size", "encoding", "colour", "what", "workers")
        fields = {name: getattr(self, name) for name in names}
        fields |= {"ratio": self.share, "images_per_second_and_core": self.each, "times_peer": self.peers}
        return {"part": "throughput"} | self.case.facts | known(fields) | rate_json(self.rate)


def bench_throughput(config: BenchFilesConfig, announce: Callable[[str], None]) -> list[Throughput]:
    """Measure every encoding, at every size, in both formats, beside the encoder alone."""
    lines: list[Throughput] = []
    with tempfile.TemporaryDirectory(prefix="fdsl-bench-") as folder, _workers(config.processes) as pool:
        for case in cases(config):
            for size in config.sizes:
                for encoding, colour in ENCODED:
                    if colour == "gray" and case.drawn.channels == 3:
                        continue
                    announce(f"throughput, {case.title} {size} px as {encoding} {colour}")
                    export = _export(config, case, size, encoding, colour)
                    rates = _measure(config, export, pool, Path(folder))
                    for what, rate in zip((ALONE, *WRITTEN.values()), rates, strict=True):
                        share = None if what == ALONE else ratio(rate, rates[0])
                        line = Throughput(case, size, encoding, colour, what, config.processes, rate, share)
                        lines.append(line)
    return lines


def _export(config: BenchFilesConfig, case: Case, size: int, encoding: Any, colour: Any) -> ExportConfig:
    """Return what is written: a shard for each process, of images from all categories."""
    variant = getattr(case.drawn, "variant", None)
    return ExportConfig(
        family=case.drawn.name,
        options=() if variant is None else (f"variant={variant}",),
        classes=config.classes,
        instances=-(-config.processes * config.images // config.classes),
        size=size,
        seed=config.seed,
        encoding=encoding,
        colour=colour,
        order="shuffled",
        shard_size=config.images,
    )


def _measure(
    config: BenchFilesConfig, export: ExportConfig, pool: ProcessPoolExecutor, folder: Path
) -> list[Rate]:
    """Return the rates of the encoder alone, and of the whole in each format."""
    shards = list(range(config.processes)) * SHARDS_A_WORKER
    with tempfile.TemporaryDirectory(dir=folder) as place:
        drawn = _draw(export, config.processes, Path(place) / "drawn.npy")
        sources = [_alone(pool, export, drawn, shards)]
        sources += [_whole(pool, replace(export, format=name), place, shards) for name in WRITTEN]
        return measure(sources, config.repetitions, config.seconds)


def _draw(export: ExportConfig, shards: int, path: Path) -> str:
    """Draw the images of the first shards into a file that all processes share in memory."""
    plan = make_plan(export)
    renderer = Renderer(export.size, export.lines)
    shape = (shards, export.shard_size, export.size, export.size, *([3] if plan.rgb else []))
    held = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for shard in range(shards):
        held[shard] = plan.draw(plan.identify(plan.positions(shard)), renderer)
    held.flush()  # or the disk would be at it while others are timed
    return str(path)


def _alone(pool: ProcessPoolExecutor, export: ExportConfig, drawn: str, shards: Sequence[int]) -> Source:
    """Make a source of images that are encoded and forgotten."""

    def source() -> Generator[int, None, None]:
        yield 0
        while True:
            yield sum(pool.map(partial(_encode, export, drawn), shards))

    return source


def _whole(pool: ProcessPoolExecutor, export: ExportConfig, folder: str, shards: Sequence[int]) -> Source:
    """Make a source of shards that are drawn, encoded and written where there is nothing yet."""

    def source() -> Generator[int, None, None]:
        with tempfile.TemporaryDirectory(dir=folder) as root:
            yield 0
            for turn in count():
                targets = [f"{root}/{turn}-{place}" for place in range(len(shards))]
                yield sum(pool.map(partial(_make, export), targets, shards))

    return source


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes like those of `fdsl render`."""
    context = multiprocessing.get_context("spawn")
    told = ([context.Value("q", 0), context.Value("q", 0)], context.Event())
    with ProcessPoolExecutor(processes, context, _begin, told) as pool:
        yield pool


_told: Counter


def _begin(counts: Sequence[Any], stop: Any) -> None:
    global _told
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _told = Counter(counts, stop)


@lru_cache(maxsize=2 * len(WRITTEN))
def _layout(export: ExportConfig) -> Layout:
    return layout_of(make_plan(export))


@lru_cache(maxsize=1)
def _held(path: str) -> NDArray[np.uint8]:
    """Return the drawn images, uint8 [shards, N, H, W] or with 3 channels, each page of them touched."""
    images = np.asarray(np.load(path, mmap_mode="r"))
    images.reshape(-1)[::PAGE].max()
    return images


def _encode(export: ExportConfig, drawn: str, shard: int) -> int:
    encode = _layout(export).plan.encoder.encode
    images = _held(drawn)[shard]
    for image in images:
        encode(image)
    return len(images)


def _make(export: ExportConfig, target: str, shard: int) -> int:
    return make_shard(_layout(export), open_store(target), shard, _told).images


def notes(config: BenchFilesConfig, lines: Sequence[Throughput]) -> tuple[str, ...]:
    """Return what to say of the throughput's table."""
    compared = [line.peers for line in lines if line.peers is not None]
    times = (
        [f"{min(compared):.0f} to {max(compared):.0f} times as many a core are made here."]
        if compared
        else []
    )
    return (
        f"throughput: {config.processes} processes, {config.repetitions} turns of {config.seconds:g} s and more.",
        "encoder: they encode images drawn before. tars, folder: they draw, encode,",
        f"write; of encoder: the share of its rate that is left; the goal is {GOAL:g}.",
        f"Published scripts: {PEER:g} images/s a core (RCDB, 512 px, PNG, another machine).",
        *times,
    )
