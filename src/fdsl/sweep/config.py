"""What a sweep is told, and what it decides where it is told nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.options import parse_options
from fdsl.sweep.sweeps import SWEEPS, Point, Sweep
from fdsl.train.config import DEFAULT_MODEL
from fdsl.train.recipes import PROBE_VIT, epochs_for

CLASSES, LABELS_A_CLASS = 100, 10
SAMPLES, QUICK_SAMPLES = 450_000, 6_400
QUICK_EPOCHS = 10


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """Vary one parameter of the formulas; pre-train, fine-tune and probe at each of its values.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    sweep: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="SWEEP")]
    """What to vary: one of the names above."""
    out: Path = Path("fdsl-sweep")
    """Folder for the runs, the table and the plot. The same command with the same folder goes on where it was
    stopped."""
    values: tuple[str, ...] | None = None
    """Values to take instead of the sweep's own, in this order: for example 10 100 1000, or ranges as 3-50 3-200."""
    data: str = "digits"
    """Real labelled images: the word digits, or a folder (class sub-folders, or Parquet files)."""
    labels: int | None = None
    """Labelled images to train on in all, equally many of each class; None is ten of each."""
    epochs: int | None = None
    """Passes over the labelled images; None follows from their number, 100 for a hundred."""
    test_limit: int | None = 2000
    """Test images to use at most, drawn at random; None uses all."""
    lr: float = 1e-3
    """Peak learning rate of fine-tuning, the same at every point and from scratch."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds to fine-tune and probe with, the same at every point and from scratch; two at least."""
    classes: int | None = None
    """Categories to tell apart in pre-training, where they are not what is varied; None is 100."""
    samples: int | None = None
    """Images seen in each pre-training; None is 450,000, six to nine minutes on two CPU cores."""
    pretrain_seed: int = 0
    """Seed of every pre-training."""
    size: int = 32
    """Height and width of the images, in pixels."""
    model: str = DEFAULT_MODEL
    """Name of the timm model."""
    model_args: tuple[str, ...] | None = None
    """Its arguments as KEY=VALUE; None makes of the default model one of 0.8 million weights, and adds nothing to
    others."""
    threads: int | None = None
    """CPU threads; None leaves one core free."""
    skip_broken: bool = False
    """Leave out image files that cannot be read instead of stopping at the first."""
    quick: bool = False
    """Every part in seconds, to see that it runs: too short for the numbers to mean anything."""

    def __post_init__(self) -> None:
        check_choice("sweep", self.sweep, SWEEPS)
        for field in ("seeds", "values", "model_args"):
            if getattr(self, field) is not None:
                object.__setattr__(self, field, tuple(getattr(self, field)))
        # Absolute, so that the runs name their weights alike wherever the command is given again.
        object.__setattr__(self, "out", Path(self.out).absolute())
        for field, low in (
            ("labels", 2), ("epochs", 1), ("test_limit", 2), ("classes", 2), ("samples", 64), ("threads", 1),
        ):  # fmt: skip
            if getattr(self, field) is not None:
                check_int(field, getattr(self, field), low)
        for seed in (*self.seeds, self.pretrain_seed):
            check_int("seeds" if seed in self.seeds else "pretrain_seed", seed, 0, 2**32 - 1)
        if len(set(self.seeds)) < 2 or len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                f"seeds must be two or more different numbers, got {self.seeds}: no spread otherwise"
            )
        check_float("lr", self.lr, 1e-12, 1e3)
        check_int("size", self.size, 32, 1024)
        parse_options("model_args", self.model_args or ())
        points = self.points()
        if self.classes is not None and "classes" in points[0].fields:
            raise InputError(f"classes must not be given, got {self.classes}: sweep {self.sweep} varies them")

    @property
    def kind(self) -> Sweep:
        """The sweep of that name."""
        return SWEEPS[self.sweep]

    def points(self) -> tuple[Point, ...]:
        """Return the points to go through."""
        return self.kind.points(self.values)

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        return {**plain, "out": str(self.out)}

    def resolved(self, classes: int) -> SweepConfig:
        """Return the config with every None decided, for real images of `classes` classes."""
        labels = self.labels if self.labels is not None else LABELS_A_CLASS * classes
        own_model = PROBE_VIT if self.model == DEFAULT_MODEL else ()
        epochs = QUICK_EPOCHS if self.quick else epochs_for(labels)
        return dataclasses.replace(
            self,
            values=tuple(point.name for point in self.points()),
            labels=labels,
            epochs=self.epochs if self.epochs is not None else epochs,
            samples=self.samples if self.samples is not None else QUICK_SAMPLES if self.quick else SAMPLES,
            model_args=self.model_args if self.model_args is not None else own_model,
        )
