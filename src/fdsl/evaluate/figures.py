"""Figures of the report: Matplotlib SVG whose colours are CSS variables, so that they follow light and dark.

Matplotlib knows no CSS variables. Each ink is drawn in a stand-in colour found nowhere else, and replaced in
the finished SVG. Text stays text, in the font of the page.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fdsl.evaluate.compare import Comparison

Numbers = NDArray[np.float64]

INK, MUTED, GRID, PRETRAINED, SCRATCH, PAPER = (f"#fd51{i:02x}" for i in range(1, 7))
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    PRETRAINED: "var(--pretrained)",
    SCRATCH: "var(--scratch)",
    PAPER: "var(--card)",
}
# Matplotlib types the keys as a Literal of all its settings, which a plain dict of strings is not.
_STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "ytick.major.size": 0,
    "xtick.major.width": 0.7,
    "lines.solid_capstyle": "round",
}
# The inks on a light page, as report.css has them.
LIGHT = {
    INK: "#1d2126",
    MUTED: "#626a73",
    GRID: "#e2e0da",
    PRETRAINED: "#0072b2",
    SCRATCH: "#c8560a",
    PAPER: "#ffffff",
}
# A figure is about as wide as a phone: text keeps its size there, and two stand side by side on a desk.
_WIDTH, _HEIGHT = 4.3, 2.75
NAMED_CLASSES, NAME_LETTERS = 25, 14
"""Classes that are named at most, and letters of a name."""
CLASS_LETTERS = 52
"""Letters that fit below a figure side by side."""


def light_style() -> dict[Any, Any]:
    """Return the style of the figures for a picture by itself, which knows no CSS: dark on light, `LIGHT` the inks."""
    return {
        setting: LIGHT.get(value, value) if isinstance(value, str) else value
        for setting, value in _STYLE.items()
    }


def _svg(name: str, label: str, draw: Callable[[Axes], None]) -> str:
    """Draw one pair of axes and return inline SVG; `name` keeps its ids apart from other figures'."""
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        draw(axes)
        buffer = io.StringIO()
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        with warnings.catch_warnings():
            # Names in any script: the font of the page shows them, Matplotlib's own only measures.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(buffer, format="svg", metadata=metadata)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, count=1, flags=re.DOTALL)
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    # The font of the page serves: Matplotlib's own goes, its size stays (in either of the forms it comes in).
    text = re.sub(r"font-family: [^;\"]*;? ?", "", text)
    text = re.sub(r"font: [^;\"]*?([\d.]+px)[^;\"]*", r"font-size: \1", text)
    for stand_in, variable in _VARIABLES.items():
        text = text.replace(stand_in, variable)
    head = f'<svg role="img" aria-label="{label}" class="figure" '
    return re.sub(r'<svg (?:width="[^"]*" |height="[^"]*" )?', head, text, count=1)


def percent_axis(axes: Axes) -> None:
    """Have the vertical axis say percent, at round values."""
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axes.yaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def _thousands(value: float, _: int) -> str:
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def smooth(values: Numbers, reach: int) -> Numbers:
    """Return the mean over up to `reach` neighbours either side, float64[rows]; the ends have fewer."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, end = np.maximum(index - reach, 0), np.minimum(index + reach + 1, len(values))
    return (sums[end] - sums[first]) / (end - first)


def curve(
    name: str,
    title: str,
    samples: Numbers,
    values: Numbers,
    *,
    percent: bool = False,
    chance: float | None = None,
    final: float | None = None,
) -> str:
    """Draw a pretext curve against samples seen: as logged (faint), and its moving mean.

    Args:
        name: prefix of the ids inside the SVG, unlike any other figure's on the page.
        title: what is drawn, with its unit.
        samples: float64[rows]; values: float64[rows], in percent if `percent`.
        chance: level reached by guessing, dashed.
        final: value on held-out instances at the end, a diamond.
    """

    def draw(axes: Axes) -> None:
        axes.plot(samples, values, color=PRETRAINED, linewidth=0.9, alpha=0.35)
        axes.plot(samples, smooth(values, len(values) // 25), color=PRETRAINED, linewidth=2)
        if chance is not None:
            axes.axhline(chance, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
            axes.annotate("chance", (1, chance), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                          xytext=(0, 2), textcoords="offset points", color=MUTED)  # fmt: skip
        if final is not None:
            axes.plot(
                samples[-1:], [final], marker="D", markersize=7, color=INK, linestyle="none", clip_on=False
            )
            axes.annotate(f"held out {final:.1f}%", (samples[-1], final), ha="right", va="bottom",
                          xytext=(-7, 3), textcoords="offset points", color=INK)  # fmt: skip
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        axes.set_xlabel("samples seen")
        axes.set_xlim(left=0)
        axes.margins(y=0.12)
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
        if percent:
            percent_axis(axes)
            axes.set_ylim(bottom=0)

    return _svg(name, title, draw)


def paired_dots(comparison: Comparison, title: str) -> str:
    """Draw each seed's two accuracies, joined, and beside them each arm's mean and standard deviation."""
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
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        axes.set_xticks([0, 1], ["from scratch", "pre-trained on formulas"])
        axes.tick_params(axis="x", length=0, labelsize=9.5, labelcolor=INK)
        axes.set_xlim(-0.75, 1.75)
        axes.margins(y=0.15)
        percent_axis(axes)

    return _svg("paired", title, draw)


def rates(comparison: Comparison, title: str) -> str:
    """Draw every trial against its learning rate, means joined, the rate each arm is judged by ringed."""
    arms = (
        (comparison.scratch, comparison.best_scratch, SCRATCH, "s", "from scratch", 0.97),
        (comparison.pretrained, comparison.best_pretrained, PRETRAINED, "o", "pre-trained", 1.03),
    )

    def draw(axes: Axes) -> None:
        for cells, best, color, marker, label, shift in arms:
            # The two arms stand a little apart, so that dots of equal height stay visible.
            for cell in cells:
                axes.plot([cell.lr * shift] * len(cell.accuracies), cell.accuracies, marker, color=color,
                          markersize=4.5, alpha=0.6, markeredgewidth=0)  # fmt: skip
            means = [cell.mean for cell in cells]
            axes.plot([cell.lr * shift for cell in cells], means, color=color, linewidth=1.8, label=label)
            axes.plot([best.lr * shift], [best.mean], "o", markersize=13, markerfacecolor="none",
                      markeredgecolor=INK, markeredgewidth=1.3)  # fmt: skip
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        axes.set_xscale("log")
        ticks = [cell.lr for cell in comparison.scratch]
        axes.set_xticks(ticks, [f"{lr:g}" for lr in ticks])
        axes.set_xticks([], minor=True)
        axes.set_xlabel("peak learning rate")
        axes.margins(x=0.12, y=0.15)
        axes.legend(frameon=False, loc="best", handlelength=1.4, labelcolor=INK)
        percent_axis(axes)

    return _svg("rates", title, draw)


def by_class(scratch: Mapping[str, float], pretrained: Mapping[str, float], title: str) -> str:
    """Draw both arms' accuracy of each class, in percent by name, joined; many classes go unnamed, by gain."""
    names = list(scratch)
    few = len(names) <= NAMED_CLASSES
    if not few:
        names.sort(key=lambda name: pretrained[name] - scratch[name])
    x = np.arange(len(names))
    below, above = (np.array([arm[name] for name in names]) for arm in (scratch, pretrained))

    def draw(axes: Axes) -> None:
        axes.vlines(x, below, above, color=MUTED, linewidth=1.2, alpha=0.7, zorder=1)
        looks = ((below, SCRATCH, "s", "from scratch"), (above, PRETRAINED, "o", "pre-trained"))
        for height, color, marker, label in looks:
            axes.plot(x, height, marker, color=color, markersize=6.5 if few else 3, label=label,
                      markeredgecolor=PAPER, markeredgewidth=1 if few else 0)  # fmt: skip
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        if few:
            # A dollar sign would begin a formula.
            texts = [_shortened(name).replace("$", r"\$") for name in names]
            upright = sum(map(len, texts)) + len(texts) <= CLASS_LETTERS
            axes.set_xticks(x, texts, rotation=0 if upright else 45, ha="center" if upright else "right")
            axes.set_xlabel("class")
        else:
            axes.set_xticks([])
            axes.set_xlabel(f"{len(names)} classes in the order of their gain")
        axes.margins(x=0.05, y=0.08)
        percent_axis(axes)
        # The names of the colours get a strip of their own on top: dots lie everywhere below it.
        low, high = axes.get_ylim()
        axes.set_yticks([tick for tick in axes.get_yticks() if low <= tick <= min(high, 100)])
        axes.set_ylim(low, high + 0.14 * (high - low))
        axes.legend(
            frameon=False, loc="upper right", ncols=2, handlelength=1, labelcolor=INK, borderaxespad=0
        )

    return _svg("classes", title, draw)


def _shortened(name: str) -> str:
    return name if len(name) <= NAME_LETTERS else name[: NAME_LETTERS - 1] + "…"


def learning(
    arms: Sequence[tuple[str, Sequence[tuple[Numbers, Numbers]]]], title: str, *, x_label: str
) -> str:
    """Draw the accuracy on the way: the mean over seeds as a line, from lowest to highest as a band.

    Args:
        arms: ("scratch" | "pretrained", one (x float64[rows], percent float64[rows]) a seed, rows alike).
    """
    looks = {"scratch": (SCRATCH, "from scratch", "--"), "pretrained": (PRETRAINED, "pre-trained", "-")}

    def draw(axes: Axes) -> None:
        for arm, seeds in arms:
            color, label, dash = looks[arm]
            x = seeds[0][0]
            heights = np.stack([y for _, y in seeds])
            axes.fill_between(
                x, heights.min(axis=0), heights.max(axis=0), color=color, alpha=0.18, linewidth=0
            )
            axes.plot(x, heights.mean(axis=0), dash, color=color, linewidth=1.8, label=label)
        axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        axes.set_xlabel(x_label)
        axes.set_xlim(left=0)
        axes.legend(frameon=False, loc="lower right", handlelength=1.8, labelcolor=INK)
        percent_axis(axes)

    return _svg("learning", title, draw)
