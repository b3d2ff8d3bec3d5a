"""Timing a piece of work: warm-up, repetitions, median and spread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second over some repetitions.

    Attributes:
        median, low, high: images/s, the middle repetition, the slowest and the fastest.
        images: images timed in all.
        repetitions: how many were timed.
    """

    median: float
    low: float
    high: float
    images: int
    repetitions: int

    @property
    def microseconds(self) -> float:
        """Time an image in the median repetition, microseconds."""
        return 1e6 / self.median

    def to_json(self) -> dict[str, float | int]:
        """Return the numbers as plain JSON values."""
        return {
            "images_per_second": round(self.median, 3),
            "low": round(self.low, 3),
            "high": round(self.high, 3),
            "microseconds_per_image": round(self.microseconds, 3),
            "images": self.images,
            "repetitions": self.repetitions,
        }


def measure(work: Callable[[int], int], repetitions: int, seconds: float) -> Rate:
    """Time `work(n)`, which returns how many images it made, after one call that is not counted.

    A repetition goes on for at least `seconds`: a busy machine lends a short burst more than its share, so that a fast
    worker timed in bursts would be flattered beside a slow one. n counts the calls, 0 being the warm-up, and lets the
    work draw other images each time.
    """
    calls = count(1)
    work(0)
    rates, total = [], 0
    for _ in range(repetitions):
        images, elapsed = 0, 0.0
        started = time.perf_counter()
        while images == 0 or elapsed < seconds:
            images += work(next(calls))
            elapsed = time.perf_counter() - started
        rates.append(images / elapsed)
        total += images
    return Rate(statistics.median(rates), min(rates), max(rates), total, repetitions)
