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

from fdsl.evaluate.compare import Comparison, Trial, compare
from fdsl.files import write_json, write_text
from fdsl.machine import machine_facts
from fdsl.sweep.config import SweepConfig
from fdsl.sweep.sweeps import Point

JSON_FILE, CSV_FILE, TABLE_FILE, PLOT_FILE = "sweep.json", "sweep.csv", "sweep.md", "sweep.png"
SCRATCH = "from scratch"

BySeed = Mapping[int, float]


@dataclass(frozen=True, kw_only=True)
class Row:
    """What one point came to. Accuracies are in 0..1, a seed each."""

    point: Point
    pretext: float
    """Accuracy on held-out drawings of its own categories."""
    chance: float
    """What guessing reaches there."""
    loss: float
    """Pre-training loss at the end."""
    finetuned: BySeed
    linear: BySeed
    """Linear probe."""
    knn: BySeed
    """Nearest neighbours."""
    seconds: Mapping[str, float]
    """Time spent in pre-training, and in all fine-tunings."""


@dataclass(frozen=True, kw_only=True)
class SweepResult:
    """What a sweep came to, or has come to so far."""

    config: SweepConfig
    """Resolved: nothing in it is None that was to be decided."""
    scratch: BySeed
    """Test accuracy from scratch, in 0..1, a seed each."""
    scratch_seconds: float
    rows: tuple[Row, ...]
    """A row a point, in the order they were asked for."""

    @property
    def whole(self) -> bool:
        """Whether every point is there."""
        return len(self.rows) == len(self.config.points())

    def comparison(self, row: Row) -> Comparison:
        """Return the fine-tunings of a point against those from scratch, paired by seed."""
        lr = self.config.lr
        return compare(
            [
                Trial(arm="pretrained", lr=lr, seed=seed, accuracy=value)
                for seed, value in row.finetuned.items()
            ]
            + [Trial(arm="scratch", lr=lr, seed=seed, accuracy=value) for seed, value in self.scratch.items()]
        )

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain JSON values; accuracies in 0..1, gains in points."""
        return {
            "sweep": self.config.sweep,
            "whole": self.whole,
            "settings": self.config.to_json(),
            "scratch": {"finetuned": _keyed(self.scratch), "seconds": {"finetuning": self.scratch_seconds}},
            "points": [self._point(row) for row in self.rows],
            "machine": machine_facts(),
        }

    def _point(self, row: Row) -> dict[str, Any]:
        comparison = self.comparison(row)
        return {
            "name": row.point.name,
            "fields": {k: list(v) if isinstance(v, tuple) else v for k, v in row.point.fields.items()},
            "pretext": {"accuracy": row.pretext, "chance": row.chance, "loss": row.loss},
            "finetuned": _keyed(row.finetuned),
            "linear": _keyed(row.linear),
            "knn": _keyed(row.knn),
            "gain": {
                "mean": comparison.gain,
                "standard_error": comparison.standard_error,
                "interval": list(comparison.interval),
            },
            "seconds": dict(row.seconds),
        }


def write_results(result: SweepResult, out: Path) -> None:
    """Write the JSON, the CSV and the Markdown to `out`; each file appears whole or not at all."""
    write_text(out / CSV_FILE, csv_text(result))
    write_text(out / TABLE_FILE, markdown(result))
    write_json(out / JSON_FILE, result.to_json())


def csv_text(result: SweepResult) -> str:
    """Return a row a point and seed, those from scratch first; accuracies in 0..1, what is not known left empty."""
    text = io.StringIO()
    columns = ("point", "seed", "finetuned", "scratch", "linear", "knn", "pretext", "chance")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    for seed, accuracy in result.scratch.items():
        writer.writerow({"point": SCRATCH, "seed": seed, "finetuned": accuracy, "scratch": accuracy})
    for row in result.rows:
        for seed in result.config.seeds:
            writer.writerow(
                {
                    "point": row.point.name,
                    "seed": seed,
                    "finetuned": row.finetuned[seed],
                    "scratch": result.scratch[seed],
                    "linear": row.linear[seed],
                    "knn": row.knn[seed],
                    "pretext": row.pretext,
                    "chance": row.chance,
                }
            )
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
        f"Percent of the test images of {config.data}, mean ± deviation over {len(config.seeds)} seeds; the gain over "
        "training from scratch in points ± its standard error, seeds paired. Held-out drawings are of the "
        f"pre-training's own categories. One pre-training a point.{done}{quick}"
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
    header = [
        result.config.sweep,
        "held-out drawings",
        "fine-tuned",
        "gain",
        "linear probe",
        "nearest neighbours",
    ]
    lines = [header, [SCRATCH, "", spread(result.scratch), "", "", ""]]
    for row in result.rows:
        comparison = result.comparison(row)
        gain = f"{comparison.gain:+.1f} ± {comparison.standard_error:.1f}"
        pretext = f"{100 * row.pretext:.1f}"
        lines.append(
            [row.point.name, pretext, spread(row.finetuned), gain, spread(row.linear), spread(row.knn)]
        )
    return lines


def percents(values: BySeed, seeds: Sequence[int]) -> list[float]:
    """Return the accuracies in percent, in the order of the seeds."""
    return [100 * values[seed] for seed in seeds]


def spread(values: BySeed) -> str:
    """Return mean and deviation over seeds, in percent."""
    shares = [100 * value for value in values.values()]
    return f"{statistics.fmean(shares):.1f} ± {statistics.stdev(shares):.1f}"


def _keyed(values: BySeed) -> dict[str, float]:
    return {str(seed): value for seed, value in values.items()}
