"""The numbers of a sweep: as JSON, as CSV (a row a point and seed), as Markdown, and as a table on the screen."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from fdsl.evaluate.compare import ArmName, Comparison, Trial, compare
from fdsl.files import write_json, write_text
from fdsl.machine import machine_facts
from fdsl.sweep.config import SweepConfig
from fdsl.sweep.sweeps import Point

JSON_FILE, CSV_FILE, TABLE_FILE, PLOT_FILE = "sweep.json", "sweep.csv", "sweep.md", "sweep.png"
SCRATCH = "from scratch"

BySeed = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What weights are worth on the real images: test accuracies in 0..1, a seed each."""

    finetuned: BySeed
    linear: BySeed
    """Linear probe of the weights before fine-tuning."""
    knn: BySeed
    """Nearest neighbours by them."""
    seconds: float
    """Time spent in all fine-tunings."""

    def to_json(self) -> dict[str, Any]:
        """Return the accuracies as plain JSON values."""
        columns = {"finetuned": self.finetuned, "linear": self.linear, "knn": self.knn}
        return {
            name: {str(seed): value for seed, value in column.items()} for name, column in columns.items()
        }


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one point came to."""

    point: Point
    pretext: float
    """Accuracy on held-out drawings of its own categories, in 0..1."""
    chance: float
    """What guessing reaches there."""
    loss: float
    """Pre-training loss at the end."""
    seconds: float
    """Time spent in pre-training."""
    measured: Measured


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep came to, or has come to so far."""

    config: SweepConfig
    """Resolved: nothing in it is None that was to be decided."""
    scratch: Measured
    """Without pre-training; its probes are of random weights."""
    rows: tuple[Row, ...]
    """A row a point, in the order they were asked for."""

    @property
    def whole(self) -> bool:
        """Whether every point is there."""
        return len(self.rows) == len(self.config.points())

    def comparison(self, row: Row) -> Comparison:
        """Return the fine-tunings of a point against those from scratch, paired by seed."""
        arms: tuple[tuple[ArmName, Measured], ...] = (("pretrained", row.measured), ("scratch", self.scratch))
        return compare(
            Trial(arm=arm, lr=self.config.lr, seed=seed, accuracy=accuracy)
            for arm, measured in arms
            for seed, accuracy in measured.finetuned.items()
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; accuracies in 0..1, gains in points."""
        return {
            "sweep": self.config.sweep,
            "whole": self.whole,
            "settings": self.config.to_json(),
            "scratch": {**self.scratch.to_json(), "seconds": {"finetuning": self.scratch.seconds}},
            "points": [self._point(row) for row in self.rows],
            "machine": machine_facts(),
        }

    def _point(self, row: Row) -> dict[str, Any]:
        comparison = self.comparison(row)
        return {
            "name": row.point.name,
            "fields": {k: list(v) if isinstance(v, tuple) else v for k, v in row.point.fields.items()},
            "pretext": {"accuracy": row.pretext, "chance": row.chance, "loss": row.loss},
            **row.measured.to_json(),
            "gain": {
                "mean": comparison.gain,
                "standard_error": comparison.standard_error,
                "interval": list(comparison.interval),
            },
            "seconds": {"pretraining": row.seconds, "finetuning": row.measured.seconds},
        }


def write_results(result: SweepResult, out: Path) -> None:
    """Write the JSON, the CSV and the Markdown to `out`; each file appears whole or not at all."""
    write_text(out / CSV_FILE, csv_text(result))
    write_text(out / TABLE_FILE, markdown(result))
    write_json(out / JSON_FILE, result.to_json())


def csv_text(result: SweepResult) -> str:
    """Return a row a point and seed, those from scratch first; accuracies in 0..1, what there is not left empty."""
    text = io.StringIO()
    columns = ("point", "seed", "finetuned", "linear", "knn", "pretext", "chance")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    drawn = [
        (row.point.name, row.measured, {"pretext": row.pretext, "chance": row.chance}) for row in result.rows
    ]
    for name, measured, pretext in [(SCRATCH, result.scratch, {}), *drawn]:
        for seed in result.config.seeds:
            found = {column: values[str(seed)] for column, values in measured.to_json().items()}
            writer.writerow({"point": name, "seed": seed, **found, **pretext})
    return text.getvalue()


def markdown(result: SweepResult) -> str:
    """Return the table as Markdown, with what its numbers are and how they were made."""
    config, (header, *body) = result.config, cells(result)
    done = "" if result.whole else f" So far {len(result.rows)} of {len(config.points())} points."
    quick = " A trial run, far too short for a gain." if config.quick else ""
    ruler = ["---", *["---:"] * (len(header) - 1)]
    lines = ["| " + " | ".join(line) + " |" for line in (header, ruler, *body)]
    settings = [
        f"- {name.replace('_', ' ')}: {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in config.to_json().items()
        if name not in ("sweep", "out", "quick") and value is not None
    ]
    explained = (
        f"Percent of the test images of {config.data}, mean ± deviation over {len(config.seeds)} seeds: fine-tuned; "
        "its gain over training from scratch, in points ± the standard error, seeds paired; linear probe and nearest "
        "neighbours by the weights as they are, random ones in the row from scratch. Drawings are held-out ones of "
        f"the pre-training's own categories. One pre-training a point.{done}{quick}"
    )
    text = [
        f"# Sweep of {config.sweep}: {config.kind.summary}",
        explained,
        "\n".join(lines),
        f"![The same as a plot]({PLOT_FILE})",
        "\n".join(settings),
    ]
    return "\n\n".join(text) + "\n"


def table(result: SweepResult) -> Table:
    """Return the table for the screen."""
    header, *body = cells(result)
    shown = Table(title=f"{config_title(result.config)}, %", title_justify="left")
    for number, name in enumerate(header):
        shown.add_column(name, justify="right" if number else "left")
    for line in body:
        shown.add_row(*line)
    return shown


def config_title(config: SweepConfig) -> str:
    """Return a sweep's title: what is varied, and what was tested."""
    return f"Sweep of {config.sweep}, {config.labels} labelled images of {config.data}"


def cells(result: SweepResult) -> list[list[str]]:
    """Return the table as text: a header, the training from scratch, and a line a point."""
    lines = [
        [result.config.sweep, "drawings", "fine-tuned", "gain", "linear", "neighbours"],
        [SCRATCH, "", spread(result.scratch.finetuned), "", *_probes(result.scratch)],
    ]
    for row in result.rows:
        comparison = result.comparison(row)
        gain = f"{comparison.gain:+.1f} ± {comparison.standard_error:.1f}"
        pretext = f"{100 * row.pretext:.1f}"
        lines.append([row.point.name, pretext, spread(row.measured.finetuned), gain, *_probes(row.measured)])
    return lines


def _probes(measured: Measured) -> list[str]:
    return [spread(measured.linear), spread(measured.knn)]


def percents(values: BySeed, seeds: Sequence[int]) -> list[float]:
    """Return the accuracies in percent, in the order of the seeds."""
    return [100 * values[seed] for seed in seeds]


def spread(values: BySeed) -> str:
    """Return mean and deviation over seeds, in percent."""
    shares = [100 * value for value in values.values()]
    return f"{statistics.fmean(shares):.1f} ± {statistics.stdev(shares):.1f}"
