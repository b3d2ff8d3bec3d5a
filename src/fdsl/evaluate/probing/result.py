"""What a probe came to: as JSON, and as a table on the screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from fdsl.evaluate.probing.changes import PLAIN
from fdsl.evaluate.probing.scores import Interval, Score

WHAT = "probe"
CLASSIFIERS = {"linear": "linear probe", "knn": "nearest neighbours"}
"""Names of the classifiers in the JSON file, and to a person."""
WORST = 3
"""Classes that the table names."""


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What a probe came to."""

    weights: str
    data: str
    model: str
    """timm name of the model."""
    size: int
    """Height and width of its images, in pixels."""
    classes: list[str]
    seeds: tuple[int, ...]
    labels: int
    """Labelled training images of each seed."""
    test_images: int
    features: int
    """Length of a feature vector."""
    neighbours: int
    folds: int
    """Of the cross-validation that chose C; 0 where a class has one labelled image, which leaves nothing to choose
    by."""
    strength: dict[int, float]
    """C of each seed's logistic regression."""
    chance: float
    """Accuracy of naming always the class that most test images are of."""
    linear: Score
    knn: Score
    robustness: dict[str, dict[str, float]]
    """Accuracy on each version of the test images, of each classifier; means over the seeds."""
    robustness_interval: dict[str, dict[str, Interval]]
    """Their 95% intervals over test images."""
    shape_bias: float | None
    """See `fdsl.evaluate.probing.changes.shape_bias`, of the linear classifier; None where neither interval, on edges
    or on shuffled patches, lies above chance."""
    shape_bias_interval: Interval | None
    untested: list[str]
    """Classes without test images, which no number counts."""
    skipped: list[str]
    """Broken images left out."""
    notes: list[str]
    """What was done otherwise than a person might expect."""
    command: str
    """Shell command that repeats the probe."""

    @property
    def scores(self) -> dict[str, Score]:
        """The scores by the names of their classifiers."""
        return {"linear": self.linear, "knn": self.knn}

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return {
            "what": WHAT,
            **vars(self),
            "seeds": list(self.seeds),
            "strength": {str(seed): strength for seed, strength in self.strength.items()},
            "linear": self.linear.to_json(),
            "knn": self.knn.to_json(),
        }


def heading(result: ProbeResult) -> str:
    """Say in a line what was probed on what."""
    seeds = f", {len(result.seeds)} seeds" if len(result.seeds) > 1 else ""
    return (
        f"{result.weights}: {result.labels:,} labelled images and {result.test_images:,} test images of {result.data}, "
        f"{len(result.classes)} classes{seeds}"
    )


def table(result: ProbeResult) -> Table:
    """Return the table for the screen: a column a classifier."""
    shown = Table()
    shown.add_column("%")
    for name in result.scores:
        shown.add_column(CLASSIFIERS[name], justify="right")
    for label, cells in _rows(result):
        shown.add_row(label, *cells)
    return shown


def _rows(result: ProbeResult) -> list[tuple[str, list[str]]]:
    scores = list(result.scores.values())
    rows = [
        ("accuracy", [spread(score.accuracy, score.deviation) for score in scores]),
        ("  95% interval, test images", [interval(score.interval) for score in scores]),
        ("class average", [spread(score.class_average, score.class_average_deviation) for score in scores]),
        (
            "calibration error",
            [spread(score.calibration_error, score.calibration_error_deviation) for score in scores],
        ),
        ("Brier score (0 to 2)", [f"{score.brier:.3f}" for score in scores]),
    ]
    rows += [
        (f"accuracy, {version}", [_bounded(result, version, name) for name in result.scores])
        for version in result.robustness
        if version != PLAIN
    ]
    worst = [worst_classes(score.per_class) for score in scores]
    for place in range(min(WORST, len(worst[0]))):
        rows.append(("worst classes" if place == 0 else "", [names[place] for names in worst]))
    return rows


def _bounded(result: ProbeResult, version: str, name: str) -> str:
    ends = result.robustness_interval[version][name]
    return f"{100 * result.robustness[version][name]:.1f} ({interval(ends)})"


def worst_classes(per_class: Mapping[str, float]) -> list[str]:
    """Return the classes that are recognised least, with their accuracy in percent, the worst first."""
    order = sorted(per_class, key=lambda name: per_class[name])
    return [f"{name[:20]} {100 * per_class[name]:.1f}" for name in order[:WORST]]


def spread(mean: float, deviation: float | None) -> str:
    """Return a share in percent, with its deviation over seeds if there is one."""
    return f"{100 * mean:.1f}" if deviation is None else f"{100 * mean:.1f} ± {100 * deviation:.1f}"


def interval(ends: Interval) -> str:
    """Return an interval of shares in percent."""
    return f"{100 * ends[0]:.1f} to {100 * ends[1]:.1f}"


def shape_line(result: ProbeResult) -> str:
    """Say in a line what the shape bias is."""
    if result.shape_bias is None or result.shape_bias_interval is None:
        return "shape bias: none, neither edges nor shuffled patches are recognised above chance"
    low, high = result.shape_bias_interval
    if high == 0:  # a share of nothing, whatever images are tested
        return "shape bias 0: edges alone are recognised no better than by chance, shuffled patches are"
    return (
        f"shape bias {result.shape_bias:.2f} (95% {low:.2f} to {high:.2f}): "
        "1 is recognising by edges alone, 0 by shuffled patches alone"
    )
