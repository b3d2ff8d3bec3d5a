"""What went on while runs were learning: lines over updates or passes, and bands over seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from fdsl.evaluate.figures.style import (
    INK,
    MUTED,
    PAPER,
    Look,
    Numbers,
    percent_axis,
    svg,
    thousands,
    title_of,
)

MOST_POINTS = 500
"""Points of a line at most: a figure of 340 pixels shows no more, and each takes room in the page."""
FEW_LINES = 2
"""Up to so many lines what was logged is drawn behind its mean."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One run's numbers on the way: float64[rows] each, of which what is no number is left out."""

    look: Look
    x: Numbers
    y: Numbers
    final: float | None = None
    """What was measured at the end in another way, a diamond."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Numbers on the way of one run over several seeds, rows alike: (x float64[rows], y float64[rows]) each."""

    look: Look
    seeds: Sequence[tuple[Numbers, Numbers]]
    label: str | None = None
    """Name in the figure's own legend."""


def smooth(values: Numbers, reach: int) -> Numbers:
    """Return the mean over up to `reach` neighbours either side, float64[rows]; the ends have fewer."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, end = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


def curves(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    x_label: str,
    percent: bool = False,
    chance: float | None = None,
    smoothed: bool = True,
) -> str:
    """Draw a number on the way against what was seen: the moving mean, and of few lines, faint, what was logged.

    Args:
        name: prefix of the ids inside the SVG, unlike any other figure's on the page.
        title: what is drawn, with its unit.
        lines: a run each; values in percent if `percent`.
        x_label: what is counted below.
        percent: the axis says percent, and begins at 0.
        chance: level reached by guessing, dashed.
        smoothed: draw a moving mean over a 25th of the rows either side, rather than what was logged.
    """

    def draw(axes: Axes) -> None:
        for line in lines:
            _draw_line(axes, line, smoothed=smoothed, faint=len(lines) <= FEW_LINES)
        if chance is not None:
            axes.axhline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          xytext=(0, 2), textcoords="offset points", color=MUTED)  # fmt: skip
        for line in lines:
            _draw_final(axes, line, alone=len(lines) == 1)
        title_of(axes, title)
        _count_axis(axes, x_label)
        axes.margins(y=0.12)
        if percent:
            percent_axis(axes)
            axes.set_ylim(bottom=0)

    return svg(name, title, draw)


def learning(
    bands: Sequence[Band], title: str, *, x_label: str, name: str = "learning", percent: bool = True
) -> str:
    """Draw a number on the way: the mean over seeds as a line, from lowest to highest as a band.

    Args:
        bands: a run each; values in percent if `percent`. Those with a label are in a legend.
        title: what is drawn, with its unit.
        x_label: what is counted below.
        name: prefix of the ids inside the SVG.
        percent: the axis says percent.
    """

    def draw(axes: Axes) -> None:
        for band in bands:
            x, heights = band.seeds[0][0], np.stack([y for _, y in band.seeds])
            color, mean = band.look.color, heights.mean(axis=0)
            axes.fill_between(
                x, heights.min(axis=0), heights.max(axis=0), color=color, alpha=0.18, linewidth=0
            )
            if len(x) > 1:
                axes.plot(x, mean, linestyle=band.look.dash, color=color, linewidth=1.8, label=band.label)
            else:  # a line of one point is none; nor is a band
                reach = [mean - heights.min(axis=0), heights.max(axis=0) - mean]
                axes.errorbar(x, mean, reach, fmt=band.look.marker, color=color, markersize=6,
                              elinewidth=1.4, label=band.label, clip_on=False)  # fmt: skip
        title_of(axes, title)
        _count_axis(axes, x_label)
        if any(band.label for band in bands):
            axes.legend(frameon=False, loc="lower right", handlelength=1.8, labelcolor=INK)
        if percent:
            percent_axis(axes)

    return svg(name, title, draw)


def _draw_line(axes: Axes, line: Line, *, smoothed: bool, faint: bool) -> None:
    known = np.isfinite(line.x) & np.isfinite(line.y)
    x, y = line.x[known], line.y[known]
    color, dash = line.look.color, line.look.dash
    if len(x) == 1:
        axes.plot(x, y, marker=line.look.marker, color=color, linestyle="none", clip_on=False)
        return
    mean = smooth(y, len(y) // 25) if smoothed else y
    every = slice(None, None, -(-len(x) // MOST_POINTS) or 1)
    if smoothed and faint:
        axes.plot(x[every], y[every], color=color, linewidth=0.9, alpha=0.35)
    axes.plot(x[every], mean[every], color=color, linewidth=2 if faint else 1.6, linestyle=dash)


def _draw_final(axes: Axes, line: Line, *, alone: bool) -> None:
    if line.final is None or not len(line.x):
        return
    color, edge = (INK, INK) if alone else (line.look.color, PAPER)
    axes.plot(line.x[-1:], [line.final], marker="D", markersize=7, color=color, markeredgecolor=edge,
              linestyle="none", clip_on=False)  # fmt: skip
    if alone:
        axes.annotate(f"held out {line.final:.1f}%", (line.x[-1], line.final), ha="right", va="bottom",
                      xytext=(-7, 3), textcoords="offset points", color=INK)  # fmt: skip


def _count_axis(axes: Axes, label: str) -> None:
    """Have the horizontal axis count from 0, in whole numbers."""
    axes.set_xlabel(label)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))
