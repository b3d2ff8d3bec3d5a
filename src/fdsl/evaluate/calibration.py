"""Whether a classifier is right as often as it is sure: calibration error, Brier score, reliability."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 15
"""As many as Guo et al. take."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """How often a classifier is right by how sure it is: 15 bins of equal width, the first one up to 1/15."""

    count: tuple[int, ...]
    """Answers in each bin."""
    confidence: tuple[float | None, ...]
    """Their mean confidence, 0..1; None in an empty bin."""
    accuracy: tuple[float | None, ...]
    """The share of them that is right, 0..1; None in an empty bin."""

    @classmethod
    def of(cls, confidence: Numbers, right: NDArray[np.bool_]) -> Reliability:
        """Sort answers into bins.

        Args:
            confidence: probability that the classifier gives its answers, [N], 0..1.
            right: whether they are right, [N].
        """
        # bins are open below and closed above, as in the paper: 1 is in the last
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        count = np.bincount(bins, minlength=BINS)
        means = [
            [float(total) / seen if seen else None for total, seen in zip(sums, count.tolist(), strict=True)]
            for sums in (np.bincount(bins, values, BINS) for values in (confidence, right))
        ]
        return cls(count=tuple(count.tolist()), confidence=tuple(means[0]), accuracy=tuple(means[1]))

    def error(self) -> float:
        """Return the expected calibration error, 0..1: the mean distance of accuracy and confidence over all answers.

        Source: Guo et al., "On calibration of modern neural networks" (ICML 2017, arXiv:1706.04599), equation 3.
        """
        gaps = (
            seen * abs(right - sure)
            for seen, right, sure in zip(self.count, self.accuracy, self.confidence, strict=True)
            if right is not None and sure is not None
        )
        return sum(gaps) / sum(self.count)

    def to_json(self) -> dict[str, Any]:
        """Return the bins as plain JSON values."""
        return {name: list(values) for name, values in vars(self).items()}


def brier_score(shares: Numbers, label_shares: Numbers) -> float:
    """Return the mean squared distance of the probabilities from the truth, 0 (always surely right) to 2.

    It is the sum over the classes of (probability - truth)^2, truth being 1 of the true class and 0 of the others.
    Source: Brier, Monthly Weather Review 78(1), 1950, equation 2.

    Args:
        shares: probability of each class, [N, K]; rows add up to 1.
        label_shares: that of the true class, [N]; 0 where it is none of the K.
    """
    return float(np.mean((shares**2).sum(axis=1) - 2 * label_shares + 1))
