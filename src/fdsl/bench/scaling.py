"""How the cost of an image grows: with threads, and with what there is to draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from fdsl.bench.cases import Case, cases, identities
from fdsl.bench.config import BenchConfig
from fdsl.bench.report import Report, known, short
from fdsl.bench.timing import Rate, measure, ratio, repeated
from fdsl.cores import usable_cores
from fdsl.errors import check_int
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.radial import RadialStrokes
from fdsl.geometry.table import Table
from fdsl.render import Renderer

SIZE = 224
SIZES = (64, 128, 256, 512, 1024)
VERTICES, STROKES, RADIUS, NOISE = 1000, 200, np.float32(25), 4.0
"""Of VisualAtom's order (Takashima et al., CVPR 2023)."""
MANY_VERTICES = (62, 125, 250, 500, VERTICES)
MANY_STROKES = (12, 25, 50, 100, STROKES)
SHARES = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Of a family's own number of points."""
FOR_THREADS = 4
"""Times as many images where threads vary, so that each has many to draw."""
HEADINGS = ("family", "<over", "value", "images/s", "µs/image", "ns each", "growth")

Work = Callable[[int], int]


@dataclass(frozen=True, kw_only=True)
class BenchScalingConfig(BenchConfig):
    """Measure how drawing scales: over threads, vertices, strokes, points and size."""

    benchmark: ClassVar[str] = "scaling"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"images": 2}

    seconds: float = 0.2
    """Time a turn takes at least."""
    images: int = 128
    """Images drawn at once."""

    def __post_init__(self) -> None:
        check_int("images", self.images, 1, 1 << 16)
        super().__post_init__()


@dataclass(frozen=True, slots=True)
class Sweep:
    """The cost of an image over values of one quantity, measured in turns.

    Attributes:
        case: what is drawn.
        over: the quantity.
        values: of it, ascending.
        rates: images/s, one a value.
        units: how many of what the cost is counted by (segments, points, pixels) an image has, one a value; none for
            threads, of which more draw the same.
    """

    case: Case
    over: str
    values: tuple[int, ...]
    rates: tuple[Rate, ...]
    units: tuple[int, ...] = field(default=())

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    @property
    def slope(self) -> float | None:
        """Exponent of the power of `units` that the time of an image follows best: 1 is in proportion, 0 constant."""
        if not self.units:
            return None
        times = [rate.microseconds for rate in self.rates]
        return float(np.polyfit(np.log(self.units), np.log(times), 1)[0])

    @property
    def each(self) -> tuple[float | None, ...]:
        """Nanoseconds a unit, one a value."""
        if not self.units:
            return (None,) * len(self.values)
        return tuple(1e3 * rate.microseconds / n for rate, n in zip(self.rates, self.units, strict=True))

    @property
    def speed_ups(self) -> tuple[float | None, ...]:
        """How many times as fast as with the first value, for threads."""
        if self.units:
            return (None,) * len(self.values)
        return tuple(ratio(rate, self.rates[0]) for rate in self.rates)

    def rows(self) -> list[tuple[str, ...]]:
        """Return a row a value, the slope in the last."""
        rows: list[tuple[str, ...]] = []
        for value, rate, each, speed_up in zip(
            self.values, self.rates, self.each, self.speed_ups, strict=True
        ):
            growth = "" if speed_up is None else f"x {speed_up:.2f}"
            if value == self.values[-1] and self.slope is not None:
                growth = f"^ {round(self.slope, 2) + 0.0:.2f}"  # no minus zero
            over = self.over if value == self.values[0] else ""
            cells = (short(rate.median), short(rate.microseconds), "" if each is None else short(each))
            rows.append((over, f"{value:,}", *cells, growth))
        return rows

    def to_json(self) -> dict[str, Any]:
        """Return the sweep as plain JSON values, a point a value."""
        points = [
            known({"value": value, "units": n, "nanoseconds_each": each, "speed_up": speed_up})
            | rate.to_json()
            for value, n, each, speed_up, rate in zip(
                self.values, self.units or (None,) * len(self.values), self.each, self.speed_ups, self.rates,
                strict=True,
            )
        ]  # fmt: skip
        return known(self.case.facts | {"over": self.over, "slope": self.slope, "points": points})


def run_bench(config: BenchScalingConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure every family of `config`; `announce` is told what comes next."""
    sweeps = [sweep for case in cases(config) for sweep in _bench_case(config, case, announce)]
    notes = (
        f"Medians of {config.repetitions} turns of {config.seconds:g} s and more, parameters ready; {SIZE} px,",
        "one thread, its CPU time, but where these vary.",
        "vertices, strokes: contours like VisualAtom's, walking outward from the middle;",
        f"{STROKES} strokes of each number of vertices, {VERTICES:,} vertices of each of strokes.",
        "ns each: nanoseconds a segment, point or pixel.",
        "growth: x, times as fast as one thread; ^, the power of them that time grows by.",
    )
    return Report(config, HEADINGS, sweeps, notes)


def _bench_case(config: BenchScalingConfig, case: Case, announce: Callable[[str], None]) -> Iterator[Sweep]:
    def sweep(over: str, works: dict[int, Work], units: Sequence[int] = ()) -> Sweep:
        announce(f"{case.title} over {over}")
        sources = [repeated(work) for work in works.values()]
        # CPU time knows no speed-up; on one thread it is what others do not disturb
        rates = measure(sources, config.repetitions, config.seconds, cpu_time=over != "threads")
        return Sweep(case, over, tuple(works), tuple(rates), tuple(units))

    def table(images: int) -> Table:
        return case.drawn.table(config.seed, *identities(config.classes, 0, images))

    many, some = table(FOR_THREADS * config.images), table(config.images)
    yield sweep("threads", {threads: _drawing(many, SIZE, threads) for threads in _threads(usable_cores())})
    if isinstance(some, RadialStrokes):
        by_vertices = {v: _drawing(_walking(some, v, STROKES)) for v in MANY_VERTICES}
        yield sweep("vertices", by_vertices, [v * STROKES for v in MANY_VERTICES])
        by_strokes = {n: _drawing(_walking(some, VERTICES, n)) for n in MANY_STROKES}
        yield sweep("strokes", by_strokes, [VERTICES * n for n in MANY_STROKES])
    if isinstance(some, AffineMaps2D | AffineMaps3D):
        points = [round(share * some.points) for share in SHARES]
        yield sweep("points", {n: _drawing(replace(some, points=n)) for n in points}, points)
    yield sweep("size", {size: _drawing(some, size) for size in SIZES}, [size * size for size in SIZES])


def _threads(cores: int) -> list[int]:
    """Return 1, 2, 4, 8 ... and all cores."""
    return sorted({min(1 << power, cores) for power in range(cores.bit_length() + 1)})


def _drawing(table: Table, size: int = SIZE, threads: int = 1) -> Work:
    """Return work that draws `table` into the same memory every time."""
    renderer = Renderer(size, lines="crisp", threads=threads)
    out = renderer(table)

    def draw(_call: int) -> int:
        return len(renderer(table, out=out))

    return draw


def _walking(table: RadialStrokes, vertices: int, strokes: int) -> RadialStrokes:
    """Return contours like VisualAtom's, one an image, with the random numbers of `table`: an ellipse in the middle of
    the canvas, of radius 25 times 1 to 2 either way, whose vertices move by noise of 4 canvas units a stroke."""
    images = len(table)
    ovals_N = np.linspace(1, 2, images, dtype=np.float32)
    return replace(
        table,
        objects=1,
        address=table.address[:: table.objects].copy(),
        vertices=np.full(images, vertices, np.int32),
        strokes=np.full(images, strokes, np.int32),
        start=RADIUS * np.stack([ovals_N, ovals_N[::-1]], axis=1),
        centre=np.full((images, 2), table.canvas / 2, np.float32),
        gain=np.full(images, 2 * NOISE, np.float32),
        offset=np.full(images, -NOISE, np.float32),
    )
