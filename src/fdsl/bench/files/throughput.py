"""How much of `fdsl render` is its encoder: shards drawn, encoded and written, beside the same images encoded alone.

Both are done by the same processes, one a core, in turns. Neither includes what it takes to start them.
"""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fdsl.bench.cases import Case, cases
from fdsl.bench.files.config import BenchFilesConfig
from fdsl.bench.report import Section, known, rate_cells, rate_json, short
from fdsl.bench.timing import Rate, Source, measure, ratio
from fdsl.data.export.config import ExportConfig, Format
from fdsl.data.export.layouts import Layout
from fdsl.data.export.plan import make_plan
from fdsl.data.export.processes import end_with_parent
from fdsl.data.export.stores import open_store
from fdsl.data.export.work import layout_of, make_shard
from fdsl.render import Renderer

GOAL = 0.85
"""Of the encoder's rate, which the whole should reach."""
PEER = 35.0
"""Images of RCDB, 512 px as PNG, that the published scripts make a second on a core of another machine."""
ENCODED = (("png", "gray"), ("png", "rgb"), ("jpeg", "gray"), ("webp-lossless", "gray"))
ALONE = "encoder"
WRITTEN: dict[Format, str] = {"webdataset": "tars", "folder": "folder"}
CATEGORIES_A_SHARD = 4
"""A shard is large, and fills few folders, as those of `fdsl render` do by default: each has its own cost."""
PAGE = 4096
Done = tuple[int, float]
"""Images, and the seconds of CPU time that they took."""
Work = Callable[[], Generator[Done, None, None]]
HEADINGS = ("<what", "images/s", "range", "share", "a core", "CPU share")


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
        rate: images/s of all of them, by the wall's clock.
        work: images a second of their CPU time: on a busy machine the steadier measure.
        share: of the whole, its rate over the encoder's.
        work_share: likewise, of `work`.
    """

    case: Case
    size: int
    encoding: str
    colour: str
    what: str
    workers: int
    rate: Rate
    work: Rate
    share: float | None = None
    work_share: float | None = None

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What becomes of an image."""
        return f"{self.size} px {self.encoding}" + " rgb" * (self.colour == "rgb")

    @property
    def peers(self) -> float | None:
        """How many times the rate of the published scripts' that is, of what they make."""
        comparable = (self.case.drawn.name, self.size, self.encoding) == ("RCDB", 512, "png")
        return self.work.median / PEER if comparable and self.what != ALONE else None

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        shares = ["" if share is None else f"{share:.2f}" for share in (self.share, self.work_share)]
        return [(self.what, *rate_cells(self.rate)[:2], shares[0], short(self.work.median), shares[1])]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        names = ("size", "encoding", "colour", "what", "workers")
        fields = {name: getattr(self, name) for name in names}
        fields |= {"ratio": self.share, "cpu_ratio": self.work_share, "times_peer": self.peers}
        fields["images_per_cpu_second"] = self.work.median
        return {"part": "throughput"} | self.case.facts | known(fields) | rate_json(self.rate)


def bench_throughput(config: BenchFilesConfig, announce: Callable[[str], None]) -> list[Section]:
    """Measure every encoding, at every size, in both formats, beside the encoder alone: a table a family."""
    with tempfile.TemporaryDirectory(prefix="fdsl-bench-") as folder, _workers(config.processes) as pool:
        return [
            Section((case.title, *HEADINGS), list(_bench_case(config, case, pool, Path(folder), announce)))
            for case in cases(config)
        ]


def _bench_case(
    config: BenchFilesConfig,
    case: Case,
    pool: ProcessPoolExecutor,
    folder: Path,
    announce: Callable[[str], None],
) -> Iterator[Throughput]:
    for size in config.sizes:
        for encoding, colour in ENCODED:
            if colour == "gray" and case.drawn.channels == 3:
                continue
            announce(f"throughput, {case.title} {size} px as {encoding} {colour}")
            export = _export(config, case, size, encoding, colour)
            measured = _measure(config, export, pool, folder)
            alone, alone_work = measured[0]
            for what, (rate, work) in zip((ALONE, *WRITTEN.values()), measured, strict=True):
                shares = () if what == ALONE else (ratio(rate, alone), ratio(work, alone_work))
                yield Throughput(case, size, encoding, colour, what, config.processes, rate, work, *shares)


def _export(config: BenchFilesConfig, case: Case, size: int, encoding: Any, colour: Any) -> ExportConfig:
    """Return what is written: a shard for each process, a few categories in each."""
    shard_size = CATEGORIES_A_SHARD * config.images
    variant = getattr(case.drawn, "variant", None)
    return ExportConfig(
        family=case.drawn.name,
        options=() if variant is None else (f"variant={variant}",),
        classes=config.classes,
        instances=max(config.images, -(-config.processes * shard_size // config.classes)),
        size=size,
        seed=config.seed,
        encoding=encoding,
        colour=colour,
        order="category",
        shard_size=shard_size,
    )


def _measure(
    config: BenchFilesConfig, export: ExportConfig, pool: ProcessPoolExecutor, folder: Path
) -> list[tuple[Rate, Rate]]:
    """Return the rates of the encoder alone, and of the whole in each format: of the wall's time, and of CPU time."""
    shards = range(config.processes)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        drawn = _draw(export, config.processes, Path(place) / "drawn.npy")
        works = [_alone(pool, export, drawn, shards)]
        works += [_whole(pool, replace(export, format=name), str(folder), shards) for name in WRITTEN]
        turns: list[list[float]] = [[] for _ in works]
        sources = [_counted(work, each) for work, each in zip(works, turns, strict=True)]
        rates = measure(sources, config.repetitions, config.seconds)
    # the first turn does not count
    return [(rate, Rate(tuple(each[1:]), rate.images)) for rate, each in zip(rates, turns, strict=True)]


def _counted(work: Work, turns: list[float]) -> Source:
    """Make a source of work, whose images a second of CPU time are appended to `turns` at the end of each."""

    def source() -> Generator[int, None, None]:
        images, seconds = 0, 0.0
        with closing(work()) as pieces:
            try:
                yield 0
                for done, spent in pieces:
                    images, seconds = images + done, seconds + spent
                    yield done
            finally:
                if seconds:  # or what failed would be lost in a division by zero
                    turns.append(images / seconds)

    return source


def _draw(export: ExportConfig, shards: int, path: Path) -> str:
    """Draw the images of the first shards into a file that all processes share in memory."""
    plan = make_plan(export)
    renderer = Renderer(export.size, export.lines)
    shape = (shards, export.shard_size, export.size, export.size, *([3] if plan.family.channels == 3 else []))
    held = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    for shard in range(shards):
        held[shard] = plan.draw(plan.identify(plan.positions(shard)), renderer)
    held.flush()  # or the disk would be at it while others are timed
    return str(path)


def _alone(pool: ProcessPoolExecutor, export: ExportConfig, drawn: str, shards: Sequence[int]) -> Work:
    """Return work on images that are encoded and forgotten."""

    def work() -> Generator[Done, None, None]:
        while True:
            yield _sum(pool.map(partial(_encode, export, drawn), shards))

    return work


def _whole(pool: ProcessPoolExecutor, export: ExportConfig, folder: str, shards: Sequence[int]) -> Work:
    """Return work on shards that are drawn, encoded and written where there is nothing yet.

    They stay until all is measured: ext4 does not give out the places of files again that were deleted in the last
    seconds, and takes a millisecond a file to find others.
    """

    def work() -> Generator[Done, None, None]:
        root = tempfile.mkdtemp(dir=folder)
        for turn in count():
            targets = [f"{root}/{turn}-{place}" for place in range(len(shards))]
            yield _sum(pool.map(partial(_make, export), targets, shards))

    return work


def _sum(parts: Iterable[Done]) -> Done:
    images, seconds = zip(*parts, strict=True)
    return sum(images), sum(seconds)


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Yield processes like those of `fdsl render`."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin) as pool:
        yield pool


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


@lru_cache(maxsize=2 * len(WRITTEN))
def _layout(export: ExportConfig) -> Layout:
    return layout_of(make_plan(export))


@lru_cache(maxsize=1)
def _held(path: str) -> NDArray[np.uint8]:
    """Return the drawn images, uint8 [shards, N, H, W] or with 3 channels, each page of them touched."""
    images = np.asarray(np.load(path, mmap_mode="r"))
    images.reshape(-1)[::PAGE].max()
    return images


def _encode(export: ExportConfig, drawn: str, shard: int) -> Done:
    encode = _layout(export).plan.encoder.encode
    images = _held(drawn)[shard]
    started = time.process_time()
    for image in images:
        encode(image)
    return len(images), time.process_time() - started


def _make(export: ExportConfig, target: str, shard: int) -> Done:
    layout = _layout(export)
    started = time.process_time()
    record = make_shard(layout, open_store(target), shard, lambda *_: None)
    return record.images, time.process_time() - started


def notes(config: BenchFilesConfig, sections: Sequence[Section]) -> tuple[str, ...]:
    """Return what to say of the throughput's table."""
    lines = [line.to_json() for section in sections for line in section.measurements]
    compared = [line["times_peer"] for line in lines if "times_peer" in line]
    times = (
        [f"{min(compared):.0f} to {max(compared):.0f} times as many a core are made here."]
        if compared
        else []
    )
    return (
        f"throughput: {config.processes} processes, {config.repetitions} turns of {config.seconds:g} s and more.",
        f"What was written lay in {tempfile.gettempdir()} until the end, a few gigabytes of it.",
        "encoder: images drawn before are encoded. tars, folder: drawn, encoded, written.",
        f"share: of the encoder's rate that is left; the goal is {GOAL:g}.",
        "a core: images a second of CPU time; CPU share: the share of that.",
        f"Published scripts: {PEER:g} images/s a core (RCDB, 512 px, PNG, another machine).",
        *times,
    )
