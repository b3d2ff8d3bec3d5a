"""What fine-tuned models answered, read from the tables that they left: confusion of classes, and confidence."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.errors import DataError
from fdsl.evaluate.calibration import Reliability
from fdsl.evaluate.confusion import confusion_png, read_confusion
from fdsl.evaluate.figures import Numbers
from fdsl.evaluate.reporting.entries import Training
from fdsl.evaluate.reporting.page import Picture, few_colours
from fdsl.train.finetuning.answers import CONFUSION_FILE, PREDICTIONS_FILE


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Confidence in 0..1, and whether the answer was right, of each test image, a pair of arrays [N] a seed."""

    seeds: tuple[tuple[Numbers, NDArray[np.bool_]], ...]

    @cached_property
    def bins(self) -> tuple[Numbers, Numbers]:
        """Mean confidence and accuracy, percent, of each of 15 steps of confidence with images; all seeds together."""
        sure, right = (np.concatenate(parts) for parts in zip(*self.seeds, strict=True))
        bins = Reliability.of(sure, right)
        confidence, accuracy = (
            100 * np.array([value for value in values if value is not None])
            for values in (bins.confidence, bins.accuracy)
        )
        return confidence, accuracy

    @property
    def error(self) -> str:
        """Expected calibration error in points, mean and deviation over seeds (Guo et al., ICML 2017)."""
        errors = [100 * Reliability.of(*seed).error() for seed in self.seeds]
        mean = f"{statistics.fmean(errors):.1f}"
        return f"{mean} ± {statistics.stdev(errors):.1f}" if len(errors) > 1 else mean


def read_answers(training: Training) -> Answers | None:
    """Return what the finished runs answered; None where one of them left no table.

    Raises:
        DataError: a table is damaged.
    """
    files = [run.folder / PREDICTIONS_FILE for run in training.finished]
    if not files or not all(file.is_file() for file in files):
        return None
    return Answers(seeds=tuple(_read(file) for file in files))


def confusion(trainings: Sequence[Training]) -> list[Picture]:
    """Draw what each training takes for what, all its seeds together; those that left no table are passed over.

    Raises:
        DataError: a table is damaged.
    """
    pictures = []
    for training in trainings:
        files = [run.folder / CONFUSION_FILE for run in training.finished]
        tables = [read_confusion(file) for file in files if file.is_file()]
        if not tables or any(names != tables[0][0] for names, _ in tables):
            continue
        counts = np.sum([counts for _, counts in tables], axis=0)
        image = Image.open(io.BytesIO(confusion_png(tables[0][0], counts)))
        seeds = f", {len(tables)} seeds together" if len(tables) > 1 else ""
        pictures.append(Picture(image=few_colours(image), caption=f"{training.name}{seeds}"))
    return pictures


def _read(file: Path) -> tuple[Numbers, NDArray[np.bool_]]:
    try:
        with file.open(newline="", encoding="utf-8") as stream:
            rows = [(row["label"], row["answer"], float(row["confidence"])) for row in csv.DictReader(stream)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        raise DataError(f"{file} must hold answers to images, but cannot be read: {error!r}") from error
    sure = np.array([confidence for _, _, confidence in rows], np.float64)
    if not rows or not ((sure >= 0) & (sure <= 1)).all():
        raise DataError(f"{file} must hold a confidence in 0..1 in every row, and one row at least")
    return sure, np.array([label == answer for label, answer, _ in rows], bool)
