"""A picture of what a classifier takes for what."""

from __future__ import annotations

import csv
import io
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from fdsl.errors import DataError
from fdsl.evaluate.figures import GRID, INK, LIGHT, NAMED_CLASSES, PAPER, PRETRAINED, light_style, shortened
from fdsl.files import write_bytes

PICTURE_FILE = "confusion.png"
WRITTEN_CLASSES = 15
"""Classes at most whose shares are written into their cells."""
TICKS, LETTERS = 10, 24

Counts = NDArray[np.int64]


def picture_confusion(table: Path, picture: Path) -> None:
    """Draw the counts that a fine-tuning wrote to `table` (confusion.csv) as a PNG.

    Raises:
        DataError: the table is missing or damaged.
    """
    write_bytes(picture, confusion_png(*read_confusion(table)))


def confusion_png(names: list[str], counts: Counts) -> bytes:
    """Return the picture of how many images of class i were taken for class j, int64 [C, C], as a PNG.

    A row is a true class; a cell is the share of its images that were taken for the class of the column.
    """
    inches = 3.2 + 0.3 * min(len(names), NAMED_CLASSES)
    buffer = io.BytesIO()
    with mpl.rc_context({**light_style(), "axes.grid": False}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure = Figure(figsize=(inches + 0.8, inches), dpi=150, layout="constrained", facecolor="white")
        _draw(figure, figure.add_subplot(), names, counts)
        figure.savefig(buffer, format="png")
    return buffer.getvalue()


def read_confusion(table: Path) -> tuple[list[str], Counts]:
    """Return the names of the classes, and how many images of class i were taken for class j, int64 [C, C].

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        with table.open(newline="", encoding="utf-8") as file:
            (_, *names), *rows = csv.reader(file)
        counts = np.array([[int(cell) for cell in row[1:]] for row in rows], np.int64)
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{table} must hold counts of classes, but cannot be read: {error}") from error
    if counts.shape != (len(names), len(names)):
        raise DataError(f"{table} must have as many rows as columns, got {len(rows)} and {len(names)}")
    return names, counts


def _draw(figure: Figure, axes: Axes, names: list[str], counts: Counts) -> None:
    seen = counts.sum(axis=1, keepdims=True)
    # a class without test images has no shares: its row is gray
    percent = np.where(seen > 0, 100 * counts / np.maximum(seen, 1), np.nan)
    blues = LinearSegmentedColormap.from_list("share", [LIGHT[PAPER], LIGHT[PRETRAINED], "#002b45"])
    colours = blues.with_extremes(bad=LIGHT[GRID])
    image = axes.imshow(percent, cmap=colours, vmin=0, vmax=100, interpolation="nearest")
    right = counts.trace() / max(1, counts.sum())
    axes.set_title(f"{right:.1%} of {counts.sum():,} test images right", loc="left", color=LIGHT[INK])
    axes.set_xlabel("taken for")
    axes.set_ylabel("true class")
    if len(names) <= NAMED_CLASSES:
        short = [shortened(name, LETTERS) for name in names]
        axes.set_xticks(range(len(names)), short, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), short)
    else:
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(TICKS, integer=True))
        axes.set_xlabel(f"taken for (number of the class, of {len(names):,})")
    if len(names) <= WRITTEN_CLASSES:
        for (row, column), share in np.ndenumerate(percent):
            if share >= 0.5:  # smaller ones would read 0
                ink = "white" if share > 45 else LIGHT[INK]
                axes.text(column, row, f"{share:.0f}", ha="center", va="center", color=ink, fontsize=8)
    for side in axes.spines.values():
        side.set_visible(True)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, aspect=28)
    bar.set_label("percent of the images of the class")
    bar.outline.set_linewidth(0.7)
