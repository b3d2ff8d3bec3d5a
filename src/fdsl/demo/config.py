"""What a demo is told, and what it decides where it is told nothing."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdsl.errors import InputError, check_float, check_int
from fdsl.train.recipes import epochs_for

SAMPLES = 450_000
QUICK_SAMPLES = 6_400
QUICK_EPOCHS = 10
RATES = (5e-4, 1e-3, 2e-3)
QUICK_RATES = (1e-3, 2e-3)


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """Draw, pre-train, fine-tune beside training from scratch, and write a report to look at.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    out: Path = Path("fdsl-demo")
    """Folder for report.html and, a folder each, the runs of this and earlier demos."""
    data: str = "digits"
    """Real labelled images: the word digits, or a folder (class sub-folders, or Parquet files)."""
    labels: int | None = None
    """Labelled images to train on in all, equally many of each class; None is ten of each."""
    epochs: int | None = None
    """Passes over the labelled images; None follows from their number, 100 for a hundred."""
    test_limit: int | None = 2000
    """Test images to use at most, drawn at random; None uses all."""
    family: str = "RCDB"
    """Family of formulas to draw from."""
    classes: int = 100
    """Formulas to tell apart in pre-training."""
    samples: int | None = None
    """Images seen in pre-training; None is 450,000, six to nine minutes on two CPU cores."""
    rates: tuple[float, ...] | None = None
    """Learning rates to fine-tune with, all for both sides; None is 0.0005 0.001 0.002."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds to fine-tune with, the same for both sides; three at least."""
    threads: int | None = None
    """CPU threads; None leaves one core free in training, and uses all for drawing."""
    skip_broken: bool = False
    """Leave out image files that cannot be read instead of stopping at the first."""
    quick: bool = False
    """Run every part in under two minutes, which is too short for a gain."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        for field, low in (("labels", 2), ("epochs", 1), ("test_limit", 2), ("samples", 64), ("threads", 1)):
            if getattr(self, field) is not None:
                check_int(field, getattr(self, field), low)
        check_int("classes", self.classes, 2)
        for seed in self.seeds:
            check_int("seeds", seed, 0, 2**32 - 1)
        if len(set(self.seeds)) < 3 or len(set(self.seeds)) < len(self.seeds):
            raise InputError(
                f"seeds must be three or more different numbers, got {self.seeds}: no spread otherwise"
            )
        if self.rates is not None:
            object.__setattr__(self, "rates", tuple(self.rates))
            for rate in self.rates:
                check_float("rates", rate, 1e-12, 1e3)
            if not self.rates or len(set(self.rates)) < len(self.rates):
                raise InputError(f"rates must be different numbers, at least one, got {self.rates}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {**dataclasses.asdict(self), "out": str(self.out)}

    def resolved(self, classes: int) -> DemoConfig:
        """Return the config with every None decided, for real images of `classes` classes."""
        labels = self.labels if self.labels is not None else 10 * classes
        epochs = (
            self.epochs if self.epochs is not None else QUICK_EPOCHS if self.quick else epochs_for(labels)
        )
        return dataclasses.replace(
            self,
            labels=labels,
            epochs=epochs,
            samples=self.samples if self.samples is not None else QUICK_SAMPLES if self.quick else SAMPLES,
            rates=self.rates if self.rates is not None else QUICK_RATES if self.quick else RATES,
        )
