"""The files that say what a fine-tuned model answered to each test image."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from fdsl.files import write_text
from fdsl.train.accuracy import Predictions

PREDICTIONS_FILE = "predictions.csv"
CONFUSION_FILE = "confusion.csv"
MOST_IN_A_TABLE = 2000
"""Classes of a confusion table at most: its cells are as many squared, 4 million here."""


def write_answers(folder: Path, said: Predictions, images: Sequence[str]) -> None:
    """Write predictions.csv and, of at most 2,000 classes, confusion.csv.

    Args:
        folder: of the run.
        said: what the model said of the test images.
        images: what a person calls each of them: a file, or a row of one.
    """
    names = said.classes
    columns = zip(
        images,
        said.labels.tolist(),
        said.answers.tolist(),
        said.confidence.tolist(),
        said.label_confidence.tolist(),
        strict=True,
    )
    header = (
        "index",
        "image",
        "label",
        "label_name",
        "answer",
        "answer_name",
        "confidence",
        "label_confidence",
    )
    rows = (
        (n, image, label, names[label], answer, names[answer], f"{sure:.6g}", f"{label_sure:.6g}")
        for n, (image, label, answer, sure, label_sure) in enumerate(columns)
    )
    _write(folder / PREDICTIONS_FILE, header, rows)
    if len(names) <= MOST_IN_A_TABLE:
        table = zip(names, said.confusion().tolist(), strict=True)
        _write(folder / CONFUSION_FILE, ("label", *names), ((name, *counts) for name, counts in table))


def _write(path: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
