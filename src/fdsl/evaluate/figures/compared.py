"""What runs came to, side by side: pairs of seeds, learning rates, classes, and how far their confidence holds."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes

from fdsl.evaluate.compare import Comparison
from fdsl.evaluate.figures.style import (
    HEIGHT,
    INK,
    MUTED,
    NAMED_CLASSES,
    PAPER,
    PRETRAINED,
    SCRATCH,
    Look,
    Numbers,
    percent_axis,
    shortened,
    svg,
    title_of,
)

CLASS_LETTERS = 52
"""Letters that fit below a figure side by side."""
ROW_LETTERS = 22
"""Letters of a name beside a row of dots."""
ROW_HEIGHT, ROWS_MARGIN = 0.26, 0.75
"""Inches."""


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of several runs compared; `label` is its name in the figure's own legend, None for none."""

    look: Look
    values: Mapping[str, float]
    """In percent, by name."""
    label: str | None = None


def paired_dots(
    comparison: Comparison,
    title: str,
    *,
    name: str = "paired",
    labels: tuple[str, str] = ("from scratch", "pre-trained on formulas"),
) -> str:
    """Draw each seed's two accuracies, joined, and beside them each side's mean and standard deviation."""
    arms = (
        (0.0, -0.22, "right", comparison.best_scratch, SCRATCH, "s"),
        (1.0, 0.22, "left", comparison.best_pretrained, PRETRAINED, "o"),
    )

    def draw(axes: Axes) -> None:
        for pair in zip(
            comparison.best_scratch.accuracies, comparison.best_pretrained.accuracies, strict=True
        ):
            axes.plot([0, 1], pair, color=MUTED, linewidth=1, alpha=0.7, zorder=1)
        for x, aside, side, cell, color, marker in arms:
            axes.plot([x] * len(cell.accuracies), cell.accuracies, marker, color=color, markersize=7.5,
                      markeredgecolor=PAPER, markeredgewidth=1.2, zorder=3)  # fmt: skip
            axes.errorbar(x + aside, cell.mean, cell.deviation, color=color, fmt="_", markersize=15,
                          markeredgewidth=2.4, elinewidth=1.4, capsize=4, zorder=2)  # fmt: skip
            axes.annotate(f"{cell.mean:.1f}%", (x + aside, cell.mean), ha=side, va="center", fontsize=10,
                          xytext=(60 * aside, 0), textcoords="offset points", color=INK)  # fmt: skip
        title_of(axes, title)
        axes.set_xticks([0, 1], [shortened(label, CLASS_LETTERS // 2) for label in labels])
        axes.tick_params(axis="x", length=0, labelsize=9.5, labelcolor=INK)
        axes.set_xlim(-0.75, 1.75)
        axes.margins(y=0.15)
        percent_axis(axes)

    return svg(name, title, draw)


def rates(
    comparison: Comparison,
    title: str,
    *,
    name: str = "rates",
    labels: tuple[str, str] = ("from scratch", "pre-trained"),
) -> str:
    """Draw every trial against its learning rate, means joined, the rate each side is judged by ringed."""
    arms = (
        (comparison.scratch, comparison.best_scratch, SCRATCH, "s", labels[0], 0.97),
        (comparison.pretrained, comparison.best_pretrained, PRETRAINED, "o", labels[1], 1.03),
    )

    def draw(axes: Axes) -> None:
        for cells, best, color, marker, label, shift in arms:
            # The two arms stand a little apart, so that dots of equal height stay visible.
            for cell in cells:
                axes.plot([cell.lr * shift] * len(cell.accuracies), cell.accuracies, marker, color=color,
                          markersize=4.5, alpha=0.6, markeredgewidth=0)  # fmt: skip
            means = [cell.mean for cell in cells]
            axes.plot([cell.lr * shift for cell in cells], means, color=color, linewidth=1.8,
                      label=shortened(label, ROW_LETTERS))  # fmt: skip
            axes.plot([best.lr * shift], [best.mean], "o", markersize=13, markerfacecolor="none",
                      markeredgecolor=INK, markeredgewidth=1.3)  # fmt: skip
        title_of(axes, title)
        axes.set_xscale("log")
        ticks = [cell.lr for cell in comparison.scratch]
        axes.set_xticks(ticks, [f"{lr:g}" for lr in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("peak learning rate")
        axes.margins(x=0.12, y=0.15)
        axes.legend(frameon=False, loc="best", handlelength=1.4, labelcolor=INK)
        percent_axis(axes)

    return svg(name, title, draw)


def dots(rows: Sequence[tuple[str, Look, Sequence[float]]], title: str, *, name: str) -> str:
    """Draw a row a run: a dot a seed, and mean and standard deviation of several.

    Args:
        rows: (name, look, percents), from the top.
        title: what is drawn.
        name: prefix of the ids inside the SVG.
    """
    height = max(HEIGHT / 2, ROWS_MARGIN + ROW_HEIGHT * len(rows))

    def draw(axes: Axes) -> None:
        for y, (_, look, values) in enumerate(rows):
            axes.plot(values, [y] * len(values), look.marker, color=look.color, markersize=6, alpha=0.75,
                      markeredgecolor=PAPER, markeredgewidth=0.8, clip_on=False)  # fmt: skip
            if len(values) > 1:
                axes.errorbar(statistics.fmean(values), y, xerr=statistics.stdev(values), color=INK, fmt="|",
                              markersize=13, elinewidth=1, capsize=3, zorder=3)  # fmt: skip
        title_of(axes, title)
        axes.set_yticks(range(len(rows)), [shortened(row[0], ROW_LETTERS) for row in rows])
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.grid(visible=True, axis="x")
        axes.margins(x=0.1)
        percent_axis(axes, "x")

    return svg(name, title, draw, height)


def by_class(sides: Sequence[Side], title: str, *, name: str = "classes") -> str:
    """Draw every side's accuracy of each class, by name, joined; many classes go unnamed, by gain.

    Args:
        sides: of the same classes; the gain is the last one's over the first.
        title: what is drawn.
        name: prefix of the ids inside the SVG.
    """
    names = list(sides[0].values)
    few = len(names) <= NAMED_CLASSES
    if not few:
        first, last = sides[0].values, sides[-1].values
        key = (lambda one: last[one] - first[one]) if len(sides) == 2 else (lambda one: first[one])
        names.sort(key=key)
    x = np.arange(len(names))
    heights = np.array([[side.values[one] for one in names] for side in sides])

    def draw(axes: Axes) -> None:
        axes.vlines(x, heights.min(axis=0), heights.max(axis=0), color=MUTED, linewidth=1.2, alpha=0.7,
                    zorder=1)  # fmt: skip
        for side, height in zip(sides, heights, strict=True):
            axes.plot(x, height, side.look.marker, color=side.look.color, markersize=6.5 if few else 3,
                      label=side.label, markeredgecolor=PAPER, markeredgewidth=1 if few else 0)  # fmt: skip
        title_of(axes, title)
        _class_axis(axes, names, few, "gain" if len(sides) == 2 else "accuracy")
        axes.margins(x=0.05, y=0.08)
        percent_axis(axes)
        if any(side.label for side in sides):
            _legend_strip(axes)

    return svg(name, title, draw)


def calibration(sides: Sequence[tuple[Look, Numbers, Numbers]], title: str, *, name: str) -> str:
    """Draw how often each run was right against how sure it was; on the diagonal the two agree.

    Args:
        sides: (look, mean confidence float64[bins], accuracy float64[bins]), percent, of bins that hold images.
        title: what is drawn.
        name: prefix of the ids inside the SVG.
    """

    def draw(axes: Axes) -> None:
        axes.plot([0, 100], [0, 100], color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
        for look, confidence, accuracy in sides:
            axes.plot(confidence, accuracy, color=look.color, linestyle=look.dash, linewidth=1.5,
                      marker=look.marker, markersize=4.5, markeredgewidth=0)  # fmt: skip
        title_of(axes, title)
        axes.set_xlabel("confidence in the answer")
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        percent_axis(axes)
        percent_axis(axes, "x")

    return svg(name, title, draw)


def _class_axis(axes: Axes, names: Sequence[str], few: bool, order: str) -> None:
    if not few:
        axes.set_xticks([])
        axes.set_xlabel(f"{len(names)} classes in the order of their {order}")
        return
    texts = [shortened(name) for name in names]
    upright = sum(map(len, texts)) + len(texts) <= CLASS_LETTERS
    axes.set_xticks(
        range(len(names)), texts, rotation=0 if upright else 45, ha="center" if upright else "right"
    )
    axes.set_xlabel("class")


def _legend_strip(axes: Axes) -> None:
    """Give the names of the colours a strip of their own on top: dots lie everywhere below it."""
    low, high = axes.get_ylim()
    axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= min(high, 100)])
    axes.set_ylim(low, high + 0.14 * (high - low))
    axes.legend(frameon=False, loc="upper right", ncols=2, handlelength=1, labelcolor=INK, borderaxespad=0)
