"""What an update of a training costs, beside one of timm's own loop, and what drawing its images adds to it."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import nn

from fdsl.bench.cases import Case, cases
from fdsl.bench.config import BenchConfig
from fdsl.bench.loading import loaded, open_loader
from fdsl.bench.report import Report, known, rate_cells, rate_json
from fdsl.bench.stored import SIZE
from fdsl.bench.timing import Rate, Source, measure, ratio
from fdsl.bench.timm_loop import TimmLoop
from fdsl.bench.trainer import STREAM, Trainer
from fdsl.data.loader import Loader
from fdsl.errors import check_int
from fdsl.options import parse_options
from fdsl.train.config import Precision, TrainConfig
from fdsl.train.device import borrowed_state, describe, drawing_threads, fast_bf16, make_fabric, reseed
from fdsl.train.meter import Meter
from fdsl.train.model import build_model

MODEL = "deit_tiny_patch16_224"
BATCH_ON_CPU, BATCH_ON_GPU = 16, 256
ADAMW = {"lr": TrainConfig.lr, "weight_decay": TrainConfig.weight_decay}
"""What a training is told by default, for timm's loop too."""
DRAWN_BATCHES = 32
"""Batches of a turn that only draws: many, because one or two may be under way when it begins and ends."""
CACHED = "a cached batch"
DRAWN = "fdsl.Loader"
DRAWING = "drawing alone"
OURS, TIMM = "fdsl", "timm"
HEADINGS = ("measured", "<with", "samples/s", "range", "times", "stall", "waiting")


@dataclass(frozen=True, kw_only=True)
class BenchTrainingConfig(BenchConfig):
    """Measure a pre-training step beside one of timm's loop, and how much longer it takes as its images are drawn."""

    benchmark: ClassVar[str] = "training"
    quick_limits: ClassVar[dict[str, float]] = BenchConfig.quick_limits | {"steps": 1}

    seconds: float = 0.0
    """Time a turn takes at least; a window of `steps` updates goes on to its end anyway."""
    model: str = MODEL
    """Name of the timm model; the default is ViT-T."""
    model_args: tuple[str, ...] = ()
    """Arguments of the timm model as KEY=VALUE."""
    size: int = SIZE
    """Height and width of the images, in pixels."""
    batch_size: int | None = None
    """Samples in a step; None is 16 on a CPU, 256 on a GPU, and 2 with `quick`."""
    steps: int = 2
    """Updates in a window, at the end of which the device is waited for."""
    compile: bool = False
    """Measure both loops with torch.compile as well: minutes of compiling on a CPU."""

    def __post_init__(self) -> None:
        if self.batch_size is not None:
            check_int("batch_size", self.batch_size, 1, 1 << 16)
        check_int("size", self.size, 32, 1024)
        check_int("steps", self.steps, 1, 10**6)
        object.__setattr__(self, "model_args", tuple(self.model_args))
        parse_options("model_args", self.model_args)
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
        return [(self.what, *rate_cells(self.rate)[:2], "", *shares)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields = {
            "what": self.what,
            "batch_size": self.batch_size,
            "stall": self.stall,
            "waited": self.waited,
        }
        return self.case.facts | known(fields) | rate_json(self.rate)


@dataclass(frozen=True, slots=True)
class Loop:
    """One line of the benchmark: a training loop that sees one batch over and over.

    Attributes:
        what: OURS or TIMM.
        precision: 32 or bf16.
        compiled: whether the model is.
        batch_size: samples in a step.
        rate: samples/s; of CPU time on a CPU, where neither loop waits for anything but the processor.
        times: of TIMM, how many times as fast ours is.
    """

    what: str
    precision: Precision
    compiled: bool
    batch_size: int
    rate: Rate
    times: float | None = None

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """The arithmetic."""
        return ("float32" if self.precision == "32" else self.precision) + " compiled" * self.compiled

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        times = "" if self.times is None else f"{self.times:.2f}"
        return [(f"{self.what}'s loop", *rate_cells(self.rate)[:2], times, "", "")]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        names = ("what", "precision", "compiled", "batch_size")
        fields = {name: getattr(self, name) for name in names} | {"ratio": self.times}
        return known(fields) | rate_json(self.rate)


def run_bench(config: BenchTrainingConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure both loops, then every family of `config`; `announce` is told what comes next."""
    device = make_fabric("auto").device
    with borrowed_state(device, None):
        announce("setting up")
        trainer = _trainer(config, device)
        loops = list(_bench_loops(config, trainer, announce))
        lines = list(_bench_cases(config, trainer, announce))
        titles = [case.title for case in cases(config)]
        lines.sort(key=lambda line: titles.index(line.title))
        seconds = "seconds of CPU time" if device.type == "cpu" else "seconds"
        notes = (
            f"{config.model}, {config.size} pixels, batches of {trainer.batch_size}, on {describe(trainer.fabric)}.",
            f"Medians of {config.repetitions} turns of {config.steps} updates: forward, backward and AdamW.",
            f"loops: one cached batch, {seconds}; times: fdsl's samples/s over timm's.",
            "timm's loop is that of its train.py, whose AdamW is not fused unless asked for.",
            "stall: samples/s lost against a cached batch. waiting: share of the time.",
            "drawing alone: samples a second of CPU time; its stall: the share of drawing in",
            "all CPU time, which is what is lost where no core is free for it.",
        )
    return Report(config, HEADINGS, [*loops, *lines], notes)


def _trainer(
    config: BenchTrainingConfig,
    device: torch.device,
    precision: Precision = "auto",
    compiled: bool = False,
) -> Trainer:
    batch_size = config.batch_size or (BATCH_ON_CPU if device.type == "cpu" else BATCH_ON_GPU)
    model = _model(config)
    return Trainer(model, batch_size=batch_size, steps=config.steps, precision=precision, compiled=compiled)


def _model(config: BenchTrainingConfig) -> nn.Module:
    reseed(config.seed, STREAM, 0)
    args = parse_options("model_args", config.model_args)
    return build_model(config.model, args, size=config.size, classes=config.classes)


def _bench_loops(
    config: BenchTrainingConfig, trainer: Trainer, announce: Callable[[str], None]
) -> Iterator[Loop]:
    """Measure fdsl's loop and timm's in turns, in the device's best arithmetic and in float32."""
    device, batch_size = trainer.fabric.device, trainer.batch_size
    loader = open_loader(
        cases(config)[0].drawn, batch_size, config.seed, threads=1, device=str(device), size=config.size
    )
    images, targets = loader.batch(0)
    own: Precision = "bf16" if fast_bf16(device) else "32"
    kinds: list[tuple[Precision, bool]] = [(own, False)]
    if own != "32":
        kinds.append(("32", False))
    if config.compile:
        kinds.append((own, True))
    for precision, compiled in kinds:
        announce(f"{config.model} in timm's loop and in fdsl's")
        ours = _trainer(config, device, precision, compiled)
        theirs = TimmLoop(_model(config), device=device, amp=precision == "bf16", compiled=compiled, **ADAMW)
        # planes of gray images are one in memory; each loop gets them as its own loader would give them
        sources = [ours.cached((images, targets)), theirs.source(images, targets, config.steps)]
        cpu_time = device.type == "cpu"
        rate, peer = measure(sources, config.repetitions, config.seconds, cpu_time=cpu_time)
        yield Loop(OURS, precision, compiled, batch_size, rate)
        yield Loop(TIMM, precision, compiled, batch_size, peer, ratio(rate, peer))


def _bench_cases(
    config: BenchTrainingConfig, trainer: Trainer, announce: Callable[[str], None]
) -> Iterator[Training]:
    device, batch, size = trainer.fabric.device, trainer.batch_size, config.size
    drawn, drawing = cases(config), []
    for case in drawn:
        announce(f"{config.model} fed with {case.title}")
        threads = drawing_threads(device, None)
        loader = open_loader(case.drawn, batch, config.seed, threads=threads, device=str(device), size=size)
        # planes of gray images are one in memory; the step gets them as the loader gives them
        cached, meter = trainer.cached(loader.batch(0)), Meter(batch)
        # two at a time: a turn of a step that is a minute away saw another machine
        step, fed = measure([cached, trainer.fed(loader, meter)], config.repetitions, config.seconds)
        yield Training(case, CACHED, batch, step)
        yield Training(case, DRAWN, batch, fed, 1 - ratio(fed, step), meter.waited / meter.seconds)
        drawing.append(_drawing(open_loader(case.drawn, batch, config.seed, threads=1, size=size)))
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
