"""The tables of a page of runs: what each came to, what it was told, class by class, where it ran, how to repeat it."""

from __future__ import annotations

import shlex
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fdsl.commands import shell_command
from fdsl.errors import InputError
from fdsl.evaluate.reporting.charts import class_means
from fdsl.evaluate.reporting.entries import Entries, Outcome, Training, printable, read_as_written
from fdsl.evaluate.reporting.forms import Kind
from fdsl.evaluate.reporting.page import Step, Table, count, duration, fact, spread
from fdsl.evaluate.runs import Run
from fdsl.train.config import FinetuneConfig, PretrainConfig

CONFIGS: dict[Kind, type[PretrainConfig] | type[FinetuneConfig]] = {
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
}
WORDS: dict[str, str] = {
    "pretrain": "pre-training",
    "finetune": "fine-tuning",
    "probe": "probe",
    "attention": "attention",
    "inspect": "inspection",
}
NOTHING = "—"
HIDDEN = ("out", "resume")
WIDE = 6
"""Runs side by side at most; of more, the runs are the rows."""
NAMED_IN_TABLE = 60
"""Classes of a table at most; of more, those of the lowest and the highest accuracy."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the summary: what a RUN was, and what it came to."""

    name: str
    folders: Sequence[str]
    """The RUNs, where the row is of several."""
    training: Training | None
    cells: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Configs:
    """What the trainings of a kind were told."""

    title: str
    head: Sequence[str]
    rows: Sequence[tuple[str, Sequence[tuple[str, bool]]]]
    """Of the fields that differ: name, and (value, whether most have another)."""
    alike: Mapping[str, str]
    """Fields that all have, other than by default."""
    defaults: Mapping[str, str]
    """The same by default."""


def summary(entries: Entries) -> list[Row]:
    """Return a row a RUN, fine-tunings that differ in their seeds alone together.

    Raises:
        DataError: a result lacks a number.
    """
    rows = []
    for one in entries.trainings:
        folders = one.folders if len(one.folders) > 1 else ()
        rows.append(Row(name=one.name, folders=folders, training=one, cells=_cells(one, entries)))
    rows += [
        Row(name=one.name, folders=(), training=None, cells=_outcome_cells(one, entries))
        for one in entries.outcomes
    ]
    return rows


def _cells(one: Training, entries: Entries) -> dict[str, str]:
    config, tuned = one.config, one.kind == "finetune"
    seconds = [float(run.result.get("seconds") or 0) for run in one.finished]
    model = one.architecture
    average = [run for run in one.finished if "class_average_accuracy" in run.result]
    return {
        "kind": WORDS[one.kind],
        "model": f"{fact(model['model'])}, {fact(model['size'])} px" if model["model"] else NOTHING,
        "from": entries.where(config.get("weights")) if tuned else NOTHING,
        "data": printable(str(config["data"])) if tuned else _drawn(one),
        "labels": _labels(one) if tuned else NOTHING,
        "accuracy": _accuracy(one),
        "class average": spread(one.shares("class_average_accuracy")) if average and tuned else NOTHING,
        "time": duration(sum(seconds)) if seconds else NOTHING,
    }


def _outcome_cells(one: Outcome, entries: Entries) -> dict[str, str]:
    content = one.content
    weights = content.get("weights")
    cells = {
        "kind": WORDS[one.what],
        "model": NOTHING,
        "from": entries.where(str(weights)) if weights else NOTHING,
        "data": printable(fact(content.get("data") or content.get("family") or NOTHING)),
        "labels": fact(content["labels"]) if isinstance(content.get("labels"), int) else NOTHING,
        "accuracy": NOTHING,
        "class average": NOTHING,
        "time": NOTHING,
    }
    if one.what == "probe":
        with read_as_written(one):
            cells["accuracy"] = percents(content["linear"]) + ", linear"
            cells["class average"] = percent(content["linear"]["class_average"])
    return cells


def percents(score: Mapping[str, Any]) -> str:
    """Return mean and deviation of a score as fdsl probe writes it, in percent."""
    mean, deviation = percent(score["accuracy"]), score.get("deviation")
    return mean if deviation is None else f"{mean.removesuffix('%')} ± {100 * deviation:.1f}%"


def percent(share: object) -> str:
    """Return a share in percent, and a dash where there is none.

    Raises:
        ValueError: it is not in 0..1.
    """
    if share is None:
        return NOTHING
    if not isinstance(share, (int, float)) or not 0 <= share <= 1:
        raise ValueError(f"a share must be in 0..1, got {share!r}")
    return f"{100 * share:.1f}%"


def _drawn(one: Training) -> str:
    config = one.config
    classes = f", {config['classes']:,} categories" if isinstance(config.get("classes"), int) else ""
    altered = f", {' '.join(map(str, config['alter']))}" if config.get("alter") else ""
    return f"{config.get('family')}{classes}{altered}"


def _labels(one: Training) -> str:
    numbers = sorted(
        {run.result["labels"] for run in one.finished if isinstance(run.result.get("labels"), int)}
    )
    if numbers:
        return " to ".join(dict.fromkeys(map(count, (numbers[0], numbers[-1]))))
    config = one.config
    if config.get("shots") is not None:
        return f"{config['shots']} a class"
    return "all" if config.get("labels") is None else fact(config["labels"])


def _accuracy(one: Training) -> str:
    """Return accuracy, deviation and seeds, or how far it has come."""
    shares = one.shares("accuracy")
    text = spread(shares) if shares else ""
    if one.kind == "finetune" and len(shares) > 1:
        text += f" (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{len(shares)})"
    elif shares and one.kind == "pretrain":
        text += " of held-out drawings"
    if len(shares) == len(one.runs):
        return text
    if len(one.runs) == 1:
        return f"unfinished: {_progress(one.runs[0])}"
    return f"{text} unfinished: {len(shares)} of {len(one.runs)} seeds done".strip()


def _progress(run: Run) -> str:
    """Return how far a run has come, by its metrics."""
    config, key = run.config, "epoch" if run.record["kind"] == "finetune" else "samples"
    rows, whole = run.metrics.get(key), config.get("epochs" if key == "epoch" else "samples")
    reached = count(float(np.nanmax(rows))) if rows is not None and np.isfinite(rows).any() else "0"
    return f"{reached} of {fact(whole)} {'epochs' if key == 'epoch' else 'samples'}"


def configs(entries: Entries) -> Iterator[Configs]:
    """Yield what the trainings of each kind were told, fields that differ first."""
    for kind in CONFIGS:
        members = entries.of(kind)
        if members:
            yield _configs(members, kind, entries)


def _configs(members: Sequence[Training], kind: Kind, entries: Entries) -> Configs:
    standard = CONFIGS[kind].defaults()
    told = [{**standard, **_told(one)} for one in members]
    names = [name for name in dict.fromkeys(name for one in told for name in one) if name not in HIDDEN]
    differing = [name for name in names if any(one.get(name) != told[0].get(name) for one in told)]
    columns = [[_said(name, one.get(name), entries) for one in told] for name in differing]
    marked = [[(value, _is_odd(value, column)) for value in column] for column in columns]
    alike = {name: _said(name, told[0].get(name), entries) for name in names if name not in differing}
    default = {name for name in alike if name in standard and told[0].get(name) == standard[name]}
    fields, runs = list(zip(differing, marked, strict=True)), [one.name for one in members]
    if len(members) > WIDE:
        turned = [[cells[n] for cells in marked] for n in range(len(members))]
        fields, runs = list(zip(runs, turned, strict=True)), differing
    return Configs(
        title=f"{WORDS[kind]}s" if len(members) > 1 else WORDS[kind],
        head=runs,
        rows=fields,
        alike={name: value for name, value in alike.items() if name not in default},
        defaults={name: value for name, value in alike.items() if name in default},
    )


def _told(one: Training) -> dict[str, Any]:
    """Return the config of a training, its seeds in one field, its model as the weights may have decided it."""
    config = {**one.whole, **one.architecture}
    if one.kind == "finetune":
        config.pop("seeds", None)
        config["seed"] = list(one.seeds) if len(one.seeds) > 1 else one.seeds[0]
    return config


def _said(name: str, value: Any, entries: Entries) -> str:
    return printable(entries.where(value) if name == "weights" else fact(value))


def _is_odd(value: str, column: Sequence[str]) -> bool:
    """Whether most of at least three have another value."""
    return Counter(column)[value] * 2 < len(column) and len(column) > 2


def by_class(trainings: Sequence[Training]) -> Table | None:
    """Return the accuracy of each class, a column a training; of very many classes the ends, by their mean."""
    means = {one.name: table for one in trainings if (table := class_means(one))}
    if not means:
        return None
    names = list(next(iter(means.values())))
    caption = "Test accuracy of each class in percent, mean over seeds"
    if len(names) > NAMED_IN_TABLE:
        names.sort(key=lambda name: statistics.fmean(table[name] for table in means.values()))
        half = NAMED_IN_TABLE // 2
        caption += f": the {half} lowest and the {half} highest of {len(names):,}, by the mean of these runs"
        names = names[:half] + names[-half:]
    rows = [[printable(name), *(f"{table[name]:.1f}" for table in means.values())] for name in names]
    return Table(caption=caption, head=["class", *means], rows=rows)


def machines(entries: Entries) -> Table:
    """Return where each training ran, and with which versions."""
    rows = []
    for one in entries.trainings:
        sessions = [session for run in one.runs for session in (*run.record.get("earlier", ()), run.record)]
        devices = ", ".join(dict.fromkeys(str(session.get("device", NOTHING)) for session in sessions))
        processes = " ".join(sorted({str(session.get("processes", 1)) for session in sessions}))
        begun = min(
            (str(session["started"]) for session in sessions if session.get("started")), default=NOTHING
        )
        versions = dict(one.runs[0].record.get("versions") or {})
        rows.append(
            [
                one.name,
                begun[:16].replace("T", " "),
                devices,
                processes,
                fact([f"{k} {v}" for k, v in versions.items()]),
            ]
        )
    return Table(caption="", head=["run", "started (UTC)", "device", "processes", "versions"], rows=rows)


def commands(entries: Entries) -> list[Step]:
    """Return the commands that repeat the runs."""
    steps = [Step(title=one.name, command=printable_lines(_command(one))) for one in entries.trainings]
    told = [(one.name, one.content.get("command")) for one in entries.outcomes]
    steps += [Step(title=name, command=printable_lines(text)) for name, text in told if isinstance(text, str)]
    return steps


def printable_lines(text: str) -> str:
    """Return the lines of a command, each without what cannot be shown."""
    return "\n".join(printable(line) for line in text.split("\n"))


def _command(one: Training) -> str:
    """Return the command that repeats a training; as it was given where this version lacks a field of its config."""
    seeds = one.seeds if len(one.folders) > 1 else ()
    try:
        config = CONFIGS[one.kind].from_json({**one.whole, "resume": False})
    except InputError:
        return _given(one.runs[0].record.get("command") or [])
    if seeds and isinstance(config, FinetuneConfig):
        config = replace(config, seed=0, seeds=seeds, out=Path(f"{config.out}-seeds"))
    return shell_command(one.kind, config)


def _given(words: Sequence[object]) -> str:
    """Return a command line as it was recorded, by the program's name."""
    return shlex.join(["fdsl", *(str(word) for word in words[1:])]) if words else NOTHING
