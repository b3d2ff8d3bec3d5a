"""Fine-tuning once for each of several seeds: mean and deviation of what they come to.

seed-0/, seed-1/ ...    a run each
run.json, metrics.csv   the config of all, and the means of their metrics
result.json             each seed's accuracies, mean and deviation
"""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from fdsl.errors import DataError, InputError
from fdsl.files import read_object, write_json, write_text
from fdsl.train.config import FinetuneConfig
from fdsl.train.device import make_fabric
from fdsl.train.finetuning.parts import check_whole, finished, resumed
from fdsl.train.finetuning.single import finetune
from fdsl.train.progress import say
from fdsl.train.run import METRICS_FILE, RESULT_FILE, RUN_FILE

PART = "seed-"
"""What the name of a seed's folder begins with."""


@dataclass(frozen=True, kw_only=True)
class SeedsResult:
    """What the fine-tunings of several seeds came to; accuracies are in 0..1."""

    out: Path
    accuracy: float
    """Mean of the accuracies."""
    deviation: float | None
    """Their sample standard deviation; None for one seed."""
    class_average_accuracy: float
    """Mean of the class averages."""
    class_average_deviation: float | None
    per_class: dict[str, float]
    """Mean accuracy a class."""
    accuracies: dict[int, float]
    """Accuracy on the test images a seed."""
    class_average_accuracies: dict[int, float]
    test_images: int
    labels: int
    """Labelled training images used by each."""
    seconds: float
    """Time spent learning, all seeds together."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {**vars(self), "out": str(self.out)}


def finetune_seeds(config: FinetuneConfig) -> SeedsResult:
    """Fine-tune once for each of `config.seeds`, in folders seed-N of `config.out`; those done already stay.

    Raises:
        InputError: there are no seeds, or the folder holds something else; and see `finetune`.
        DataError, FdslError: see `finetune`.
    """
    if not config.seeds:
        raise InputError("seeds must name one at least, got none")
    fabric = make_fabric(config.precision, config.strategy)
    check_whole(config, fabric, PART)
    results: dict[int, Mapping[str, Any]] = {}
    parts = {
        seed: replace(config, seed=seed, seeds=(), out=config.out / f"{PART}{seed}") for seed in config.seeds
    }
    for seed, part in parts.items():
        done = finished(part, fabric)
        if done is None:
            say(f"seed {seed}, in {part.out}:")
            done = finetune(resumed(part, fabric)).to_json()
        results[seed] = done
    result = _summary(config.out, results)
    if fabric.is_global_zero:
        record = read_object(parts[config.seeds[0]].out / RUN_FILE)
        write_json(
            config.out / RUN_FILE,
            {**record, "config": config.to_json(), "command": sys.argv, "earlier": []},
        )
        write_text(
            config.out / METRICS_FILE, _mean_rows([part.out / METRICS_FILE for part in parts.values()])
        )
        write_json(config.out / RESULT_FILE, result.to_json())
    return result


def _summary(out: Path, results: Mapping[int, Mapping[str, Any]]) -> SeedsResult:
    accuracies = {seed: float(one["accuracy"]) for seed, one in results.items()}
    averages = {seed: float(one["class_average_accuracy"]) for seed, one in results.items()}
    first = next(iter(results.values()))
    return SeedsResult(
        out=out,
        accuracy=mean(accuracies.values()),
        deviation=_deviation(accuracies),
        class_average_accuracy=mean(averages.values()),
        class_average_deviation=_deviation(averages),
        per_class={
            name: mean(one["per_class"][name] for one in results.values()) for name in first["per_class"]
        },
        accuracies=accuracies,
        class_average_accuracies=averages,
        test_images=first["test_images"],
        labels=first["labels"],
        seconds=sum(one["seconds"] for one in results.values()),
    )


def _deviation(values: Mapping[int, float]) -> float | None:
    return stdev(values.values()) if len(values) > 1 else None


def _mean_rows(files: list[Path]) -> str:
    """Return the means of metrics whose rows are alike, as CSV; a cell that one leaves empty stays so."""
    tables = []
    for file in files:
        with file.open(newline="", encoding="utf-8") as stream:
            tables.append(list(csv.reader(stream)))
    header, text = tables[0][0], io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    try:
        for rows in zip(*(table[1:] for table in tables), strict=True):
            cells = zip(*rows, strict=True)
            writer.writerow([_mean_cell(column) for column in cells])
    except ValueError as error:
        raise DataError(f"{files[0]} and those of the other seeds must have rows alike: {error}") from error
    return text.getvalue()


def _mean_cell(cells: tuple[str, ...]) -> str | float:
    if len(set(cells)) == 1:  # epochs and steps, which stay integers; and cells that all leave empty
        return cells[0]
    return "" if "" in cells else mean(map(float, cells))
