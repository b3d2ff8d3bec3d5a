"""Which range of which parameter an effect lies in: a decision tree of one threshold, said only if it separates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError
from fdsl.formulas import Family

FEWEST = 4
"""Images that show an effect before it is looked for in parameters."""
LEAST_RECALL, LEAST_PRECISION, LEAST_LIFT = 0.5, 0.5, 3.0
LEAST_EVIDENCE = 24.0
"""Of the likelihood ratio statistic, by which a split is better than none. It is about chi squared with one degree of
freedom for a threshold that was given; 24 is one in a million, which leaves one in a hundred for all thresholds of all
parameters that are tried."""


@dataclass(frozen=True, kw_only=True)
class Split:
    """A range of a parameter in which an effect lies.

    Attributes:
        parameter: its name.
        below: whether the range is what is at most `limit`, or what is at least.
        limit: the end of the range.
        precision: share of the images in it that show the effect.
        recall: share of the images that show the effect that are in it.
        images: how many images are in it.
    """

    parameter: str
    below: bool
    limit: float
    precision: float
    recall: float
    images: int

    def __str__(self) -> str:
        return f"{self.parameter} {'<=' if self.below else '>='} {self.limit:.4g}"


def parameter_columns(
    base: Family, seed: int, categories: NDArray[np.int64], instances: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    """Return the numbers that images are drawn from, by name, float64 [N] each.

    Those of `Family.parameters` in their own units where a family says what ranges they are drawn from (RCDB,
    VisualAtom), and the plain numbers of `Family.category`. Of a system of maps: how many there are, the greatest
    probability, and the sum of the |determinants|, 1 where the parts of an attractor just cover it.

    Args:
        base: the family before it is altered.
        seed: the dataset's.
        categories, instances: int64 [N].
    """
    kinds, places = np.unique(categories, return_inverse=True)
    rows = [_numbers(base.category(seed, int(k))) for k in kinds]
    columns = {name: np.array([row[name] for row in rows])[places] for name in rows[0]}
    ranges: Mapping[str, tuple[float, float]] | None = getattr(base, "ranges", None)
    if ranges is not None:
        try:
            scaled = base.parameters(seed, categories, instances).astype(np.float64)
        except InputError:
            return columns
        for name, values, (low, high) in zip(base.parameter_names, scaled.T, ranges.values(), strict=True):
            # float32 of 0..1 holds seven digits: what was a whole number is one again
            columns[name] = np.round(low + values * ((high - low) or 1), 4)
    return columns


def _numbers(category: Mapping[str, Any]) -> dict[str, float]:
    """Return the plain numbers of a category, and what its system of maps comes to."""
    found = {name: float(value) for name, value in category.items() if isinstance(value, (int, float))}
    if "maps" in category:
        maps = np.array(category["maps"], np.float64)
        axes = 2 if maps.shape[1] == 6 else 3
        matrices = maps[:, : axes**2].reshape(-1, axes, axes)
        found["number of maps"] = float(len(maps))
        found["greatest probability"] = float(max(category["probability"]))
        found["sum of |det|"] = float(np.abs(np.linalg.det(matrices)).sum())
    return found


def best_split(
    columns: Mapping[str, NDArray[np.float64]], shown: NDArray[np.bool_], instances: int
) -> Split | None:
    """Return the range that tells best which images show an effect, or None where none truly does.

    The threshold is the one of greatest information gain (Quinlan, Machine Learning 1986). It is returned if the range
    holds half of the images with the effect, if these are half of it or three times as frequent in it as overall, and
    if that is beyond chance. Images of one category count as one where a parameter is the same for all of them.

    Args:
        columns: parameters by name, float64 [C * I] each, images of a category one after the other.
        shown: bool [C * I].
        instances: I.
    """
    total, hits = len(shown), int(shown.sum())
    if hits < FEWEST or hits == total:
        return None
    found: list[tuple[float, Split]] = []
    for name, values in columns.items():
        groups = values.reshape(-1, instances)
        alone = instances if (groups == groups[:, :1]).all() else 1
        gain, split = _split(name, values, shown)
        if split is not None and gain / alone >= LEAST_EVIDENCE and _tells(split, hits / total):
            found.append((gain, split))
    return max(found, key=lambda one: one[0])[1] if found else None


def _tells(split: Split, base_rate: float) -> bool:
    frequent = split.precision >= LEAST_PRECISION and split.precision > 1.2 * base_rate
    return split.recall >= LEAST_RECALL and (frequent or split.precision >= LEAST_LIFT * base_rate)


def _split(name: str, values: NDArray[np.float64], shown: NDArray[np.bool_]) -> tuple[float, Split | None]:
    """Return the likelihood ratio statistic of a parameter's best threshold, and the side of it with the effect."""
    order = np.argsort(values, kind="stable")
    ordered, marks = values[order], shown[order]
    cuts = np.flatnonzero(ordered[1:] > ordered[:-1]) + 1
    if not len(cuts):
        return 0.0, None
    total, hits = len(marks), int(marks.sum())
    left = np.cumsum(marks)[cuts - 1]
    gain = 2 * (
        _information(left, cuts) + _information(hits - left, total - cuts) - _information(hits, total)
    )
    best = int(gain.argmax())
    cut, inside = int(cuts[best]), int(left[best])
    below = inside / cut > hits / total
    size, held = (cut, inside) if below else (total - cut, hits - inside)
    limit = float(ordered[cut - 1] if below else ordered[cut])
    split = Split(
        parameter=name, below=below, limit=limit, precision=held / size, recall=held / hits, images=size
    )
    return float(gain[best]), split


def _information(hits: Any, total: Any) -> Any:
    """Return the greatest log likelihood of `hits` of `total`, natural logarithms."""
    hits, total = np.asarray(hits, np.float64), np.asarray(total, np.float64)
    return sum(
        np.where(part > 0, part * np.log(np.maximum(part, 1) / total), 0) for part in (hits, total - hits)
    )
