"""The numbers of one classifier, with their spread: over the test images as an interval, over seeds as a deviation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.evaluate.calibration import Reliability, brier_score
from fdsl.evaluate.probing.changes import shape_bias
from fdsl.evaluate.probing.classifiers import answers
from fdsl.evaluate.probing.features import Labels, Numbers
from fdsl.train.accuracy import Predictions

Z95 = 1.959963984540054
"""Two-sided 95% quantile of the standard normal distribution."""
DRAWS = 1000
"""Of the bootstrap."""

Interval = tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a classifier trained with one seed said of the test images."""

    predictions: Predictions
    brier: float

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether each answer is right, [T]."""
        return self.predictions.answers == self.predictions.labels


def said_of(classifier: Any, features: Numbers, labels: Labels, classes: list[str]) -> Said:
    """Ask a classifier of scikit-learn about T images.

    Args:
        classifier: trained.
        features: float64 [T, D].
        labels: true classes, int64 [T].
        classes: names of all classes.
    """
    found, shares, known = answers(classifier, features)
    place = np.full(len(classes), -1)
    place[known] = np.arange(len(known))
    at = place[labels]
    label_shares = np.where(at >= 0, shares[np.arange(len(labels)), at], 0.0)
    predictions = Predictions(
        classes=classes,
        labels=labels,
        answers=found.astype(np.int64),
        confidence=shares.max(axis=1).astype(np.float32),
        label_confidence=label_shares.astype(np.float32),
    )
    return Said(predictions=predictions, brier=brier_score(shares, label_shares))


def wilson(share: float, count: float) -> Interval:
    """Return the 95% interval of a share of `count` images, 0..1.

    Source: Wilson, JASA 22(158), 1927. Of the mean of several seeds' shares it is a little too wide: an image that some
    seeds have right varies less than one that all or none have.

    Args:
        share: 0..1.
        count: images, more than 0.
    """
    square = Z95**2 / count
    middle = (share + square / 2) / (1 + square)
    reach = Z95 / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    # at 0 and 1 an end is the share itself, which rounding may pass
    return max(0.0, min(share, middle - reach)), min(1.0, max(share, middle + reach))


def deviation(values: Sequence[float]) -> float | None:
    """Return the standard deviation over seeds (n - 1); None of a single one."""
    return statistics.stdev(values) if len(values) > 1 else None


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one classifier is worth, means over the seeds."""

    accuracy: float
    """Share of the test images it has right, 0..1."""
    deviation: float | None
    """Of the accuracy over seeds; None of a single one."""
    interval: Interval
    """95% interval of the accuracy, over test images: see `wilson`."""
    class_average: float
    """Mean accuracy of the classes that have test images: each counts alike."""
    class_average_deviation: float | None
    per_class: dict[str, float]
    """Accuracy of each class that has test images."""
    per_class_interval: dict[str, Interval]
    calibration_error: float
    """Expected calibration error, 0..1: see `Reliability.error`."""
    calibration_error_deviation: float | None
    brier: float
    """Brier score, 0..2: see `brier_score`."""
    reliability: Reliability
    """The answers of all seeds by how sure they are."""
    by_seed: dict[int, float]
    """Accuracy of each seed."""

    @classmethod
    def of(cls, said: dict[int, Said]) -> Score:
        """Sum up what a classifier said after each seed, of the same test images."""
        parts = [one.predictions for one in said.values()]
        accuracies = [part.accuracy() for part in parts]
        averages = [part.class_average_accuracy() for part in parts]
        each = [part.per_class() for part in parts]
        per_class = {name: statistics.fmean(shares[name] for shares in each) for name in each[0]}
        labels, classes = parts[0].labels, parts[0].classes
        seen = dict(zip(classes, np.bincount(labels, minlength=len(classes)).tolist(), strict=True))
        errors = [_reliability([one]).error() for one in said.values()]
        return cls(
            accuracy=statistics.fmean(accuracies),
            deviation=deviation(accuracies),
            interval=wilson(statistics.fmean(accuracies), len(labels)),
            class_average=statistics.fmean(averages),
            class_average_deviation=deviation(averages),
            per_class=per_class,
            per_class_interval={name: wilson(share, seen[name]) for name, share in per_class.items()},
            calibration_error=statistics.fmean(errors),
            calibration_error_deviation=deviation(errors),
            brier=statistics.fmean(one.brier for one in said.values()),
            reliability=_reliability(list(said.values())),
            by_seed=dict(zip(said, accuracies, strict=True)),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON values."""
        return {
            **vars(self),
            "interval": list(self.interval),
            "per_class_interval": {name: list(ends) for name, ends in self.per_class_interval.items()},
            "reliability": self.reliability.to_json(),
            "by_seed": {str(seed): accuracy for seed, accuracy in self.by_seed.items()},
        }


def _reliability(said: Sequence[Said]) -> Reliability:
    confidence = np.concatenate([one.predictions.confidence for one in said]).astype(np.float64)
    return Reliability.of(confidence, np.concatenate([one.right for one in said]))


def shape_bias_interval(edges: Sequence[Said], shuffled: Sequence[Said], chance: float) -> Interval | None:
    """Return the 95% interval of the `shape_bias` over test images: both versions of an image are drawn together.

    Source: the percentile bootstrap, Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.

    Args:
        edges: what each seed's classifier said of the edges.
        shuffled: what it said of the shuffled patches of the same images.
        chance: see `shape_bias`.
    """
    by_edges, by_patches = (np.mean([one.right for one in said], axis=0) for said in (edges, shuffled))
    drawn = np.random.default_rng(0)
    found = []
    for _ in range(DRAWS):
        picked = drawn.integers(0, len(by_edges), len(by_edges))
        bias = shape_bias(float(by_edges[picked].mean()), float(by_patches[picked].mean()), chance)
        if bias is not None:
            found.append(bias)
    if not found:
        return None
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return low, high
