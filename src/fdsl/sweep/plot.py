"""The picture of a sweep: what the real images say of each point, and below it how hard its own task was."""

from __future__ import annotations

import io
import statistics
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fdsl.evaluate.figures import INK, LIGHT, MUTED, PAPER, PRETRAINED, SCRATCH, light_style, percent_axis
from fdsl.files import write_bytes
from fdsl.sweep.results import BySeed, Measured, SweepResult, config_title, percents

LINEAR, NEAREST = "#009e73", "#a4508b"
DOTS_PER_INCH = 160
LONG_LABELS = 48
"""Letters of all values together that fit below the axis upright."""


def write_plot(result: SweepResult, path: Path) -> None:
    """Draw the points there are to a PNG, which appears whole or not at all."""
    with mpl.rc_context(light_style()):
        figure = Figure(figsize=(6.4, 5.6), layout="constrained")
        figure.patch.set_facecolor(LIGHT[PAPER])
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1.15))
        _accuracies(above, result)
        _pretext(below, result)
        _value_axis(below, result)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def _places(result: SweepResult) -> list[float]:
    """Return where each point asked for stands: at its value if all have one, otherwise side by side."""
    points = result.config.points()
    return [float(n) if point.x is None else point.x for n, point in enumerate(points)]


def _accuracies(axes: Axes, result: SweepResult) -> None:
    """Draw fine-tuning with a dot a seed, both probes as lines, and what there is without pre-training as levels."""
    seeds, x = result.config.seeds, _places(result)[: len(result.rows)]
    scratch, blue = percents(result.scratch.finetuned, seeds), LIGHT[PRETRAINED]
    axes.axhspan(min(scratch), max(scratch), color=LIGHT[SCRATCH], alpha=0.16, linewidth=0)
    axes.axhline(
        statistics.fmean(scratch), color=LIGHT[SCRATCH], linewidth=1.6, linestyle="--", label="from scratch"
    )
    looks: tuple[tuple[Callable[[Measured], BySeed], str, str, str], ...] = (
        (lambda measured: measured.linear, LINEAR, "linear probe", "s"),
        (lambda measured: measured.knn, NEAREST, "neighbours", "^"),
    )
    for values, color, label, marker in looks:
        level = statistics.fmean(percents(values(result.scratch), seeds))
        axes.axhline(level, color=color, linewidth=1.2, linestyle=":")
        means = [statistics.fmean(percents(values(row.measured), seeds)) for row in result.rows]
        axes.plot(x, means, marker=marker, color=color, linewidth=1.4, label=label, markersize=5,
                  markeredgecolor=LIGHT[PAPER], markeredgewidth=0.9)  # fmt: skip
    tuned = [percents(row.measured.finetuned, seeds) for row in result.rows]
    axes.plot(x, tuned, "o", color=blue, markersize=4.5, alpha=0.55, markeredgewidth=0)
    axes.plot(x, [statistics.fmean(row) for row in tuned], marker="o", color=blue, linewidth=2.2,
              label="fine-tuned", markersize=7, markeredgecolor=LIGHT[PAPER], markeredgewidth=0.9)  # fmt: skip
    axes.plot([], [], ":", color=LIGHT[MUTED], linewidth=1.2, label="probes of random weights")
    axes.set_title(
        f"{config_title(result.config)}: test accuracy", loc="left", fontsize=9.5, color=LIGHT[INK]
    )
    axes.margins(y=0.1)
    percent_axis(axes)
    # The names of the colours get a strip of their own on top.
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.2 * (high - low))
    axes.legend(frameon=False, loc="upper left", ncols=3, handlelength=1.6, columnspacing=1.4,
                labelcolor=LIGHT[INK], borderaxespad=0)  # fmt: skip


def _pretext(axes: Axes, result: SweepResult) -> None:
    """Draw the accuracy on held-out drawings, and what guessing reaches."""
    x = _places(result)[: len(result.rows)]
    chance, found = [100 * row.chance for row in result.rows], [100 * row.pretext for row in result.rows]
    axes.plot(x, chance, color=LIGHT[MUTED], linewidth=0.9, linestyle=(0, (4, 3)), label="chance")
    axes.plot(
        x, found, marker="D", color=LIGHT[INK], linewidth=1.6, markersize=5, label="pre-training's own task"
    )
    axes.set_title("Accuracy on held-out drawings", loc="left", fontsize=9.5, color=LIGHT[INK])
    axes.set_ylim(0, max([*chance, *found, 1]) * 1.25)
    percent_axis(axes)
    axes.legend(
        frameon=False, loc="upper right", ncols=2, handlelength=1.6, labelcolor=LIGHT[INK], borderaxespad=0
    )


def _value_axis(axes: Axes, result: SweepResult) -> None:
    """Name every point asked for, measured or not yet, so that the picture keeps its form while it fills."""
    points, places = result.config.points(), _places(result)
    names = [f"{int(point.x):,}" if point.x is not None else point.name for point in points]
    upright = sum(map(len, names)) + 2 * len(names) <= LONG_LABELS
    if points[0].x is not None:
        axes.set_xscale("log")
        reach = (max(places) / min(places)) ** 0.06 if len(places) > 1 else 2
        axes.set_xlim(min(places) / reach, max(places) * reach)
    else:
        axes.set_xlim(-0.4, len(places) - 0.6)
    axes.set_xticks([], minor=True)
    axes.set_xticks(
        places, names, rotation=0 if upright else 30, ha="center" if upright else "right", color=LIGHT[INK]
    )
    axes.set_xlabel(result.config.kind.axis)
