"""The figures of a page of runs: how they learned, what they came to, class by class, and how sure they were."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from markupsafe import Markup

from fdsl.evaluate import figures
from fdsl.evaluate.figures import Band, Line, Numbers, Side
from fdsl.evaluate.reporting.answers import Answers
from fdsl.evaluate.reporting.entries import Training
from fdsl.evaluate.reporting.judging import Judged

MARKS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "p": "⬟", "*": "★"}
"""The markers of figures as characters, for legends."""


@dataclass(frozen=True, kw_only=True)
class Charts:
    """Figures under a heading, with the runs that are in them; `further` ones are folded away."""

    trainings: tuple[Training, ...]
    shown: tuple[Markup, ...]
    further: tuple[Markup, ...] = ()
    note: str = ""


def pretrainings(trainings: Sequence[Training]) -> Charts:
    """Draw loss and accuracy of pre-trainings over samples; learning rate and gradient to be unfolded."""
    told = [training for training in trainings if len(training.runs[0].metrics.get("samples", ()))]
    if not told:
        return Charts(trainings=(), shown=())
    finals = {id(one): 100 * one.shares("accuracy")[0] for one in told if one.finished}

    def lines(column: str, factor: float = 1.0, *, ends: bool = False) -> list[Line]:
        return [
            Line(
                look=one.look,
                x=one.runs[0].metrics["samples"],
                y=factor * one.runs[0].metrics[column],
                final=finals.get(id(one)) if ends else None,
            )
            for one in told
            if column in one.runs[0].metrics
        ]

    seen = "samples seen"
    shown = [
        figures.curves("pretrain-loss", "Training loss", lines("loss"), x_label=seen),
        figures.curves("pretrain-accuracy", "Accuracy in telling the formulas apart", lines("accuracy", 100, ends=True),
                       x_label=seen, percent=True, chance=_chance(told)),
    ]  # fmt: skip
    further = [
        figures.curves(
            f"pretrain-{column.replace('_', '-')}", title, lines(column), x_label=seen, smoothed=False
        )
        for column, title in (("lr", "Learning rate"), ("grad_norm", "Norm of the gradient"))
        if lines(column)
    ]
    note = (
        "Lines: moving averages on varied training images. Diamonds: accuracy at the end on held-out drawings, which "
        "are shown whole." + _unknown(told, "loss")
    )
    return _charts(told, shown, further, note)


def tunings(trainings: Sequence[Training]) -> Charts:
    """Draw what fine-tunings came to, and test accuracy and loss over passes."""
    told = [one for one in trainings if _bands([one], "test_accuracy") or one.finished]
    if not told:
        return Charts(trainings=(), shown=())
    ended = [
        (one.name, one.look, [100 * share for share in one.shares("accuracy")])
        for one in told
        if one.finished
    ]
    shown, further = [], []
    if ended:
        shown.append(figures.dots(ended, "Test accuracy at the end, a dot a seed", name="tune-ends"))
    if bands := _bands(told, "test_accuracy", 100):
        shown.append(
            figures.learning(bands, "Test accuracy while fine-tuning", x_label="epochs", name="tune-accuracy")
        )
    for column, title, factor in (
        ("train_loss", "Training loss", 1.0),
        ("train_accuracy", "Accuracy on varied training images", 100.0),
        ("lr", "Learning rate", 1.0),
    ):
        if bands := _bands(told, column, factor):
            name = f"tune-{column.replace('_', '-')}"
            further.append(
                figures.learning(bands, title, x_label="epochs", name=name, percent=factor == 100.0)
            )
    note = (
        "Bars: mean and standard deviation (n - 1) over seeds. Lines: means over seeds; bands: from the lowest to the "
        "highest." + _unknown(told, "train_loss")
    )
    return _charts(told, shown, further, note)


def classes(trainings: Sequence[Training]) -> Iterator[Charts]:
    """Draw the accuracy of each class, mean over seeds: a figure for all trainings that have the same classes."""
    groups: dict[tuple[str, ...], list[tuple[Training, dict[str, float]]]] = {}
    for one in trainings:
        means = class_means(one)
        if means:
            groups.setdefault(tuple(means), []).append((one, means))
    for number, members in enumerate(groups.values()):
        sides = [Side(look=one.look, values=means) for one, means in members]
        title = "Test accuracy of each class, mean over seeds"
        yield _charts(
            [one for one, _ in members], [figures.by_class(sides, title, name=f"classes-{number}")], [], ""
        )


def class_means(training: Training) -> dict[str, float]:
    """Return the accuracy of each class in percent, mean over seeds; of those that all seeds tell."""
    tables = [run.result.get("per_class") or {} for run in training.finished]
    if not tables:
        return {}
    shared = [name for name in tables[0] if all(name in table for table in tables)]
    return {str(name): 100 * statistics.fmean(table[name] for table in tables) for name in shared}


def calibration(answered: Sequence[tuple[Training, Answers]]) -> Charts:
    """Draw how far confidence can be believed."""
    sides = [(one.look, *answers.bins) for one, answers in answered]
    title = "Right answers by confidence"
    drawn = [figures.calibration(sides, title, name="calibration")] if sides else []
    note = (
        "Dots: 15 steps of confidence, all seeds together; on the dashed line confidence and accuracy agree. Below "
        "it, a model is surer than it is right."
    )
    return _charts([one for one, _ in answered], drawn, [], note)


def comparison(judged: Judged, number: int) -> Charts:
    """Draw the pairs of a comparison, and where several were tried its learning rates."""
    labels = (judged.base.label, judged.other.label)
    pairs = judged.comparison
    shown = [
        figures.paired_dots(pairs, "Test accuracy, a line a seed", name=f"paired-{number}", labels=labels)
    ]
    if len(pairs.scratch) > 1:
        title = "Test accuracy at every learning rate tried"
        shown.append(figures.rates(pairs, title, name=f"rates-{number}", labels=labels))
    return _charts([], shown, [], "")


def _charts(trainings: Sequence[Training], shown: Sequence[str], further: Sequence[str], note: str) -> Charts:
    """Return figures as inline SVG of our own making, hence safe to leave unescaped."""
    return Charts(
        trainings=tuple(trainings),
        shown=tuple(map(Markup, shown)),
        further=tuple(map(Markup, further)),
        note=note,
    )


def _bands(trainings: Sequence[Training], column: str, factor: float = 1.0) -> list[Band]:
    """Return a number over epochs of each training, at the epochs that all its seeds have."""
    bands = []
    for one in trainings:
        seeds = [_measured(run.metrics, column) for run in one.runs]
        seeds = [seed for seed in seeds if len(seed[0])]
        if not seeds:
            continue
        shared = reduce(np.intersect1d, [x for x, _ in seeds])
        if len(shared):
            rows = [(shared, factor * y[np.searchsorted(x, shared)]) for x, y in seeds]
            bands.append(Band(look=one.look, seeds=rows))
    return bands


def _measured(metrics: dict[str, Numbers], column: str) -> tuple[Numbers, Numbers]:
    """Return (epochs, values) of the rows that hold a number, each epoch once."""
    if column not in metrics or "epoch" not in metrics:
        return np.zeros(0), np.zeros(0)
    known = np.isfinite(metrics[column]) & np.isfinite(metrics["epoch"])
    epochs, first = np.unique(metrics["epoch"][known], return_index=True)
    return epochs, metrics[column][known][first]


def _chance(trainings: Sequence[Training]) -> float | None:
    """Return the accuracy of guessing in percent, where it is one for all."""
    numbers = {one.config.get("classes") for one in trainings}
    targets = {one.runs[0].result.get("target", "class") for one in trainings}
    [classes] = numbers if len(numbers) == 1 else [None]
    return 100 / classes if targets == {"class"} and isinstance(classes, int) and classes else None


def _unknown(trainings: Sequence[Training], column: str) -> str:
    """Return the end of a note that names trainings in which some rows of a column hold no finite number."""
    names = [
        one.name
        for one in trainings
        if any(not np.isfinite(run.metrics.get(column, np.zeros(0))).all() for run in one.runs)
    ]
    return f" Left out: rows without a finite loss, of {', '.join(names)}." if names else ""
