"""What drawing costs a training: steps fed by `fdsl.Loader`, beside the same steps fed with one batch over and over."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, repeat
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from fdsl.bench.cases import Case, cases
from fdsl.bench.config import BenchConfig
from fdsl.bench.loading import flowing, loaded, open_loader
from fdsl.bench.report import Report, known, rate_cells, rate_json
from fdsl.bench.stored import SIZE
from fdsl.bench.timing import Rate, Source, measure, ratio
from fdsl.data.loader import Loader
from fdsl.errors import check_int
from fdsl.train.config import TrainConfig
from fdsl.train.device import borrowed_state, describe, drawing_threads, make_fabric, reseed
from fdsl.train.learner import Learner
from fdsl.train.meter import Meter
from fdsl.train.model import build_model

MODEL = "deit_tiny_patch16_224"
BATCH_ON_CPU, BATCH_ON_GPU = 16, 256
DRAWN_BATCHES = 32
"""Batches of a turn that only draws: many, because one or two may be under way when it begins and ends."""
CACHED = "a cached batch"
DRAWN = "fdsl.Loader"
DRAWING = "drawing alone"
HEADINGS = ("family", "<fed with", "samples/s", "range", "stall", "waiting")


@dataclass(frozen=True, kw_only=True)
class BenchTrainingConfig(BenchConfig):
    """Measure how much longer a pre-training step takes because its images are drawn meanwhile."""

    benchmark: ClassVar[str] = "training"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"steps": 1}

    seconds: float = 0.0
    """Time a turn takes at least; a window of `steps` updates goes on to its end anyway."""
    model: str = MODEL
    """Name of the timm model; the default is ViT-T."""
    batch_size: int | None = None
    """Samples in a step; None is 16 on a CPU, 256 on a GPU, and 2 with `quick`."""
    steps: int = 2
    """Updates in a window, at the end of which the device is waited for."""

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            check_int("batch_size", self.batch_size, 1, 1 << 16)
        check_int("steps", self.steps, 1, 10**6)
        super().__post_init__()
        if self.quick:
            object.__setattr__(self, "batch_size", min(2, self.batch_size or 2))


@dataclass(frozen=True, slots=True)
class Training:
    """One line of the benchmark.

    Attributes:
        case: what is drawn, or was drawn once for CACHED.
        what: CACHED, DRAWN or DRAWING.
        batch_size: samples in a step.
        rate: samples/s; for DRAWING, samples a second of CPU time.
        stall: how much slower than by itself the step is, as a share of samples/s: measured for DRAWN; for DRAWING its
            share of the CPU time of step and drawing, which is what a step loses that has no core to spare. None on a
            GPU.
        waited: share of the time in which the step waited for its batch.
    """

    case: Case
    what: str
    batch_size: int
    rate: Rate
    stall: float | None = None
    waited: float | None = None

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        shares = ("" if share is None else f"{share:.1%}" for share in (self.stall, self.waited))
        return [(self.what, *rate_cells(self.rate)[:2], *shares)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields = {
            "what": self.what,
            "batch_size": self.batch_size,
            "stall": self.stall,
            "waited": self.waited,
        }
        return self.case.facts | known(fields) | rate_json(self.rate)


class Trainer:
    """Makes the project's own updates, in windows at whose end the device is waited for."""

    def __init__(self, config: BenchTrainingConfig) -> None:
        """Set the model up on the best device here."""
        self.fabric = make_fabric("auto")
        on_cpu = self.fabric.device.type == "cpu"
        self.batch_size = config.batch_size or (BATCH_ON_CPU if on_cpu else BATCH_ON_GPU)
        self.steps = config.steps
        reseed(config.seed, "bench training", 0)
        model = build_model(config.model, {}, size=SIZE, classes=config.classes)
        # the learning rate of a first update, over and over: time does not depend on it, and no weight runs away
        training = TrainConfig(out=Path(), batch_size=self.batch_size)
        self._learner = Learner(model, training, steps=1000, fabric=self.fabric)
        self._learner.model.train()

    def window(self, batches: Iterator[tuple[Tensor, Tensor]], meter: Meter, steps: int) -> int:
        """Make `steps` updates, counted by `meter`, and return how many samples that took."""
        for images, targets in meter.timed(batches, steps):
            meter.add(*self._learner.update(images, targets, 0))
        meter.pause(steps, self._learner.lr)
        meter.report(steps, self._learner.lr)
        return steps * self.batch_size

    def cached(self, loader: Loader) -> Source:
        """Make a source of steps that see one batch over and over."""
        # planes of gray images are one in memory; the step gets them as the loader gives them
        batch = loader.batch(0)

        def source() -> Generator[int, None, None]:
            yield self.window(repeat(batch), Meter(self.batch_size), 1)
            while True:
                yield self.window(repeat(batch), Meter(self.batch_size), self.steps)

        return source

    def fed(self, loader: Loader, meter: Meter) -> Source:
        """Make a source of steps that see what the loader draws meanwhile; `meter` counts the waiting."""

        def source() -> Generator[int, None, None]:
            with flowing(loader) as batches:
                # a step to fill what is drawn ahead, as it is before every step of a long training
                yield self.window(batches, Meter(self.batch_size), 1)
                while True:
                    yield self.window(batches, meter, self.steps)

        return source


def run_bench(config: BenchTrainingConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure every family of `config`; `announce` is told what comes next."""
    device = make_fabric("auto").device
    with borrowed_state(device, None):
        announce("setting up")
        trainer = Trainer(config)
        lines = list(_bench_cases(config, trainer, announce))
        titles = [case.title for case in cases(config)]
        lines.sort(key=lambda line: titles.index(line.title))
        notes = (
            f"{config.model}, batches of {trainer.batch_size}, on {describe(trainer.fabric)}.",
            f"Medians of {config.repetitions} turns of {config.steps} updates: forward, backward and AdamW.",
            "stall: samples/s lost against a cached batch. waiting: share of the time.",
            "drawing alone: samples a second of CPU time; its stall: the share of drawing in",
            "all CPU time, which is what is lost where no core is free for it.",
        )
    return Report(config, HEADINGS, lines, notes)


def _bench_cases(
    config: BenchTrainingConfig, trainer: Trainer, announce: Callable[[str], None]
) -> Iterator[Training]:
    device, batch = trainer.fabric.device, trainer.batch_size
    drawn, drawing = cases(config), []
    for case in drawn:
        announce(f"{config.model} fed with {case.title}")
        threads = drawing_threads(device, None)
        loader = open_loader(case.drawn, batch, config.seed, threads=threads, device=str(device))
        cached, meter = trainer.cached(loader), Meter(batch)
        # two at a time: a turn of a step that is a minute away saw another machine
        step, fed = measure([cached, trainer.fed(loader, meter)], config.repetitions, config.seconds)
        yield Training(case, CACHED, batch, step)
        yield Training(case, DRAWN, batch, fed, 1 - ratio(fed, step), meter.waited / meter.seconds)
        drawing.append(_drawing(open_loader(case.drawn, batch, config.seed, threads=1)))
    announce("CPU time")
    work, *works = measure([cached, *drawing], config.repetitions, config.seconds, cpu_time=True)
    for case, own in zip(drawn, works, strict=True):
        shared = work.median / (work.median + own.median) if device.type == "cpu" else None
        yield Training(case, DRAWING, batch, own, shared)


def _drawing(loader: Loader) -> Source:
    """Make a source of batches that nobody learns from."""

    def source() -> Generator[int, None, None]:
        with closing(loaded(loader)()) as batches:
            yield next(batches)
            while True:
                yield sum(islice(batches, DRAWN_BATCHES))

    return source
