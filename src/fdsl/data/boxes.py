"""Random rectangles in a square: where a crop or an erasure lies."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from fdsl.data.sample_draws import SampleDraws
from fdsl.random import Purpose, uniform

ATTEMPTS = 10


def random_boxes(
    draws: SampleDraws,
    purpose: Purpose,
    rows: NDArray[np.int64],
    first: int,
    *,
    side: int,
    longest: int,
    share: tuple[float, float],
    ratio: tuple[float, float],
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Draw a rectangle for each of the samples `rows`: area uniform, width / height log-uniform, place uniform.

    Sides are whole numbers. A rectangle with a side above `longest` is drawn again, up to ten times in all.

    Args:
        draws: the samples' random words.
        purpose: what for.
        rows: of which samples, int64 [n].
        first: number of the first of the ten blocks the attempts are drawn from.
        side: of the square, pixels.
        longest: greatest side of a rectangle, pixels.
        share: least and greatest area, as a share of the square's.
        ratio: least and greatest width / height.

    Returns:
        int64 [n, 4], top, left, height, width; bool [n], whether one of the attempts fitted: the others' rows mean
        nothing.
    """
    attempts = np.arange(first, first + ATTEMPTS)
    boxes, fits = _boxes(draws.words(purpose, attempts[:1], rows), side, longest, share, ratio)
    boxes, fits = boxes[:, 0], fits[:, 0]
    again = np.flatnonzero(~fits)
    if again.size:
        more, more_fit = _boxes(draws.words(purpose, attempts[1:], rows[again]), side, longest, share, ratio)
        boxes[again] = more[np.arange(len(again)), more_fit.argmax(axis=1)]
        fits[again] = more_fit.any(axis=1)
    return boxes, fits


def _boxes(
    words: NDArray[np.uint32], side: int, longest: int, share: tuple[float, float], ratio: tuple[float, float]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return int64 [n, D, 4] and whether they fit, bool [n, D], of uint32 [n, D, 4]."""
    area = uniform(words[..., 0], *share) * (side * side)
    aspect = np.exp(uniform(words[..., 1], math.log(ratio[0]), math.log(ratio[1])))
    boxes: NDArray[np.int64] = np.empty(words.shape, np.int64)
    # whole pixels also hide the last bit of exp, which is not every processor's
    boxes[..., 2] = np.rint(np.sqrt(area / aspect))
    boxes[..., 3] = np.rint(np.sqrt(area * aspect))
    fits = np.maximum(boxes[..., 2], boxes[..., 3]) <= longest
    room = np.maximum(side - boxes[..., 2:] + 1, 1).astype(np.uint64)
    boxes[..., :2] = (words[..., 2:] * room) >> np.uint64(32)
    return boxes, fits
