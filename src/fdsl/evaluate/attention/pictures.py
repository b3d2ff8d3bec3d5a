"""Pictures of attention: maps of several models over the same images, and every head of one model."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure, FigureBase
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from PIL import Image

from fdsl.evaluate.attention.contours import spread
from fdsl.evaluate.attention.measures import Measures, Spread
from fdsl.evaluate.attention.result import ModelAttention
from fdsl.evaluate.figures import GRID, INK, LIGHT, MUTED, light_style, shortened
from fdsl.evaluate.gray import LUMA
from fdsl.files import atomic_path

COLOURS = "inferno"
"""Perceptually uniform, dark to light."""
OVER = 0.65
"""How much of an overlay is the map; the rest is the image."""
LEAST_SIDE = 256
"""Pixels of an image in a picture, at least: a small one is enlarged without smoothing."""
LEAST_CONTRAST = 0.1
DPI = 130
WRITTEN_HEADS = 200
"""Heads at most whose lift is written beside them."""
LETTERS, LONGEST = 24, 60
"""Of a model's name at most: over a column, and over a picture of its own."""

Numbers = NDArray[np.float64]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A set of images as they are pictured, N of them, and what M models make of them."""

    kind: str
    """rendered or real."""
    marked: str
    """contours or edges."""
    pixels: Pixels
    """[N, S, S] or [N, S, S, 3]."""
    marks: NDArray[np.bool_]
    """[N, P, P]."""
    area: Spread
    """Part of an image that is marked, over all that are measured."""
    maps: Sequence[Numbers]
    """Of each model, [N, g, g]; NaN where there is none."""
    heads: Sequence[Numbers | None]
    """Of each model, those of the first image, [blocks, heads, g, g]."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A model in the picture of maps."""

    name: str
    rendered: Measures
    real: Measures | None


def picture_maps(path: Path, columns: Sequence[Column], sets: Sequence[Shown], method: str) -> None:
    """Draw a row an image: the image, its contours or edges, and the map of each model over it.

    A colour is attention in multiples of an even spread; it has one scale a row, from the lowest to the highest in it.
    """
    rows = sum(len(shown.pixels) for shown in sets)
    wide, high = 1.65 * (2 + len(columns)) + 1.0, 1.62 * rows + 0.7 + 0.62 * len(sets)
    with _light():
        layout = ConstrainedLayoutEngine(w_pad=0.03, h_pad=0.03, hspace=0.01, wspace=0.01)
        figure = Figure(figsize=(wide, high), dpi=DPI, layout=layout, facecolor="white")
        figure.suptitle(_heading(method), x=0.01, ha="left", fontsize=8.5, color=LIGHT[MUTED])
        ratios = [1.62 * len(shown.pixels) + 0.62 for shown in sets]
        parts: Any = figure.subfigures(len(sets), 1, height_ratios=ratios, squeeze=False)
        for part, shown in zip(parts[:, 0], sets, strict=True):
            axes = part.subplots(len(shown.pixels), 2 + len(columns), squeeze=False)
            _titles(axes[0], columns, shown)
            for number, row in enumerate(axes):
                _row(part, row, shown, number)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def _heading(method: str) -> str:
    what = "Attention rollout" if method == "rollout" else "Grad-CAM of the likeliest class"
    return (
        f"{what}. Colour: multiples of an even spread, a scale a row.\n"
        "lift: attention on the marks over their area, image by image (1 is chance); elsewhere: on another's marks"
    )


def _titles(row: Sequence[Axes], columns: Sequence[Column], shown: Shown) -> None:
    area = "" if shown.area.mean is None else f"{shown.area.mean:.1%} of the image"
    known = "drawn by the formula" if shown.kind == "rendered" else "steepest pixels"
    texts = [(f"{shown.kind} image", ""), (shown.marked, f"{known}\n{area}")]
    for column in columns:
        measures = column.rendered if shown.kind == "rendered" else column.real
        texts.append((column.name, "" if measures is None else _line(measures)))
    for axes, (name, below) in zip(row, texts, strict=True):
        axes.set_title(below, fontsize=8, color=LIGHT[MUTED], pad=3, linespacing=1.25)
        axes.annotate(shortened(name, LETTERS), (0.5, 1), (0, 26), xycoords="axes fraction", textcoords="offset points",
                      ha="center", va="bottom", fontsize=9.5, color=LIGHT[INK], annotation_clip=False)  # fmt: skip


def _line(measures: Measures) -> str:
    share = "none" if measures.share.mean is None else f"{measures.share.mean:.1%}"
    return f"share {share}, lift {_number(measures.lift)}\nelsewhere {_number(measures.control)}"


def _number(value: Spread) -> str:
    if value.mean is None:
        return "none"
    return f"{value.mean:.2f}" + ("" if value.deviation is None else f" ± {value.deviation:.2f}")


def _row(figure: FigureBase, row: Sequence[Axes], shown: Shown, number: int) -> None:
    pixels = shown.pixels[number]
    _show(row[0], _enlarged(pixels))
    _show(row[1], _marks(shown.marks[number]))
    cells = [maps[number] * maps[number].size for maps in shown.maps]  # multiples of an even spread
    scale = scale_of([one for one in cells if np.isfinite(one).all()])
    for axes, one in zip(row[2:], cells, strict=True):
        if np.isfinite(one).all():
            _show(axes, overlay(pixels, one, scale))
        else:
            _show(axes, _enlarged(pixels))
            axes.set_xlabel("no map", fontsize=8, color=LIGHT[MUTED])
    colours = ScalarMappable(Normalize(*scale), COLOURS)
    bar = figure.colorbar(colours, ax=list(row), aspect=14, fraction=0.03, pad=0.012)
    bar.set_ticks(scale, labels=[f"{end:.2g}x" for end in scale])
    bar.ax.tick_params(labelsize=8, length=0)
    bar.outline.set_visible(False)


def scale_of(cells: Sequence[Numbers]) -> tuple[float, float]:
    """Return the lowest and the highest of some maps, in multiples of an even spread, at least 10% off it either way.

    Without that, rounding would look like attention where there is next to none.
    """
    low = min((float(one.min()) for one in cells), default=1.0)
    high = max((float(one.max()) for one in cells), default=1.0)
    return min(low, 1 - LEAST_CONTRAST), max(high, 1 + LEAST_CONTRAST)


def overlay(pixels: Pixels, cells: Numbers, scale: tuple[float, float]) -> Pixels:
    """Return a map over its image, uint8 [S, S, 3], each at least 256 pixels.

    Args:
        pixels: uint8 [S, S] or [S, S, 3].
        cells: float64 [g, g]; every cell covers its part of the image evenly.
        scale: what the first and the last of the colours stand for.
    """
    image = _enlarged(pixels).astype(np.float64)
    side, grid = len(image), len(cells)
    even = spread(cells, side) * (side / grid) ** 2  # back from mass to height
    colour = mpl.colormaps[COLOURS](Normalize(*scale)(even))[..., :3] * 255
    gray = image @ LUMA
    mixed = OVER * colour + (1 - OVER) * gray[..., None]
    return np.round(mixed).clip(0, 255).astype(np.uint8)


def _enlarged(pixels: Pixels) -> Pixels:
    """Return an image as RGB, every pixel repeated until it is 256 pixels wide."""
    rgb = np.repeat(pixels[..., None], 3, axis=2) if pixels.ndim == 2 else pixels
    times = -(-LEAST_SIDE // len(rgb))
    return rgb.repeat(times, axis=0).repeat(times, axis=1)


def _marks(marks: NDArray[np.bool_]) -> Pixels:
    """Return marked pixels dark on light, averaged to at most 256 pixels so that thin lines stay."""
    ink = np.where(marks, 0, 255).astype(np.uint8)
    side = min(len(ink), LEAST_SIDE)
    return _enlarged(np.asarray(Image.fromarray(ink).resize((side, side), Image.Resampling.BOX)))


def _show(axes: Axes, pixels: Pixels) -> None:
    axes.imshow(pixels, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color(LIGHT[GRID])


def picture_heads(path: Path, model: ModelAttention, sets: Sequence[Shown], number: int) -> None:
    """Draw the map of every head, a row a block, of one image of each set; each map has a scale of its own.

    Args:
        path: of the PNG file.
        model: whose heads they are.
        sets: of which the first images are shown.
        number: of the model in the sets.
    """
    heads = [shown.heads[number] for shown in sets]
    lifts = [model.rendered_heads, model.real_heads]
    blocks, count = max(np.shape(one)[:2] for one in heads if one is not None)
    cell = max(0.34, min(1.1, 9 / (count * len(sets))))
    written = blocks * count <= WRITTEN_HEADS and cell >= 0.5
    step = cell + (0.17 if written else 0.0)
    with _light():
        figure = Figure(
            figsize=(len(sets) * (count * cell + 0.75) + 0.2, max(2.2, blocks * step + 1.25)),
            dpi=DPI,
            layout="constrained",
            facecolor="white",
        )
        figure.suptitle(
            f"{shortened(model.name, LONGEST)}: every head of {blocks} blocks, {model.reads}; "
            "each map from its lowest to its highest"
            + ("; below each its mean lift" if written else ""),
            x=0.01, ha="left", fontsize=9.5, color=LIGHT[INK], wrap=True,
        )  # fmt: skip
        for at, (shown, maps, lift) in enumerate(zip(sets, heads, lifts, strict=False)):
            if maps is not None:
                axes = figure.add_subplot(1, len(sets), at + 1)
                _mosaic(axes, shown, maps, lift if written else None)
        with atomic_path(path) as temporary:
            figure.savefig(temporary, format="png")


def _mosaic(axes: Axes, shown: Shown, maps: Numbers, lifts: list[list[float | None]] | None) -> None:
    """Draw all maps of [blocks, heads, g, g] over the first image of a set."""
    blocks, count = maps.shape[:2]
    tiles = [[overlay(shown.pixels[0], one, scale_of([one])) for one in row * row[0].size] for row in maps]
    side = len(tiles[0][0])
    gap = side // 16
    below = gap + (side // 5 if lifts is not None else 0)
    sheet = np.full((blocks * (side + below), count * (side + gap), 3), 255, np.uint8)
    for block, row in enumerate(tiles):
        for head, tile in enumerate(row):
            top, left = block * (side + below), head * (side + gap)
            sheet[top : top + side, left : left + side] = tile
            if lifts is not None and (value := lifts[block][head]) is not None:
                axes.text(left + side / 2, top + side + below / 2, f"{value:.2f}", ha="center", va="center",
                          fontsize=7, color=LIGHT[MUTED])  # fmt: skip
    axes.imshow(sheet, interpolation="antialiased")
    axes.set_xticks(
        [head * (side + gap) + side / 2 for head in range(count)], [str(h + 1) for h in range(count)]
    )
    axes.set_yticks(
        [b * (side + below) + side / 2 for b in range(blocks)], [str(b + 1) for b in range(blocks)]
    )
    axes.xaxis.tick_top()
    axes.set_title(f"head, {shown.kind} image", fontsize=9, color=LIGHT[INK], pad=8)
    axes.set_ylabel("block")
    axes.tick_params(labelsize=8)
    for spine in axes.spines.values():
        spine.set_visible(False)


class _light:
    """The style of pictures by themselves, without a grid; names in any script are drawn as well as can be."""

    def __enter__(self) -> None:
        self._style = mpl.rc_context({**light_style(), "axes.grid": False})
        self._quiet = warnings.catch_warnings()
        self._style.__enter__()
        self._quiet.__enter__()
        warnings.filterwarnings("ignore", "Glyph .* missing from font")

    def __exit__(self, *error: object) -> None:
        self._quiet.__exit__(None, None, None)
        self._style.__exit__(None, None, None)
