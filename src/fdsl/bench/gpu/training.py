"""What drawing on the GPU that trains costs the training, beside drawing on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from fdsl.bench.cases import Case, cases
from fdsl.bench.gpu.clock import Clock
from fdsl.bench.gpu.config import BenchGpuConfig
from fdsl.bench.loading import open_loader
from fdsl.bench.report import known, rate_json, short
from fdsl.bench.timing import Rate, measure, ratio
from fdsl.bench.trainer import STREAM, Trainer
from fdsl.errors import FdslError
from fdsl.train.device import borrowed_state, drawing_threads, reseed
from fdsl.train.meter import Meter
from fdsl.train.model import build_model

FED = "RCDB"
"""What is learned; the first family asked for where this is not among them."""
CACHED = "a cached batch"
HEADINGS = ("model", "<fed with", "batch", "ms/step", "range", "samples/s", "stall")


@dataclass(frozen=True, slots=True)
class Model:
    """A timm model, and what to call it in a table."""

    title: str
    name: str
    args: dict[str, Any]


MODELS = (Model("ViT-T", "vit_tiny_patch16_224", {}), Model("ViT-B", "vit_base_patch16_224", {}))
IN_SIMULATOR = (
    Model("a toy", MODELS[0].name, {"patch_size": 16, "embed_dim": 16, "depth": 1, "num_heads": 2}),
)


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the benchmark.

    Attributes:
        model: that learns.
        case: what is drawn, or was once for CACHED.
        what: CACHED, or what draws.
        batch_size: samples in a step.
        rate: samples/s.
        stall: share of a cached batch's samples/s that is lost; None for itself.
    """

    model: Model
    case: Case
    what: str
    batch_size: int
    rate: Rate
    stall: float | None = None

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """The model."""
        return self.model.title

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        fastest, slowest = (self._milliseconds(rate) for rate in (self.rate.high, self.rate.low))
        times = short(self._milliseconds(self.rate.median)), f"{short(fastest)}-{short(slowest)}"
        stall = "" if self.stall is None else f"{self.stall:.1%}"
        return [(self.what, str(self.batch_size), *times, short(self.rate.median), stall)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        fields: dict[str, Any] = {
            "what": "training",
            "model": self.model.name,
            "model_args": self.model.args,
            "fed_with": self.what,
        }
        fields |= {"batch_size": self.batch_size, "stall": self.stall}
        fields |= {"milliseconds_per_step": self._milliseconds(self.rate.median)}
        return self.case.facts | known(fields) | rate_json(self.rate)

    def _milliseconds(self, rate: float) -> float:
        return 1000 * self.batch_size / rate


def fed_case(config: BenchGpuConfig) -> Case:
    """Return what the models learn."""
    found = cases(config)
    return next((case for case in found if case.drawn.name == FED), found[0])


def bench_training(config: BenchGpuConfig, clock: Clock, model: Model) -> list[Step]:
    """Measure a model's step in turns: with one batch, and fed by loaders that draw on the GPU and on the CPU."""
    case, batch, device = fed_case(config), config.batch_size, clock.device
    with borrowed_state(device, None):
        reseed(config.seed, STREAM, 0)
        built = build_model(model.name, model.args, size=config.size, classes=config.classes)
        trainer = Trainer(built, batch_size=batch, steps=config.steps)
        if trainer.fabric.device.type != device.type:
            raise FdslError(f"the model is on {trainer.fabric.device}, and images are drawn on {device}")
        loaders = {
            f"{renderer} renderer": open_loader(
                case.drawn, batch, config.seed,
                threads=drawing_threads(device, None), device=str(device), size=config.size, renderer=renderer,
            )
            for renderer in ("cuda", "cpu")
        }  # fmt: skip
        meters = {name: Meter(batch) for name in loaders}
        # planes of gray images are one in memory; the step gets them as the loader gives them
        cached = trainer.cached(loaders["cuda renderer"].batch(0))
        fed = [trainer.fed(loader, meters[name]) for name, loader in loaders.items()]
        rate, *rates = measure([cached, *fed], config.repetitions, 0.0)
    steps = [Step(model, case, CACHED, batch, rate)]
    for name, own in zip(loaders, rates, strict=True):
        steps.append(Step(model, case, name, batch, own, 1 - ratio(own, rate)))
    return steps
