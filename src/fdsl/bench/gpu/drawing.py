"""How fast the renderer draws on a GPU, nothing else: by family and batch, and an epoch of RCDB-1k."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, cast

import numpy as np
import torch

from fdsl.bench.cases import Case, cases, identities
from fdsl.bench.gpu.clock import Clock, timed
from fdsl.bench.gpu.config import BenchGpuConfig
from fdsl.bench.report import known, rate_cells, rate_json, short
from fdsl.bench.timing import Rate
from fdsl.errors import FdslError
from fdsl.formulas import family
from fdsl.geometry.radial import RadialStrokes
from fdsl.geometry.table import Table
from fdsl.render.cuda.renderer import CudaRenderer

INCLUDED, PREPARED = "included", "prepared"
PREPARED_TABLES = 4
"""Tables made beforehand, drawn over and over."""
ROTATED, MOST_OUTS = 256 << 20, 24
"""Bytes that batches are drawn into before the first of them is overwritten: a GPU's caches hold less. Not more than so
many batches."""
UNSET = 0xA5
LARGE, LARGE_QUICK = (1000, 200), (100, 4)
"""Vertices and strokes of VisualAtom's largest contour."""
HEADINGS = ("family", "batch", "<tables", "images/s", "range", "µs/image", "floor")
EPOCH_HEADINGS = ("epoch of", "samples", "batch", "seconds", "range", "images/s")


@dataclass(frozen=True, slots=True)
class Large(Case):
    """A family of contours, all of them of so many vertices and strokes."""

    vertices: int
    strokes: int

    @property
    def facts(self) -> dict[str, Any]:
        """The family's name and the numbers, for JSON."""
        return {"family": self.drawn.name, "vertices": self.vertices, "strokes": self.strokes}

    def table(self, seed: int, categories: Any, instances: Any) -> Table:
        """Return the family's table with other numbers of vertices and strokes."""
        made = cast(RadialStrokes, self.drawn.table(seed, categories, instances))
        vertices, strokes = (np.full(len(made), n, np.int32) for n in (self.vertices, self.strokes))
        return replace(made, vertices=vertices, strokes=strokes)


def gpu_cases(config: BenchGpuConfig) -> list[Case]:
    """Return what `config` names, and the largest contours where VisualAtom is among them."""
    found = []
    for case in cases(config):
        found.append(case)
        if case.drawn.name == "VisualAtom":
            vertices, strokes = LARGE_QUICK if config.quick else LARGE
            found.append(Large(f"VisualAtom {vertices}x{strokes}", case.drawn, vertices, strokes))
    return found


@dataclass(frozen=True, slots=True)
class Drawing:
    """One line of the benchmark.

    Attributes:
        case: what is drawn.
        size: pixels a side.
        batch: images at once.
        tables: INCLUDED, made within the time, or PREPARED.
        rate: images/s.
        floor: least time of an image, seconds: that of writing its bytes once.
    """

    case: Case
    size: int
    batch: int
    tables: str
    rate: Rate
    floor: float

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    @property
    def share(self) -> float:
        """The least time over the measured one."""
        return self.floor * self.rate.median

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        return [(str(self.batch), self.tables, *rate_cells(self.rate), f"{self.share:.1%}")]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields: dict[str, Any] = {
            "what": "drawing",
            "size": self.size,
            "batch": self.batch,
            "tables": self.tables,
        }
        fields |= {"floor_share": self.share}
        return self.case.facts | known(fields) | rate_json(self.rate)


@dataclass(frozen=True, slots=True)
class Epoch:
    """The time of an epoch, tables included.

    Attributes:
        case: what is drawn.
        size: pixels a side.
        batch: images at once.
        samples: images of the epoch.
        rate: images/s.
    """

    case: Case
    size: int
    batch: int
    samples: int
    rate: Rate

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    @property
    def seconds(self) -> float:
        """Of the median epoch."""
        return self.samples / self.rate.median

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        fastest, slowest = (self.samples / rate for rate in (self.rate.high, self.rate.low))
        times = short(self.seconds), f"{short(fastest)}-{short(slowest)}"
        return [(f"{self.samples:,}", str(self.batch), *times, short(self.rate.median))]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields = {"what": "epoch", "size": self.size, "batch": self.batch, "samples": self.samples}
        return self.case.facts | known(fields | {"seconds": self.seconds}) | rate_json(self.rate)


class Batches:
    """Draws batches of one size into memory that is used over and over, but seldom.

    Args:
        clock: of the GPU.
        renderer: of that GPU.
        table: one as all that will be drawn, for its shape.
    """

    def __init__(self, clock: Clock, renderer: CudaRenderer, table: Table) -> None:
        self._clock, self._renderer = clock, renderer
        shape = renderer.shape(table)
        self.bytes_each = math.prod(shape[1:])
        number = min(MOST_OUTS, max(1, math.ceil(ROTATED / math.prod(shape))))
        self._outs = [torch.full(shape, UNSET, dtype=torch.uint8, device=clock.device) for _ in range(number)]
        self._drawn: list[int] = [0] * number
        self._next = 0

    def draw(self, table: Table) -> int:
        """Ask for a batch, not larger than the first; return how many images it has."""
        place = self._next % len(self._outs)
        self._next += 1
        self._drawn[place] = max(self._drawn[place], len(table))
        out = self._outs[place][: len(table)]
        self._renderer(table, out=self._clock.memory(out), stream=self._clock.stream)
        return len(table)

    def check_every_byte(self, table: Table) -> None:
        """Raise FdslError unless a batch drawn over other bytes is the same, as it is if all of it is written."""
        drawn = []
        for before in (0, 255):
            self._next = 0
            self._outs[0].fill_(before)
            self._clock.seconds(lambda: self.draw(table))
            drawn.append(self._outs[0][: len(table)].clone())
        different = int((drawn[0] != drawn[1]).sum())
        if different:
            raise FdslError(
                f"{different} of {drawn[0].numel()} bytes were not written, or not the same twice"
            )
        self._outs[0].fill_(UNSET)
        self._drawn[0] = self._next = 0

    def check_images(self) -> None:
        """Raise FdslError if an image that was asked for is still what was there before."""
        for out, count in zip(self._outs, self._drawn, strict=True):
            unset = int((out[:count] == UNSET).flatten(1).all(dim=1).sum())
            if unset:
                raise FdslError(f"{unset} of {count} images of a batch were timed and not written")


def bench_drawing(
    config: BenchGpuConfig, clock: Clock, renderer: CudaRenderer, bandwidth: float, case: Case, batch: int
) -> list[Drawing]:
    """Measure a family at one size of batch, with its tables in the time and without, in turns."""

    def table(n: int) -> Table:
        return case.table(config.seed, *identities(config.classes, n, batch))

    tables = [table(n) for n in range(PREPARED_TABLES)]
    batches = Batches(clock, renderer, tables[0])
    batches.check_every_byte(tables[0])
    works = {
        INCLUDED: lambda n: batches.draw(table(PREPARED_TABLES + n)),
        PREPARED: lambda n: batches.draw(tables[n % PREPARED_TABLES]),
    }
    rates = timed(clock, list(works.values()), config.repetitions, config.seconds)
    batches.check_images()
    floor = batches.bytes_each / bandwidth
    return [
        Drawing(case, config.size, batch, kind, rate, floor) for kind, rate in zip(works, rates, strict=True)
    ]


def bench_epoch(config: BenchGpuConfig, clock: Clock, renderer: CudaRenderer) -> list[Epoch]:
    """Measure an epoch of RCDB with as many categories as instances, tables included."""
    classes, batch = math.isqrt(config.epoch), config.batches[-1]
    case = Case(f"RCDB, {classes:,} classes", family("RCDB", classes=classes))

    def table(first: int) -> Table:
        numbers = np.arange(first, min(first + batch, config.epoch))
        return case.table(config.seed, numbers % classes, numbers // classes)

    batches = Batches(clock, renderer, table(0))

    def draw_all() -> int:
        return sum(batches.draw(table(first)) for first in range(0, config.epoch, batch))

    clock.seconds(lambda: batches.draw(table(0)))  # compiles
    turns = min(3, config.repetitions)
    rates = tuple(config.epoch / clock.seconds(draw_all) for _ in range(turns))
    batches.check_images()
    return [Epoch(case, config.size, batch, config.epoch, Rate(rates, turns * config.epoch))]
