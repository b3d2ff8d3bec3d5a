"""From run folders to the page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fdsl import __version__
from fdsl.evaluate.reporting import charts, seeing, tables
from fdsl.evaluate.reporting.answers import confusion, read_answers
from fdsl.evaluate.reporting.config import ReportConfig
from fdsl.evaluate.reporting.entries import Entries, printable, read_entries
from fdsl.evaluate.reporting.judging import judge
from fdsl.evaluate.reporting.outcomes import section
from fdsl.evaluate.reporting.page import fill, spread
from fdsl.files import write_text

TITLE_NAMES = 3
"""Runs that the heading names at most."""


def report(config: ReportConfig) -> Path:
    """Write the page of some runs and return its path.

    Everything but its date follows from the files in the folders, and from what they name: real images, category
    files, weights.

    Raises:
        InputError: a folder holds no run, or comes twice.
        DataError: a file of a run is missing or damaged; the message names it.
        OSError: the page cannot be written.
    """
    write_text(config.out, render(config, datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")))
    return config.out


def render(config: ReportConfig, now: str) -> str:
    """Return the page as HTML, written at the time `now`; see `report`."""
    entries = read_entries(config.runs)
    rows = tables.summary(entries)
    names = [row.name for row in rows]
    more = f" and {len(names) - TITLE_NAMES} more" if len(names) > TITLE_NAMES else ""
    content: dict[str, Any] = {
        **_answered(entries),  # first: it finds damaged tables before anything is drawn
        "title": printable(config.title or ", ".join(names[:TITLE_NAMES]) + more),
        "subtitle": f"fdsl report {__version__}, {now}",
        "marks": charts.MARKS,
        "rows": rows,
        "columns": list(rows[0].cells),
        "configs": list(tables.configs(entries)),
        "machines": tables.machines(entries) if entries.trainings else None,
        "commands": tables.commands(entries),
        "outcomes": [section(outcome, entries) for outcome in entries.outcomes],
        "drawn": seeing.drawn(entries),
        "real": seeing.real(entries),
        **_learned(entries),
        **_looked(config, entries),
    }
    return fill("runs.html.j2", content)


def _learned(entries: Entries) -> dict[str, Any]:
    """Return curves, and comparisons of what came of them."""
    judgement = judge(entries)
    drawn = [charts.comparison(one, number) for number, one in enumerate(judgement.judged)]
    return {
        "judged": list(zip(judgement.judged, drawn, strict=True)),
        "refused": judgement.refused,
        "pretrainings": charts.pretrainings(entries.of("pretrain")),
        "tunings": charts.tunings(entries.of("finetune")),
    }


def _answered(entries: Entries) -> dict[str, Any]:
    """Return accuracies class by class, and what was answered."""
    tuned = entries.of("finetune")
    answered = [(one, answers) for one in tuned if (answers := read_answers(one)) is not None]
    return {
        "confusion": confusion(tuned),
        "by_class": [(chart, tables.by_class(chart.trainings)) for chart in charts.classes(tuned)],
        "calibration": charts.calibration(answered),
        "calibrated": [
            (one.name, spread(one.shares("accuracy")), answers.error) for one, answers in answered
        ],
    }


def _looked(config: ReportConfig, entries: Entries) -> dict[str, Any]:
    """Return where the models look, if that is asked for."""
    attention, lines = seeing.attended(entries) if config.attention else (None, [])
    return {"attention": attention, "attention_lines": lines}
