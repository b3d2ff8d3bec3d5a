"""Time on a GPU: events before and after the work on a stream beside the default one. In the simulator, the wall's."""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from fdsl.bench.timing import Rate, six_digits
from fdsl.errors import InputError

DRIVER = Path("/proc/driver/nvidia/version")
COPIED = {True: 1 << 24, False: 1 << 30}
"""Bytes that are copied for the bandwidth, in the simulator and on a GPU, whose caches hold 50 MB."""
MOST_CALLS = 2000
"""Of a turn: what takes next to no time is not asked for without end."""

Work = Callable[[int], int]
"""Asks for piece n of some work, without waiting for it; returns how many images (or bytes) that is."""


class Clock(Protocol):
    """Where kernels run, and how long they take there."""

    @property
    def device(self) -> torch.device:
        """Where the images are."""

    @property
    def index(self) -> int:
        """The number of the GPU."""

    @property
    def stream(self) -> int:
        """Handle of the CUDA stream that is timed."""

    @property
    def simulated(self) -> bool:
        """Whether these are the times of numba-cuda's simulator, which say nothing of a GPU."""

    def memory(self, images: Tensor) -> Any:
        """Return images as `CudaRenderer` takes them."""

    def seconds(self, work: Callable[[], object]) -> float:
        """Return how long it takes until all that `work` asks for is done; everything before it is."""


class EventClock:
    """The clock of a GPU."""

    simulated = False

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.index = torch.cuda.current_device() if device.index is None else device.index
        self._stream = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self.stream: int = self._stream.cuda_stream

    def memory(self, images: Tensor) -> Any:
        return images

    def seconds(self, work: Callable[[], object]) -> float:
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        # also what was filled on the default stream, which the other one does not wait for
        torch.cuda.synchronize(self.device)
        with torch.cuda.stream(self._stream):
            begin.record(self._stream)
            work()
            end.record(self._stream)
        end.synchronize()
        return float(begin.elapsed_time(end)) / 1000


class WallClock:
    """The clock of the simulator, whose kernels are done when they return."""

    simulated = True
    device = torch.device("cpu")
    index = stream = 0

    def memory(self, images: Tensor) -> Any:
        return images.numpy()

    def seconds(self, work: Callable[[], object]) -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began


def open_clock() -> Clock:
    """Return the clock of the GPU that torch uses, or the simulator's where NUMBA_ENABLE_CUDASIM=1 asks for that.

    Raises:
        InputError: there is neither, or numba-cuda is missing.
    """
    from fdsl.render.cuda import compiled

    if compiled.SIMULATED:
        return WallClock()
    if torch.version.cuda is None or not torch.cuda.is_available():
        raise InputError(
            "bench gpu must run where torch finds an NVIDIA GPU, and here it finds none; "
            "NUMBA_ENABLE_CUDASIM=1 runs all of it in numba-cuda's simulator, to see that it runs"
        )
    return EventClock(torch.device("cuda", torch.cuda.current_device()))


def timed(clock: Clock, works: Sequence[Work], repetitions: int, seconds: float) -> list[Rate]:
    """Time `works` in turns, A B A B ..., each turn so many calls that it takes about `seconds`.

    Each is done twice before: the first call compiles, the second says how many calls fill a turn.
    """
    numbers = [count() for _ in works]

    def turn(place: int, calls: int) -> tuple[int, float]:
        done: list[int] = []
        ask = works[place]
        elapsed = clock.seconds(lambda: done.extend(ask(next(numbers[place])) for _ in range(calls)))
        return sum(done), elapsed

    calls = []
    for place in range(len(works)):
        turn(place, 1)
        _, once = turn(place, 1)
        calls.append(min(MOST_CALLS, max(1, math.ceil(seconds / max(once, 1e-9)))))
    rates: list[list[float]] = [[] for _ in works]
    totals = [0] * len(works)
    for _ in range(repetitions):
        for place in range(len(works)):
            images, elapsed = turn(place, calls[place])
            rates[place].append(images / elapsed)
            totals[place] += images
    return [Rate(tuple(each), total) for each, total in zip(rates, totals, strict=True)]


def bandwidth(clock: Clock, repetitions: int, seconds: float) -> float:
    """Return the bytes a second that a large copy within the memory reads and writes, both counted."""
    source = torch.ones(COPIED[clock.simulated], dtype=torch.uint8, device=clock.device)
    target = torch.empty_like(source)

    def copy(_n: int) -> int:
        target.copy_(source)
        return 2 * len(source)

    [rate] = timed(clock, [copy], repetitions, seconds)
    return statistics.median(rate.each)


def gpu_facts(clock: Clock, bytes_per_second: float) -> dict[str, Any]:
    """Return what the GPU is, for the machine's facts, and the bandwidth that was measured."""
    facts: dict[str, Any] = {"simulated": clock.simulated}
    if not clock.simulated:
        properties = torch.cuda.get_device_properties(clock.device)
        facts |= {
            "gpu": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "multiprocessors": properties.multi_processor_count,
            "memory": properties.total_memory,
            "cuda": torch.version.cuda,
            "driver": _driver(),
        }
    return facts | {"bandwidth": six_digits(bytes_per_second)}


def _driver() -> str:
    """Return the version of the driver, as its kernel module tells it."""
    text = DRIVER.read_text(errors="replace") if DRIVER.exists() else ""
    found = re.search(r"\b\d{3}\.\d+(?:\.\d+)?\b", text)
    return found[0] if found else "unknown"
