"""The page of a demo: numbers and pictures of its runs as one self-contained HTML file.

`render` is a pure function of its `Report`; reading run folders is left to `runs`, judging them to `compare`.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from fdsl.evaluate import figures
from fdsl.evaluate.compare import ArmName, Cell, Comparison, paired, verdict
from fdsl.evaluate.figures import PRETRAINED, SCRATCH, Band, Line, Look, Side
from fdsl.evaluate.reporting.page import Picture, Step, fill
from fdsl.evaluate.runs import Run

LOOKS: dict[ArmName, Look] = {
    "scratch": Look(color=SCRATCH, dash="--", marker="s"),
    "pretrained": Look(color=PRETRAINED),
}
NAMES: dict[ArmName, str] = {"scratch": "from scratch", "pretrained": "pre-trained"}


@dataclass(frozen=True, kw_only=True)
class Speed:
    """How fast images were drawn at one size: images a second over some repetitions."""

    family: str
    size: int
    threads: int
    batch: int
    median: float
    low: float
    high: float
    repetitions: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything the page shows.

    Attributes:
        title, subtitle: the head of the page.
        notice: why the run was too short to show a gain; it stands on top, and no verdict is given.
        sheet: the contact sheet; examples: the labelled images of one seed.
        speeds: drawing speed, measured.
        pretrained: the pre-training run.
        comparison: fine-tuned against scratch; finetuned: the runs it was made from, keyed (arm, lr, seed).
        chosen: one sentence on how each arm's learning rate was chosen.
        facts: tables of names and values on what was run and where, by heading.
        again, bigger: commands to do the same once more, and with more of everything.
    """

    title: str
    subtitle: str
    notice: str = ""
    sheet: Picture
    examples: Picture
    speeds: Sequence[Speed]
    pretrained: Run
    comparison: Comparison
    finetuned: Mapping[tuple[ArmName, float, int], Run]
    chosen: str
    facts: Mapping[str, Mapping[str, str]]
    again: Sequence[Step]
    bigger: Sequence[Step]


def render(report: Report) -> str:
    """Return the page as HTML text: no file, script or address outside it is needed to show it.

    Raises:
        DataError: a run lacks a number the page shows.
    """
    content = {
        "report": report,
        "comparison": report.comparison,
        "verdict": verdict(report.comparison, judge=not report.notice),
        "figures": _figures(report),
        "rates": _rate_rows(report.comparison),
        "pretext": _pretext(report.pretrained),
    }
    return fill("demo.html.j2", content)


def _pretext(run: Run) -> dict[str, float]:
    """Return the numbers of the pre-training that the text names."""
    return {
        "samples": run.number("samples"),
        "seconds": run.number("seconds"),
        "rate": run.number("samples_per_second"),
        "draw_share": 100 * run.number("draw_share"),
        "accuracy": 100 * run.number("accuracy"),
        "held_out": run.config["held_out"],
        "classes": run.config["classes"],
        "chance": 100 / run.config["classes"],
    }


def _figures(report: Report) -> dict[str, Markup]:
    """Draw every figure, as inline SVG of our own making (hence safe to leave unescaped)."""
    run, comparison = report.pretrained, report.comparison
    samples = run.metrics["samples"]
    pretext = _pretext(run)
    look = LOOKS["pretrained"]
    loss = Line(look=look, x=samples, y=run.metrics["loss"])
    accuracy = Line(look=look, x=samples, y=100 * run.metrics["accuracy"], final=pretext["accuracy"])
    drawn = {
        "loss": figures.curves("loss", "Training loss", [loss], x_label="samples seen"),
        "accuracy": figures.curves(
            "accuracy",
            "Accuracy in telling the formulas apart",
            [accuracy],
            x_label="samples seen",
            percent=True,
            chance=pretext["chance"],
        ),
        "paired": figures.paired_dots(comparison, "Test accuracy, each at its best learning rate"),
        "rates": figures.rates(comparison, "Test accuracy at every learning rate tried"),
        "by_class": _by_class(report),
        "learning": figures.learning(
            [Band(look=LOOKS[arm], seeds=_accuracy_curves(report, arm), label=NAMES[arm]) for arm in LOOKS],
            "Test accuracy while fine-tuning",
            x_label="epochs",
        ),
    }
    return {name: Markup(svg) for name, svg in drawn.items()}


def _accuracy_curves(report: Report, arm: ArmName) -> list[tuple[figures.Numbers, figures.Numbers]]:
    """Return (epochs, test accuracy in percent) of each seed at the learning rate the arm is judged by."""
    comparison = report.comparison
    cell = comparison.best(arm)
    curves = []
    for seed in comparison.seeds:
        metrics = report.finetuned[arm, cell.lr, seed].metrics
        measured = ~np.isnan(metrics["test_accuracy"])
        curves.append((metrics["epoch"][measured], 100 * metrics["test_accuracy"][measured]))
    return curves


def _by_class(report: Report) -> str:
    """Draw the accuracy of each class, the mean over seeds of each arm; nothing where a run does not tell it."""
    scratch, pretrained = _class_means(report, "scratch"), _class_means(report, "pretrained")
    if not scratch or scratch.keys() != pretrained.keys():
        return ""
    means: dict[ArmName, dict[str, float]] = {"scratch": scratch, "pretrained": pretrained}
    sides = [Side(look=LOOKS[arm], values=means[arm], label=NAMES[arm]) for arm in LOOKS]
    return figures.by_class(sides, "Test accuracy of each class, mean over seeds")


def _class_means(report: Report, arm: ArmName) -> dict[str, float]:
    """Return the accuracy of each class in percent, mean over seeds, at the rate `arm` is judged by."""
    lr = report.comparison.best(arm).lr
    results = [report.finetuned[arm, lr, seed].result for seed in report.comparison.seeds]
    seeds = [result.get("per_class") or {} for result in results]
    shared = [name for name in seeds[0] if all(name in seed for seed in seeds)]
    return {name: 100 * statistics.fmean(seed[name] for seed in seeds) for name in shared}


def _rate_rows(comparison: Comparison) -> list[tuple[Cell, Cell, float]]:
    """Return (scratch, pre-trained, mean gain) at each learning rate."""
    pairs = zip(comparison.scratch, comparison.pretrained, strict=True)
    return [
        (scratch, pretrained, statistics.fmean(paired(pretrained, scratch))) for scratch, pretrained in pairs
    ]
