"""How compact categories are and how far apart, in any space of descriptors: exact functions of vectors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
EQUAL = 1e-6
"""Distances closer than this are equal: what is left of one between equal vectors is 3e-8."""
ROWS = 512
"""Images whose distances to all others are held at a time."""
MIXED = 0.4
"""Of two near duplicates' images, at least this share has its nearest neighbour in the other: about half if the two are
one, 0.5 +- 0.13 for 8 images of each."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """Where each image's neighbours are: N = C * I images, those of a category one after the other.

    Attributes:
        nearest: distance to the nearest other image in each category, float64 [N, C].
        mean: mean distance to the other images of each category, float64 [N, C].
    """

    nearest: Numbers
    mean: Numbers


@dataclass(frozen=True, kw_only=True)
class Spreads:
    """How far images lie from their category's mean, and means from each other.

    Attributes:
        within: root mean square distance of a category's images to its mean, unbiased, float64 [C].
        overall: of all images to the mean of all, as if there were as many images of every category there is.
        between: distance of two categories' means, float64 [C, C]; infinite from a category to itself.
        instances: images of each category, I.
    """

    within: Numbers
    overall: float
    between: Numbers
    instances: int

    @property
    def compactness(self) -> float:
        """Spread within categories over overall spread, root mean squares: 0 if a category's images are all alike, 1
        if they are no more alike than any two; about its root of Fisher's within over total variance."""
        within = float(np.sqrt((self.within**2).mean()))
        return within / self.overall if self.overall > 0 else 0.0

    @property
    def pairs(self) -> Numbers:
        """Spread within two categories together, root mean square, float64 [C, C]."""
        squares = self.within**2
        return np.sqrt((squares[:, None] + squares) / 2)

    def reach(self, near: float) -> float:
        """Return how many spreads the measured means of two categories lie apart, if the true ones lie `near` apart.

        A mean of I images misses the category's by its spread over the root of I: means lie apart by both, also where
        the categories are one. Squares add.
        """
        return float((near**2 + 2 / self.instances) ** 0.5)


def spreads(vectors: Numbers, instances: int) -> Spreads:
    """Measure vectors [C * I, D], those of a category one after the other, of I >= 2 instances."""
    groups = vectors.reshape(-1, instances, vectors.shape[1])
    means = groups.mean(axis=1)
    variance = ((groups - means[:, None]) ** 2).sum(axis=(1, 2)) / (instances - 1)
    squares = (means**2).sum(axis=1)
    apart = np.maximum(squares[:, None] + squares - 2 * means @ means.T, 0)
    np.fill_diagonal(apart, np.inf)
    of_means = ((means - means.mean(axis=0)) ** 2).sum() / (len(means) - 1)
    overall = variance.mean() + max(of_means - variance.mean() / instances, 0.0)
    return Spreads(
        within=np.sqrt(variance), overall=float(np.sqrt(overall)), between=np.sqrt(apart), instances=instances
    )


def neighbours(vectors: Numbers, instances: int) -> Neighbours:
    """Compare all vectors [C * I, D] with all, those of a category one after the other; Euclidean distances."""
    count, categories = len(vectors), len(vectors) // instances
    nearest, mean = np.empty((count, categories)), np.empty((count, categories))
    squares = (vectors**2).sum(axis=1)
    for begin in range(0, count, ROWS):
        rows = np.arange(begin, min(begin + ROWS, count))
        apart = squares[rows, None] + squares - 2 * vectors[rows] @ vectors.T
        apart = np.sqrt(np.maximum(apart, 0))
        own = rows // instances
        apart[np.arange(len(rows)), rows] = 0
        sums = apart.reshape(len(rows), categories, instances).sum(axis=2)
        others = np.full(sums.shape, instances)
        others[np.arange(len(rows)), own] -= 1
        mean[rows] = sums / others
        apart[np.arange(len(rows)), rows] = np.inf
        nearest[rows] = apart.reshape(len(rows), categories, instances).min(axis=2)
    return Neighbours(nearest=nearest, mean=mean)


def separability(found: Neighbours, instances: int) -> Numbers:
    """Return what share of each category's images the nearest other image gives the right category, float64 [C].

    Leave-one-out nearest neighbour (Cover and Hart, IEEE Trans. Inf. Theory 1967). Where several categories have an
    image equally near, each counts for its part.
    """
    best = found.nearest.min(axis=1, keepdims=True)
    at_best = found.nearest <= best + EQUAL
    own = _own(at_best, instances)
    return (own / at_best.sum(axis=1)).reshape(-1, instances).mean(axis=1)


def chance(categories: int, instances: int) -> float:
    """Return what `separability` is of images that say nothing of their category: others of it among all others."""
    return (instances - 1) / (categories * instances - 1)


def silhouette(found: Neighbours, instances: int) -> float:
    """Return the mean silhouette (Rousseeuw, J. Comput. Appl. Math. 1987), -1..1: 0 where the nearest category is as
    near as the own."""
    own = _own(found.mean, instances)
    others = found.mean.copy()
    others[np.arange(len(own)), np.arange(len(own)) // instances] = np.inf
    nearest = others.min(axis=1)
    larger = np.maximum(own, nearest)
    return float(np.where(larger > EQUAL, (nearest - own) / np.where(larger > EQUAL, larger, 1), 0).mean())


def mixing(found: Neighbours, instances: int) -> Numbers:
    """Return, of two categories' images, the share whose nearest neighbour among them is the other's, float64 [C, C].

    Equally near ones count half. About a half where the two are one; 0 on the diagonal.
    """
    own = _own(found.nearest, instances)[:, None]
    other = (found.nearest < own - EQUAL) + 0.5 * (np.abs(found.nearest - own) <= EQUAL)
    shares = other.reshape(-1, instances, other.shape[1]).mean(axis=1)
    np.fill_diagonal(shares, 0)
    return (shares + shares.T) / 2


def gaps(found: Neighbours, instances: int) -> Numbers:
    """Return how far two categories' images are from the nearest of the other, on average, float64 [C, C]; symmetric,
    infinite on the diagonal."""
    towards = found.nearest.reshape(-1, instances, found.nearest.shape[1]).mean(axis=1)
    apart = (towards + towards.T) / 2
    np.fill_diagonal(apart, np.inf)
    return apart


def near_duplicates(measured: Spreads, mixed: Numbers, near: float) -> list[tuple[int, int]]:
    """Return the pairs of categories (a < b) that can hardly be told apart, the most alike first.

    Their means lie no farther apart than `near` times the spread within them, or what so few images cannot tell from
    that (`Spreads.reach`), and at least 40% of their images have their nearest neighbour in the other. The first
    alone would call categories alike that are wide but apart, as those whose instances are flipped.
    """
    alike = (measured.between <= measured.reach(near) * measured.pairs + EQUAL) & (mixed >= MIXED)
    a, b = np.nonzero(np.triu(alike, 1))
    order = np.lexsort((b, a, measured.between[a, b], -mixed[a, b]))
    return list(zip(a[order].tolist(), b[order].tolist(), strict=True))


def _own(values: NDArray[np.generic], instances: int) -> Numbers:
    """Return each image's value of its own category, [N] of [N, C]."""
    rows = np.arange(len(values))
    return values[rows, rows // instances].astype(np.float64)
