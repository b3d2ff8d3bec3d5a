"""Which fine-tunings may be compared, and what comes of it: nothing is claimed where more than the weights differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from fdsl.evaluate.compare import ArmName, Comparison, Trial, compare, verdict
from fdsl.evaluate.reporting.entries import Entries, Training, done
from fdsl.evaluate.runs import Run

MOST_PAIRED = 4
"""Sides of which all pairs are compared; of more, each with the first alone."""
RESOLVED = ("model", "model_args", "size", "drop_path")
"""Fields that the weights may decide instead of the config: `Training.architecture` has them."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """All fine-tunings of one kind from the same weights."""

    label: str
    """What they started from."""
    weights: str | None
    trainings: tuple[Training, ...]

    @property
    def tried(self) -> set[tuple[float, int]]:
        """Learning rate and seed of every run."""
        return {(float(run.config["lr"]), int(run.config["seed"])) for run in self._runs()}

    def trials(self, arm: ArmName) -> Iterator[Trial]:
        """Yield the runs as one side of a comparison."""
        for training in self.trainings:
            for run, accuracy in zip(training.finished, training.shares("accuracy"), strict=True):
                yield Trial(
                    arm=arm,
                    lr=float(run.config["lr"]),
                    seed=int(run.config["seed"]),
                    accuracy=accuracy,
                )

    @property
    def is_plain(self) -> bool:
        """Whether no run was made twice."""
        return len(self.tried) == sum(1 for _ in self._runs())

    def _runs(self) -> Iterator[Run]:
        return (run for training in self.trainings for run in training.finished)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Two sides that differ in their weights alone, paired by seed."""

    base: Side
    other: Side
    comparison: Comparison
    words: str
    about: str
    """Data and labels of both."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Every comparison that can be made, and in a sentence each why others cannot."""

    judged: tuple[Judged, ...]
    refused: tuple[str, ...]


def judge(entries: Entries) -> Judgement:
    """Compare the finished fine-tunings that differ in nothing but their weights.

    Raises:
        DataError: an accuracy is not in 0..1.
    """
    judged: list[Judged] = []
    refused: list[str] = []
    tunings = [
        training for training in entries.of("finetune") if len(training.finished) == len(training.runs)
    ]
    families: dict[str, list[Training]] = {}
    for training in tunings:
        families.setdefault(_all_but_weights(training), []).append(training)
    for members in families.values():
        sides = _sides(members, entries)
        for base, other in _pairs(sides):
            reason = _reason(base, other)
            if reason:
                refused.append(f"{_names(other)} against {_names(base)}: {reason}")
            else:
                judged.append(_judged(base, other))
    if len(families) > 1:
        fields = ", ".join(_differing(list(families)))
        groups = "; ".join(", ".join(one.name for one in members) for members in families.values())
        refused.append(
            f"Between these groups more than the weights differs ({fields}), so nothing is claimed: {groups}."
        )
    return Judgement(judged=tuple(judged), refused=tuple(refused))


def _all_but_weights(training: Training) -> str:
    """Return, as JSON, all that decides a fine-tuning but its weights, learning rate and seed."""
    fields = {
        name: value
        for name, value in done(training.config).items()
        if name not in (*RESOLVED, "weights", "lr")
    }
    result = training.finished[0].result
    counted = {f"{name} used": result.get(name) for name in ("labels", "test_images")}
    return json.dumps({**fields, **training.architecture, **counted}, sort_keys=True, default=str)


def _differing(families: Sequence[str]) -> list[str]:
    """Return the names of the fields in which families are not all alike."""
    contents = [json.loads(text) for text in families]
    names = sorted(set().union(*contents))
    different = [name for name in names if len({json.dumps(content.get(name)) for content in contents}) > 1]
    # images that were used follow from those that were asked for
    return [
        name
        for name in different
        if name.removesuffix(" used") not in different or name.removesuffix(" used") == name
    ]


def _sides(members: Sequence[Training], entries: Entries) -> list[Side]:
    """Return what the members started from, training from scratch first."""
    by_weights: dict[str | None, list[Training]] = {}
    for training in members:
        by_weights.setdefault(training.config.get("weights"), []).append(training)
    sides = [
        Side(
            label="from scratch" if weights is None else f"from {entries.where(weights)}",
            weights=weights,
            trainings=tuple(group),
        )
        for weights, group in by_weights.items()
    ]
    return sorted(sides, key=lambda side: side.weights is not None)


def _pairs(sides: Sequence[Side]) -> Iterator[tuple[Side, Side]]:
    if len(sides) <= MOST_PAIRED:
        yield from combinations(sides, 2)
    else:
        yield from product(sides[:1], sides[1:])


def _reason(base: Side, other: Side) -> str:
    """Return why two sides cannot be compared; nothing where they can."""
    if not (base.is_plain and other.is_plain):
        return "a run of the same seed and learning rate comes twice, so nothing is claimed"
    if base.tried != other.tried:
        return (
            f"other seeds or learning rates ({_tried(other)} against {_tried(base)}), so nothing is claimed"
        )
    if len({seed for _, seed in base.tried}) < 2:
        return "one seed leaves no spread to judge by, so nothing is claimed"
    if len({lr for lr, _ in base.tried}) * len({seed for _, seed in base.tried}) != len(base.tried):
        return "not every seed was tried at every learning rate, so nothing is claimed"
    return ""


def _judged(base: Side, other: Side) -> Judged:
    comparison = compare([*base.trials("scratch"), *other.trials("pretrained")])
    result = base.trainings[0].finished[0].result
    config = base.trainings[0].config
    about = (
        f"{config['data']}, {result.get('labels', 0):,} labelled images, {result.get('test_images', 0):,} to test on; "
        f"{_names(other)} against {_names(base)}"
    )
    words = verdict(comparison, what=f"Starting {other.label}", against=base.label)
    return Judged(base=base, other=other, comparison=comparison, words=words, about=about)


def _tried(side: Side) -> str:
    seeds = sorted({seed for _, seed in side.tried})
    rates = sorted({lr for lr, _ in side.tried})
    return f"seeds {' '.join(map(str, seeds))} at {' '.join(f'{lr:g}' for lr in rates)}"


def _names(side: Side) -> str:
    return ", ".join(training.name for training in side.trainings)
