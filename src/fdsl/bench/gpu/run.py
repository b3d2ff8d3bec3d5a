"""All of `fdsl bench gpu`, piece by piece: what fails or finds no time left is named, and takes nothing else along."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

from fdsl.bench.gpu import agreement, drawing, training
from fdsl.bench.gpu.agreement import Agreement, bench_agreement
from fdsl.bench.gpu.clock import Clock, bandwidth, gpu_facts, open_clock
from fdsl.bench.gpu.config import BenchGpuConfig
from fdsl.bench.gpu.drawing import bench_drawing, bench_epoch, gpu_cases
from fdsl.bench.gpu.training import bench_training
from fdsl.bench.report import Measurement, Report, Section
from fdsl.errors import first_line
from fdsl.render.cuda.renderer import CudaRenderer

SIMULATOR = (
    "THESE ARE TIMES OF NUMBA-CUDA'S SIMULATOR ON A CPU: they say that all of it",
    "runs, and nothing of a GPU: no rate, share or stall means anything. Of all but",
    "sizes and batches as little is measured as with --quick.",
)


@dataclass(frozen=True, slots=True)
class Piece:
    """Something to measure.

    Attributes:
        title: what its rows are grouped under.
        what: which of them it is.
        measure: does it.
    """

    title: str
    what: str
    measure: Callable[[], Sequence[Measurement]]


@dataclass(frozen=True, slots=True)
class Missing:
    """A line of which there are no numbers.

    Attributes:
        title: what its row is grouped under.
        what: which of them it is.
        skipped: why.
        columns: of its table, without that of the titles.
    """

    title: str
    what: str
    skipped: str
    columns: int

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        return [(self.what, "skipped", *[""] * (self.columns - 2))]

    def to_json(self) -> dict[str, Any]:
        """Return the reason, and of what it is."""
        return {"title": self.title, "what": self.what, "skipped": self.skipped}


class Parts:
    """Measures pieces until the time is over; `announce` is told what comes next."""

    def __init__(self, minutes: float, announce: Callable[[str], None]) -> None:
        self._minutes, self._announce = minutes, announce
        self._ends = time.monotonic() + 60 * minutes

    def measured(self, headings: tuple[str, ...], pieces: Iterable[Piece]) -> Section:
        """Return the table of these pieces, grouped by title."""
        lines = [line for piece in pieces for line in self._lines(piece, len(headings) - 1)]
        titles = list(dict.fromkeys(line.title for line in lines))
        return Section(headings, sorted(lines, key=lambda line: titles.index(line.title)))

    def _lines(self, piece: Piece, columns: int) -> Iterator[Measurement]:
        if time.monotonic() >= self._ends:
            yield Missing(piece.title, piece.what, f"{self._minutes:g} minutes are over (--minutes)", columns)
            return
        self._announce(f"{piece.title}, {piece.what}")
        try:
            yield from piece.measure()
        except Exception as error:  # noqa: BLE001 (whatever one kernel dies of, other numbers are not lost)
            reason = f"{piece.title}, {piece.what}: {type(error).__name__}: {first_line(error)}"
            yield Missing(piece.title, piece.what, reason, columns)


def run_bench(config: BenchGpuConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure all of it; `announce` is told what comes next.

    Raises:
        InputError: there is no GPU, or numba-cuda is missing.
    """
    clock = open_clock()
    config = config.for_simulator() if clock.simulated else config
    parts = Parts(config.minutes, announce)
    renderer = CudaRenderer(config.size, device=clock.index)
    announce("the memory's bandwidth")
    copied = bandwidth(clock, config.repetitions, config.seconds)
    # what is wrong comes before how fast it is, and what takes the longest comes last
    same = parts.measured(agreement.HEADINGS, _comparisons(config, clock))
    epoch = Piece("RCDB", "an epoch", partial(bench_epoch, config, clock, renderer))
    whole = parts.measured(drawing.EPOCH_HEADINGS, [epoch])
    steps = parts.measured(training.HEADINGS, _trainings(config, clock))
    drawn = parts.measured(drawing.HEADINGS, _drawings(config, clock, renderer, copied))
    facts = gpu_facts(clock, copied)
    notes = _notes(config, facts, same)
    return Report(config, drawn.headings, drawn.measurements, notes, (whole, same, steps), facts)


def _comparisons(config: BenchGpuConfig, clock: Clock) -> Iterator[Piece]:
    """Every family with every kind of lines, as it is and augmented."""
    renderers = {lines: CudaRenderer(config.size, lines, clock.index) for lines in agreement.LINES}
    for case, (lines, renderer), augmented in product(gpu_cases(config), renderers.items(), (False, True)):
        what = agreement.kind(lines, augmented)
        yield Piece(case.title, what, partial(bench_agreement, config, clock, renderer, case, augmented))


def _trainings(config: BenchGpuConfig, clock: Clock) -> Iterator[Piece]:
    for model in training.IN_SIMULATOR if clock.simulated else training.MODELS:
        yield Piece(model.title, "training", partial(bench_training, config, clock, model))


def _drawings(
    config: BenchGpuConfig, clock: Clock, renderer: CudaRenderer, bandwidth: float
) -> Iterator[Piece]:
    """All families at one size of batch before any at the next: if time is short, all have a number."""
    for batch, case in product(config.batches, gpu_cases(config)):
        measure = partial(bench_drawing, config, clock, renderer, bandwidth, case, batch)
        yield Piece(case.title, str(batch), measure)


def complaint(report: Report) -> str:
    """Return what is wrong with drawing on this GPU, or could not be measured; nothing if all is well."""
    lines = [line for section in report.sections for line in section.measurements]
    differing = sum(isinstance(line, Agreement) and line.differing > 0 for line in lines)
    skipped = sum(line.skipped is not None for line in lines)
    said = [f"{differing} kinds of images are not the CPU's"] * (differing > 0)
    said += [f"{skipped} of {len(lines)} lines were not measured"] * (skipped > 0)
    return ", and ".join(said)


def _notes(config: BenchGpuConfig, facts: dict[str, Any], same: Section) -> tuple[str, ...]:
    """Return what there is to know about the tables."""
    compared = [line for line in same.measurements if isinstance(line, Agreement)]
    differing = sum(line.differing > 0 for line in compared)
    verdict = "No compared pixel differs." if compared else ""
    if differing:
        verdict = f"{differing} KINDS OF IMAGES ARE NOT THE CPU'S."
    if missing := len(same.measurements) - len(compared):
        verdict = f"{verdict} {missing} KINDS OF IMAGES WERE NOT COMPARED.".strip()
    return (
        *_where(facts),
        verdict,
        f"{config.size} pixels; medians of {config.repetitions} turns of about {config.seconds:g} s; lines auto.",
        "tables included: parameters are made on the CPU in the same time; prepared: they",
        "were before. floor: the time that writing each byte once takes, over the time.",
        "augmented: crop, flips, RandAugment, erasing. most: greatest difference.",
        f"stall: samples/s lost against a cached batch. Fed with {training.fed_case(config).title}: crop, RandAugment,",
        f"erasing. A step: forward, backward and AdamW; {config.steps} in a turn.",
    )


def _where(facts: dict[str, Any]) -> tuple[str, ...]:
    copied = f"memory copied at {facts['bandwidth'] / 1e9:,.0f} GB/s, read and written"
    if facts["simulated"]:
        return (*SIMULATOR, f"The host's {copied}.")
    return (
        f"{facts['gpu']}, {facts['multiprocessors']} multiprocessors, driver {facts['driver']}, CUDA {facts['cuda']};",
        f"{copied}.",
    )
