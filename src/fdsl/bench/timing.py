"""Timing pieces of work side by side: in turns, so that what slows the machine down slows all of them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import Any

Source = Callable[[], Generator[int, None, None]]
"""Opens a piece of work. The generator's first item says that it is ready, whatever that took; each further one is work
to be timed, and how many images it made. Closed, it works no more: nothing of it goes on while another is timed."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Images a second over some repetitions.

    Attributes:
        each: images/s of every repetition, in order.
        images: images timed in all.
    """

    each: tuple[float, ...]
    images: int

    @property
    def median(self) -> float:
        """Images/s of the middle repetition."""
        return statistics.median(self.each)

    @property
    def low(self) -> float:
        """Images/s of the slowest repetition."""
        return min(self.each)

    @property
    def high(self) -> float:
        """Images/s of the fastest repetition."""
        return max(self.each)

    @property
    def microseconds(self) -> float:
        """Time an image in the median repetition, microseconds."""
        return 1e6 / self.median

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain JSON values."""
        return {
            "images_per_second": six_digits(self.median),
            "low": six_digits(self.low),
            "high": six_digits(self.high),
            "microseconds_per_image": six_digits(self.microseconds),
            "images": self.images,
            "repetitions": [six_digits(rate) for rate in self.each],
        }


def six_digits(value: float) -> float:
    """Return `value` rounded to six digits, wherever its point is: more were never measured."""
    return float(f"{value:.6g}")


def ratio(one: Rate, other: Rate) -> float:
    """Return how many times as fast `one` is as `other` in the same run.

    The median of the repetitions' own ratios: the two halves of a repetition meet the machine in the same mood.
    """
    return statistics.median(a / b for a, b in zip(one.each, other.each, strict=True))


def repeated(work: Callable[[int], int]) -> Source:
    """Make a source of `work(n)`, which returns how many images it made; n counts the calls, 0, 1, 2 ..., so that each
    can draw other images."""
    calls = count()

    def source() -> Generator[int, None, None]:
        yield 0
        for call in calls:
            yield work(call)

    return source


def measure(
    sources: Sequence[Source], repetitions: int, seconds: float, *, cpu_time: bool = False
) -> list[Rate]:
    """Time the sources in turns, A B C A B C ..., after one round that is not counted.

    A turn goes on for at least `seconds`: a busy machine lends a short burst more than its share, so that a fast worker
    timed in bursts would be flattered beside a slow one.

    Args:
        sources: what to time.
        repetitions: turns of each that count.
        seconds: of a turn, at least.
        cpu_time: count the seconds in which a core works for this process, over all its threads, not those on the wall:
            what other processes take of the core does not count then, and neither does waiting.
    """
    clock = time.process_time if cpu_time else time.perf_counter
    rates: list[list[float]] = [[] for _ in sources]
    totals = [0] * len(sources)
    for repetition in range(-1, repetitions):
        for place, source in enumerate(sources):
            images, elapsed = _turn(source, 0.0 if repetition < 0 else seconds, clock)
            if repetition >= 0:
                rates[place].append(images / elapsed)
                totals[place] += images
    return [Rate(tuple(each), total) for each, total in zip(rates, totals, strict=True)]


def _turn(source: Source, seconds: float, clock: Callable[[], float]) -> tuple[int, float]:
    """Return the images made in at least `seconds`, and the seconds that took."""
    with closing(source()) as work:
        next(work)
        images, elapsed = 0, 0.0
        started = clock()
        while images == 0 or elapsed < seconds:
            images += next(work)
            elapsed = clock() - started
    return images, elapsed
