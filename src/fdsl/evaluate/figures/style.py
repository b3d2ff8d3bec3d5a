"""What all figures have in common: Matplotlib SVG whose colours are CSS variables, to follow light and dark.

Matplotlib knows no CSS variables. Each ink is drawn in a stand-in colour found nowhere else, and replaced in
the finished SVG. Text stays text, in the font of the page.
"""

from __future__ import annotations

import html
import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Dash = str | tuple[int, tuple[float, ...]]
"""As Matplotlib has it: a name, or an offset and lengths of ink and gap in turn, in widths of the line."""

INK, MUTED, GRID, PRETRAINED, SCRATCH, PAPER = (f"#fd51{i:02x}" for i in range(1, 7))
SERIES = tuple(f"#fd52{i:02x}" for i in range(8))
"""Inks of runs side by side, in this order; runs.css has them, some after Okabe and Ito, of differing brightness."""
_VARIABLES = {
    INK: "var(--ink)",
    MUTED: "var(--muted)",
    GRID: "var(--line)",
    PRETRAINED: "var(--pretrained)",
    SCRATCH: "var(--scratch)",
    PAPER: "var(--card)",
    **{ink: f"var(--series-{i})" for i, ink in enumerate(SERIES)},
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
# The inks on a light page, as base.css has them.
LIGHT = {
    INK: "#1d2126",
    MUTED: "#626a73",
    GRID: "#e2e0da",
    PRETRAINED: "#0072b2",
    SCRATCH: "#c8560a",
    PAPER: "#ffffff",
}
# A figure is about as wide as a phone: text keeps its size there, and two stand side by side on a desk.
WIDTH, HEIGHT = 4.3, 2.75
NAMED_CLASSES = 25
"""Classes that are named at most."""
NAME_LETTERS = 14
"""Letters of a name in a figure."""
TITLE_SIZE = 9.5
SOLID: Dash = "-"
DASHES: tuple[Dash, ...] = (SOLID, (0, (4.5, 2)), (0, (6, 1.8, 1.2, 1.8)))
MARKERS = "os^Dvp*"


@dataclass(frozen=True, kw_only=True)
class Look:
    """How a figure tells one run, or one side of a comparison, from the others."""

    color: str
    """An ink of this module."""
    dash: Dash = SOLID
    marker: str = "o"
    number: int = 0
    """Place among the runs of the page."""

    @property
    def variable(self) -> str:
        """The ink as CSS has it."""
        return _VARIABLES[self.color]


def look(number: int) -> Look:
    """Return the look of run `number` of a page: 8 inks, 3 dashes and 7 markers in turn, all alike again after 168."""
    inks, dashes, markers = len(SERIES), len(DASHES), len(MARKERS)
    return Look(
        color=SERIES[number % inks],
        dash=DASHES[number % dashes],
        marker=MARKERS[number % markers],
        number=number,
    )


def light_style() -> dict[Any, Any]:
    """Return the style of the figures for a picture by itself, which knows no CSS: dark on light, `LIGHT` the inks."""
    return {
        setting: LIGHT.get(value, value) if isinstance(value, str) else value
        for setting, value in _STYLE.items()
    }


def svg(name: str, label: str, draw: Callable[[Axes], None], height: float = HEIGHT) -> str:
    """Draw one pair of axes, `height` inches high, and return inline SVG.

    Args:
        name: letters, digits and hyphens that keep its ids apart from other figures'.
        label: what is to be seen, for those who cannot.
        draw: draws it.
        height: of the figure, inches.
    """
    with mpl.rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
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
    head = f'<svg role="img" aria-label="{html.escape(label)}" class="figure" '
    return re.sub(r'<svg (?:width="[^"]*" |height="[^"]*" )?', lambda _: head, text, count=1)


def percent_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Have the vertical axis, or the horizontal one, say percent, at round values."""
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}%"))
    axis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))


def thousands(value: float, _: int = 0) -> str:
    """Return a tick of a long axis: 500, 20k, 1.5M."""
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def title_of(axes: Axes, title: str) -> None:
    """Set the title, which says what is drawn and in which unit, flush left."""
    axes.set_title(title, loc="left", fontsize=TITLE_SIZE, color=INK)


def shortened(name: str, letters: int = NAME_LETTERS) -> str:
    """Return a name of `letters` at most; a dollar sign, which begins a formula in Matplotlib, is escaped."""
    cut = name if len(name) <= letters else name[: letters - 1] + "…"
    return cut.replace("$", r"\$")
