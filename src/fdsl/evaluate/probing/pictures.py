"""The pictures of a probe: how sure both classifiers are and how right, and what they make of changed images."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from fdsl.evaluate.calibration import BINS
from fdsl.evaluate.figures import INK, LIGHT, MUTED, PAPER, PRETRAINED, SCRATCH, light_style, percent_axis
from fdsl.evaluate.probing.changes import CHANGES
from fdsl.evaluate.probing.result import CLASSIFIERS, ProbeResult
from fdsl.evaluate.probing.scores import Score, wilson
from fdsl.evaluate.sheet import grid
from fdsl.files import write_bytes

DOTS_PER_INCH = 160
COLOURS = {"linear": LIGHT[PRETRAINED], "knn": LIGHT[SCRATCH]}
EXAMPLES, EXAMPLE_COLUMNS = 6, 3
"""Test images that are pictured in each version at most, and how many of them beside each other."""
EXAMPLE_PIXELS = 160
"""Side of a pictured image at least: small ones are drawn larger, pixel by pixel."""
TITLES = {
    "plain": "as they are",
    "edges": "edges alone",
    "blurred": "blurred",
    "shuffled": "patches shuffled",
}


def picture_calibration(result: ProbeResult, path: Path) -> None:
    """Draw the reliability diagrams of both classifiers, the number of answers in each bin below, as a PNG."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots(2, 2, sharex=True, height_ratios=(3, 1))
        for column, (name, score) in enumerate(result.scores.items()):
            _reliability(axes[0, column], name, score, len(result.seeds))
            _counts(axes[1, column], name, score)
        axes[0, 0].set_ylabel("right, with 95% intervals")
        axes[1, 0].set_ylabel("answers")

    _save(path, (7.2, 5.0), draw)


def picture_shape(result: ProbeResult, examples: NDArray[np.uint8], path: Path) -> None:
    """Draw test images in every version, and below each version what both classifiers get right, as a PNG.

    Args:
        result: of the probe.
        examples: uint8 [V, E, S, S, 3], E images in the V versions of `CHANGES`.
        path: of the picture.
    """

    def draw(figure: Figure) -> None:
        places = figure.add_gridspec(2, len(CHANGES), height_ratios=(1, 1.6))
        for column, (version, images) in enumerate(zip(CHANGES, examples, strict=True)):
            axes = figure.add_subplot(places[0, column])
            axes.imshow(_mosaic(images), interpolation="nearest")
            axes.set_axis_off()
            axes.set_title(TITLES[version], fontsize=10, color=LIGHT[INK])
        _bars(figure.add_subplot(places[1, :]), result)

    _save(path, (8.4, 5.2), draw)


def _save(path: Path, inches: tuple[float, float], draw: Callable[[Figure], None]) -> None:
    with mpl.rc_context(light_style()):
        figure = Figure(figsize=inches, layout="constrained")
        figure.patch.set_facecolor(LIGHT[PAPER])
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    write_bytes(path, buffer.getvalue())


def _reliability(axes: Axes, name: str, score: Score, seeds: int) -> None:
    """Draw how often answers are right by how sure they are; the diagonal is where both agree."""
    bins = score.reliability
    heights = [0.0 if share is None else 100 * share for share in bins.accuracy]
    middles = (np.arange(BINS) + 0.5) / BINS
    axes.bar(middles, heights, 0.92 / BINS, color=COLOURS[name], alpha=0.85)
    axes.plot([0, 1], [0, 100], color=LIGHT[MUTED], linewidth=1.1, linestyle=(0, (4, 3)),
              label="right as often as sure")  # fmt: skip
    for sure, right, count in zip(bins.confidence, bins.accuracy, bins.count, strict=True):
        if sure is not None and right is not None:
            low, top = wilson(right, count / seeds)  # seeds answer to the same images
            error = [[100 * (right - low)], [100 * (top - right)]]
            axes.errorbar(sure, 100 * right, error, fmt="o", color=LIGHT[INK], markersize=3.5, elinewidth=0.9)
    axes.set_title(
        f"{CLASSIFIERS[name]}: calibration error {100 * score.calibration_error:.1f}%",
        loc="left",
        fontsize=9.5,
        color=LIGHT[INK],
    )
    axes.legend(loc="upper left", facecolor=LIGHT[PAPER], edgecolor="none", framealpha=0.85,
                labelcolor=LIGHT[INK])  # fmt: skip
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 100)
    percent_axis(axes)


def _counts(axes: Axes, name: str, score: Score) -> None:
    middles = (np.arange(BINS) + 0.5) / BINS
    axes.bar(middles, score.reliability.count, 0.92 / BINS, color=COLOURS[name], alpha=0.45)
    axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("confidence" if name == "linear" else "confidence (share of the votes)")


def _mosaic(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Lay E images out in rows, each larger by a whole factor if it is small."""
    columns = min(EXAMPLE_COLUMNS, len(images))
    rows = len(images) // columns
    factor = max(1, EXAMPLE_PIXELS // images.shape[1])
    larger = images[: rows * columns].repeat(factor, axis=1).repeat(factor, axis=2)
    return np.asarray(grid(larger.reshape(rows, columns, *larger.shape[1:])))


def _bars(axes: Axes, result: ProbeResult) -> None:
    """Draw a bar a classifier for each version, with its interval."""
    width, high = 0.3, 0.0
    for shift, name in ((-0.17, "linear"), (0.17, "knn")):
        for place, version in enumerate(CHANGES):
            accuracy = 100 * result.robustness[version][name]
            low, top = (100 * end for end in result.robustness_interval[version][name])
            axes.bar(place + shift, accuracy, width, color=COLOURS[name], alpha=0.85,
                     label=CLASSIFIERS[name] if place == 0 else None)  # fmt: skip
            error = [[accuracy - low], [top - accuracy]]
            axes.errorbar(place + shift, accuracy, error, color=LIGHT[INK], elinewidth=1.1, capsize=3)
            axes.annotate(f"{accuracy:.1f}", (place + shift, top), (0, 3), textcoords="offset points",
                          ha="center", color=LIGHT[INK])  # fmt: skip
            high = max(high, top)
    axes.axhline(100 * result.chance, color=LIGHT[MUTED], linewidth=1.1, linestyle=(0, (4, 3)))
    axes.annotate("chance", (0.5, 100 * result.chance), (0, 3), textcoords="offset points", ha="center",
                  color=LIGHT[MUTED])  # fmt: skip
    bias = "none above chance" if result.shape_bias is None else f"{result.shape_bias:.2f}"
    axes.set_title(
        f"right of {result.test_images:,} test images, with 95% intervals; shape bias {bias}",
        loc="left",
        fontsize=9.5,
        color=LIGHT[INK],
    )
    axes.set_xlim(-0.5, len(CHANGES) - 0.5)
    axes.set_ylim(0, 1.18 * max(high, 100 * result.chance))
    axes.set_xticks(range(len(CHANGES)), list(TITLES.values()))
    axes.legend(frameon=False, loc="upper right", ncols=2, handlelength=1.2, labelcolor=LIGHT[INK])
    percent_axis(axes)
