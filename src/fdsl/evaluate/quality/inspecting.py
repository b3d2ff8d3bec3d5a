"""Draws a sample of a family's images and measures it: `inspect` returns an `Inspection`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.evaluate.quality.config import InspectConfig
from fdsl.evaluate.quality.descriptor import block_lengths, describe
from fdsl.evaluate.quality.measures import (
    Numbers,
    Spreads,
    chance,
    gaps,
    mixing,
    near_duplicates,
    neighbours,
    separability,
    silhouette,
    spreads,
)
from fdsl.evaluate.quality.pixels import Pixels, Repeats, has_background, read_pixels, repeats
from fdsl.evaluate.quality.ranges import Split, best_split, parameter_columns
from fdsl.formulas import Family
from fdsl.render import Renderer

BATCH = 64
"""Images drawn and described at a time."""
QUARTILES = (0, 0.25, 0.5, 0.75, 1)
BINS = 20
"""Of the fill histogram."""
MOST_PAIRS = 200
"""Near duplicates that are named in the JSON; all are counted."""

Told = Callable[[int, int], None]
"""Is called with the number of images that are done, and of all."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What was found in C categories of I images; N = C * I, those of a category one after the other.

    Attributes:
        config: what was asked.
        family: what was drawn.
        numbers: which categories, int64 [C].
        background: whether there is one; without, nothing is said of fill, boxes and borders.
        pixels: of the images.
        repeats: images that are alike; categories by their place in `numbers`, as all that follows has them.
        spreads: compactness and distances.
        accuracy: separability of each category, float64 [C].
        silhouette: mean over all images.
        mixing: share of neighbours that are the other category's, float64 [C, C].
        gaps: mean distance of two categories' images to the nearest of the other, float64 [C, C].
        duplicates: near duplicates (a, b), the most alike first.
        blank, saturated: bool [N]; without a background none is saturated.
        blank_range, saturated_range: the parameters that bring them about, if any truly does.
        seconds: what it took.
    """

    config: InspectConfig
    family: Family
    numbers: NDArray[np.int64]
    background: bool
    pixels: Pixels
    repeats: Repeats
    spreads: Spreads
    accuracy: Numbers
    silhouette: float
    mixing: Numbers
    gaps: Numbers
    duplicates: list[tuple[int, int]]
    blank: NDArray[np.bool_]
    saturated: NDArray[np.bool_]
    blank_range: Split | None
    saturated_range: Split | None
    seconds: float

    @property
    def nearest(self) -> NDArray[np.int64]:
        """The place of the category whose mean is nearest to each category's, int64 [C]."""
        return self.spreads.between.argmin(axis=1)

    @property
    def distance(self) -> Numbers:
        """Distance of each category's mean to the nearest other one, units of the descriptor space, float64 [C]."""
        return self.spreads.between.min(axis=1)

    @property
    def chance(self) -> float:
        """What guessing reaches of separability."""
        return chance(len(self.numbers), self.config.instances)

    @property
    def involved(self) -> int:
        """How many categories have a near duplicate."""
        return len({place for pair in self.duplicates for place in pair})

    def to_json(self) -> dict[str, Any]:
        """Return everything but the texts of warnings as plain JSON values; shares and accuracies in 0..1."""
        config, found = self.config, self.spreads
        return {
            "what": "inspect",
            "family": self.family.definition()["family"] if not config.alter else config.base().name,
            "classes": self.family.classes,
            "options": list(config.options),
            "alter": list(config.alter),
            "size": config.size,
            "lines": config.lines,
            "seed": config.seed,
            "categories": len(self.numbers),
            "instances": config.instances,
            "limits": {"blank": config.blank, "saturated": config.saturated, "near": config.near},
            "descriptor": block_lengths(self.family.channels),
            "separability": float(self.accuracy.mean()),
            "chance": self.chance,
            "separability_error": float(self.accuracy.std(ddof=1) / len(self.accuracy) ** 0.5),
            "silhouette": self.silhouette,
            "compactness": found.compactness,
            "spread": {"overall": found.overall, "within": quartiles(found.within)},
            "distance": float(np.median(self.distance)),
            "distances": quartiles(self.distance),
            "near_duplicates": self._pairs(),
            "near_duplicate_pairs": len(self.duplicates),
            "near_duplicate_categories": self.involved,
            "identical": self._identical(),
            "blank": float(self.blank.mean()),
            "blank_images": int(self.blank.sum()),
            "blank_range": _range(self.blank_range),
            "saturated": float(self.saturated.mean()) if self.background else None,
            "saturated_images": int(self.saturated.sum()) if self.background else None,
            "saturated_range": _range(self.saturated_range),
            "fill": self._fill(),
            "contrast": quartiles(self.pixels.contrast),
            "per_category": self._per_category(),
            "seconds": round(self.seconds, 3),
        }

    def _pairs(self) -> list[dict[str, Any]]:
        pairs = self.spreads.pairs
        return [
            {
                "categories": [int(self.numbers[a]), int(self.numbers[b])],
                "distance": float(self.spreads.between[a, b]),
                "spread": float(pairs[a, b]),
                "mixing": float(self.mixing[a, b]),
            }
            for a, b in self.duplicates[:MOST_PAIRS]
        ]

    def _identical(self) -> dict[str, Any]:
        return {
            "images": self.repeats.images,
            "within": [int(self.numbers[place]) for place in self.repeats.within],
            "across": [[int(self.numbers[a]), int(self.numbers[b])] for a, b in self.repeats.across][
                :MOST_PAIRS
            ],
            "across_pairs": len(self.repeats.across),
        }

    def _fill(self) -> dict[str, Any]:
        """Return what is known of the drawn share; only that there is no background where there is none."""
        if not self.background:
            return {"applicable": False}
        counts, edges = np.histogram(self.pixels.fill, bins=BINS, range=(0, 1))
        return {
            "applicable": True,
            "mean": float(self.pixels.fill.mean()),
            "deviation": float(self.pixels.fill.std()),
            "quartiles": quartiles(self.pixels.fill),
            "histogram": {"edges": edges.round(6).tolist(), "images": counts.tolist()},
            "box": quartiles(self.pixels.box),
            "border": float(self.pixels.border.mean()),
        }

    def _per_category(self) -> list[dict[str, Any]]:
        rows = (len(self.numbers), self.config.instances)
        fill, blank = self.pixels.fill.reshape(rows).mean(axis=1), self.blank.reshape(rows).sum(axis=1)
        return [
            {
                "category": int(k),
                "separability": float(self.accuracy[place]),
                "within": float(self.spreads.within[place]),
                "nearest": int(self.numbers[self.nearest[place]]),
                "distance": float(self.distance[place]),
                "fill": float(fill[place]) if self.background else None,
                "blank": int(blank[place]),
            }
            for place, k in enumerate(self.numbers)
        ]


def quartiles(values: Numbers) -> list[float]:
    """Return the least value, the three quartiles and the greatest."""
    return [float(value) for value in np.quantile(values, QUARTILES)]


def _range(split: Split | None) -> dict[str, Any] | None:
    if split is None:
        return None
    return {
        "range": str(split),
        "parameter": split.parameter,
        "side": "at most" if split.below else "at least",
        "limit": split.limit,
        "precision": split.precision,
        "recall": split.recall,
        "images": split.images,
    }


def inspect(config: InspectConfig, told: Told = lambda done, images: None) -> Inspection:
    """Draw `config.categories` categories of a family, spread evenly over all, and measure their first instances.

    Instances 0 to `config.instances` - 1 of each. The result depends on the configuration alone, but for `seconds`.

    Args:
        config: what to draw.
        told: is told of every batch that is done.

    Raises:
        InputError: the family is unknown or refuses a field, or has fewer categories than are asked for.
        DataError: a category file is damaged, or a search for categories finds none.
    """
    started = time.perf_counter()
    family = config.drawn()
    numbers = spread_evenly(config.sampled(family.classes), family.classes)
    categories = numbers.repeat(config.instances)
    instances = np.tile(np.arange(config.instances), len(numbers))
    background = has_background(family.table(config.seed, categories[:1], instances[:1]))
    pixels, vectors = _drawn(config, family, categories, instances, told)
    blank = pixels.constant | (background & (pixels.fill < config.blank))
    saturated = background & ~blank & (pixels.fill > config.saturated)
    columns = parameter_columns(config.base(), config.seed, categories, instances)
    return Inspection(
        config=config, family=family, numbers=numbers, background=background, pixels=pixels,
        repeats=repeats(pixels.digest, config.instances),
        blank=blank, blank_range=best_split(columns, blank, config.instances),
        saturated=saturated, saturated_range=best_split(columns, saturated, config.instances),
        **_measured(vectors, config),
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def spread_evenly(count: int, classes: int) -> NDArray[np.int64]:
    """Return `count` different numbers of 0..classes - 1, both ends in, ascending, int64 [count]."""
    return np.arange(count) * (classes - 1) // max(count - 1, 1)


def _measured(vectors: Numbers, config: InspectConfig) -> dict[str, Any]:
    """Return the fields of an inspection that come from the descriptors alone."""
    measured, found = spreads(vectors, config.instances), neighbours(vectors, config.instances)
    mixed = mixing(found, config.instances)
    return {
        "spreads": measured,
        "accuracy": separability(found, config.instances),
        "silhouette": silhouette(found, config.instances),
        "mixing": mixed,
        "gaps": gaps(found, config.instances),
        "duplicates": near_duplicates(measured, mixed, config.near),
    }


def _drawn(
    config: InspectConfig,
    family: Family,
    categories: NDArray[np.int64],
    instances: NDArray[np.int64],
    told: Told,
) -> tuple[Pixels, Numbers]:
    """Draw the images batch by batch; return what their pixels say and their descriptors, float64 [N, D]."""
    renderer = Renderer(config.size, config.lines, config.threads)
    pixels, vectors = [], []
    for begin in range(0, len(categories), BATCH):
        rows = slice(begin, begin + BATCH)
        images = renderer(family.table(config.seed, categories[rows], instances[rows]))
        pixels.append(read_pixels(images, family.background))
        vectors.append(describe(images))
        told(min(begin + BATCH, len(categories)), len(categories))
    return Pixels.joined(pixels), np.concatenate(vectors).astype(np.float64)
