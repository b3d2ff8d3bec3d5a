"""The picture of an inspection: images from emptiest to fullest, how full they are, and which categories are alike."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from fdsl.evaluate.figures import INK, LIGHT, MUTED, PAPER, PRETRAINED, SCRATCH, light_style
from fdsl.evaluate.quality.inspecting import BINS, Inspection
from fdsl.evaluate.sheet import grid
from fdsl.render import Renderer

COLUMNS = 8
"""Images of a strip."""
PAIRS, EACH = 6, 4
"""Pairs of categories, and images of each category."""
DOTS_PER_INCH = 160
FOREGROUND = "#8a8f96"


def draw_picture(found: Inspection, warnings: Sequence[str]) -> bytes:
    """Return the picture as PNG bytes; the images are drawn again, as they were inspected."""
    with mpl.rc_context(light_style()):
        figure = Figure(figsize=(10.4, 8.2), layout="constrained")
        figure.patch.set_facecolor(LIGHT[PAPER])
        above, below = _halves(figure, 2, 1, height_ratios=(1, 1.12))
        left, right = _halves(above, 1, 2, width_ratios=(1.75, 1))
        _strips(left, found)
        _histogram(right.subplots(), found)
        left, right = _halves(below, 1, 2, width_ratios=(1, 1.25))
        _distances(left.subplots(), found)
        _pairs(right, found)
        figure.suptitle(title(found, len(warnings)), x=0.008, ha="left", fontsize=11, color=LIGHT[INK])
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def _halves(place: Figure | SubFigure, rows: int, columns: int, **ratios: Any) -> tuple[SubFigure, SubFigure]:
    parts: Any = place.subfigures(rows, columns, **ratios)  # an array, as long as there are several
    first, second = parts
    return first, second


def title(found: Inspection, warnings: int) -> str:
    """Return the line above the picture."""
    config = found.config
    what = ", ".join([config.base().name, *config.options, *config.alter])
    what = what if len(what) <= 60 else what[:59] + "…"
    said = {0: "no warning", 1: "1 warning"}.get(warnings, f"{warnings} warnings")
    return (
        f"{what}: {len(found.numbers)} of {found.family.classes:,} categories, {config.instances} images of each, "
        f"{config.size} px; {said}"
    )


def _redrawn(found: Inspection, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Draw images again by their numbers among those inspected, uint8 [K, H, W, 3]."""
    config, each = found.config, found.config.instances
    renderer = Renderer(config.size, config.lines, config.threads)
    images = renderer(found.family.table(config.seed, found.numbers[numbers // each], numbers % each))
    return images if images.ndim == 4 else np.repeat(images[..., None], 3, axis=-1)


def _image(axes: Axes, image: NDArray[np.uint8], caption: str = "") -> None:
    axes.imshow(image, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():  # white drawings on a white page
        spine.set_visible(True)
        spine.set_color(FOREGROUND)
        spine.set_linewidth(0.5)
    if caption:
        axes.set_xlabel(caption, fontsize=6.8, labelpad=2, color=LIGHT[MUTED])


def _strips(place: SubFigure, found: Inspection) -> None:
    """Show the images with least, median and most on them, each of another category where there are enough."""
    amount = found.pixels.fill if found.background else found.pixels.contrast
    names = ("emptiest", "typical", "fullest") if found.background else ("flattest", "typical", "strongest")
    what = "share drawn on" if found.background else "contrast, grays"
    place.suptitle(f"Category number and {what}", x=0.02, ha="left", fontsize=9.5, color=LIGHT[INK])
    order = np.argsort(amount, kind="stable")
    middle = np.argsort(np.abs(amount - np.median(amount)), kind="stable")
    rows = [_apart(kind, found.config.instances) for kind in (order, middle, order[::-1])]
    columns = min(COLUMNS, min(map(len, rows)))
    places = place.subplots(3, columns, squeeze=False)
    for line, name, chosen in zip(places, names, rows, strict=True):
        chosen = chosen[:columns]
        chosen = chosen[np.argsort(amount[chosen], kind="stable")]
        for axes, number, image in zip(line, chosen, _redrawn(found, chosen), strict=True):
            value = f"{100 * amount[number]:.3g}%" if found.background else f"{amount[number]:.3g}"
            _image(axes, image, f"{found.numbers[number // found.config.instances]}: {value}")
        line[0].set_ylabel(name, fontsize=8.5, color=LIGHT[INK])


def _apart(order: NDArray[np.int64], instances: int) -> NDArray[np.int64]:
    """Return the first image of each category in an order of images, as far as they are shown."""
    _, first = np.unique(order // instances, return_index=True)
    return order[np.sort(first)[:COLUMNS]]


def _histogram(axes: Axes, found: Inspection) -> None:
    """Draw how many images have how much drawn on, or, without a background, how much contrast."""
    blue = LIGHT[PRETRAINED]
    if found.background:
        axes.hist(found.pixels.fill, bins=BINS, range=(0, 1), color=blue, rwidth=0.9)
        for limit, name, side in (
            (found.config.blank, "blank", 1),
            (found.config.saturated, "saturated", -1),
        ):
            axes.axvline(limit, color=LIGHT[SCRATCH], linewidth=1.2, linestyle="--")
            axes.annotate(name, (limit, 1), xycoords=("data", "axes fraction"), xytext=(3 * side, 4),
                          textcoords="offset points", fontsize=8, color=LIGHT[SCRATCH],
                          ha="left" if side > 0 else "right")  # fmt: skip
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("share of the pixels drawn on")
    else:
        axes.hist(found.pixels.contrast, bins=BINS, color=blue, rwidth=0.9)
        axes.set_xlabel("contrast, grays; the images have no background")
    axes.set_ylabel("images")
    axes.set_title("How full images are" if found.background else "How much images vary", loc="left",
                   fontsize=9.5, color=LIGHT[INK], pad=16)  # fmt: skip


def _distances(axes: Axes, found: Inspection) -> None:
    """Draw each category's distance to the nearest other against its spread."""
    within, distance = found.spreads.within, found.distance
    alike = np.zeros(len(within), bool)
    alike[[place for pair in found.duplicates for place in pair]] = True
    pairs = found.spreads.pairs[np.arange(len(within)), found.nearest]
    for chosen, color, label in (
        (~alike, LIGHT[PRETRAINED], "others"),
        (alike, LIGHT[SCRATCH], "with a near duplicate"),
    ):
        axes.plot(pairs[chosen], distance[chosen], "o", color=color, markersize=3.6, alpha=0.65,
                  markeredgewidth=0, label=f"{label}: {chosen.sum()}", clip_on=False)  # fmt: skip
    most = max(float(pairs.max()), 1e-9) * 1.05
    reach = found.spreads.reach(found.config.near)
    axes.plot([0, most], [0, reach * most], color=LIGHT[MUTED], linewidth=1, linestyle="--",
              label=f"{reach:.2f} times the spread")  # fmt: skip
    axes.set_xlim(0, most)
    axes.set_ylim(0, max(float(distance.max()), reach * most) * 1.3)
    axes.set_xlabel("spread within the two categories")
    axes.set_ylabel("distance to the nearest category")
    axes.set_title(
        f"Separability {100 * found.accuracy.mean():.1f}% (chance {100 * found.chance:.1f}%), "
        f"compactness {found.spreads.compactness:.2f}",
        loc="left", fontsize=9.5, color=LIGHT[INK],
    )  # fmt: skip
    axes.legend(frameon=False, loc="upper right", labelcolor=LIGHT[INK], handlelength=1.4, fontsize=8)


def _pairs(place: SubFigure, found: Inspection) -> None:
    """Show the most similar pairs of categories, near duplicates first: one above the other, pairs side by side."""
    pairs = shown_pairs(found)
    what = "near duplicates" if len(found.duplicates) >= len(pairs) else "pairs of categories"
    place.suptitle(
        f"The most similar {what}: distance over spread", x=0.02, ha="left", fontsize=9.5, color=LIGHT[INK]
    )
    places = place.subplots(-(-len(pairs) // 2), 2 if len(pairs) > 1 else 1, squeeze=False)
    for axes in places.flat:
        axes.set_axis_off()
    for axes, (a, b) in zip(places.flat, pairs, strict=False):
        axes.imshow(_one_above_the_other(found, a, b), interpolation="antialiased")
        spread = found.spreads.pairs[a, b]
        ratio = f"{found.spreads.between[a, b] / spread:.2f}" if spread > 0 else "no spread"
        axes.set_title(f"{found.numbers[a]} and {found.numbers[b]}: {ratio}", loc="left", fontsize=7.8,
                       color=LIGHT[INK], pad=3)  # fmt: skip


def _one_above_the_other(found: Inspection, a: int, b: int) -> NDArray[np.uint8]:
    """Return the first images of two categories, a line each, in gray frames, uint8 [H, W, 3]."""
    each = min(EACH, found.config.instances)
    chosen = np.array([[a], [b]]) * found.config.instances + np.arange(each)
    images = _redrawn(found, chosen.reshape(-1))
    return np.asarray(grid(images.reshape(2, each, *images.shape[1:])))


def shown_pairs(found: Inspection) -> list[tuple[int, int]]:
    """Return up to six pairs (a < b) of categories: near duplicates, then those whose images lie nearest."""
    pairs = list(found.duplicates[:PAIRS])
    a, b = np.triu_indices(len(found.numbers), 1)
    for n in np.argsort(found.gaps[a, b], kind="stable")[: 2 * PAIRS]:
        pair = (int(a[n]), int(b[n]))
        if len(pairs) < PAIRS and pair not in pairs:
            pairs.append(pair)
    return pairs
