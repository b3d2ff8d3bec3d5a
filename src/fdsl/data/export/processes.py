"""Shards made by processes of this machine, one a core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any

from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Layout, Told
from fdsl.data.export.store import Store
from fdsl.data.export.work import make_shard, workplace
from fdsl.errors import LostProcess

TOLD_EVERY = 0.1
"""Seconds between two reports of a worker."""
LOOKED_EVERY = 0.2


class _Stop(Exception):
    """Ends a shard half-way: nobody wants it any more."""


def make_here(layout: Layout, store: Store, shards: Sequence[int], told: Told) -> None:
    """Make shards in this process, one after the other."""
    for shard in shards:
        make_shard(layout, store, shard, told)


def make_in_processes(layout: Layout, store: Store, shards: Sequence[int], workers: int, told: Told) -> None:
    """Make shards in `workers` new processes; when one fails, or this one is interrupted, all stop at once.

    Raises:
        LostProcess: a worker has ended by itself.
        OSError, FdslError: what a worker raised.
    """
    plan = layout.plan
    context = multiprocessing.get_context("spawn")  # a fork would inherit locks of threads that it does not
    counts = [context.Value("q", 0), context.Value("q", 0)]
    stop = context.Event()
    begun = (plan.config, store.target, tuple(plan.versions.items()), counts, stop)
    reported = [0, 0]

    def report() -> None:
        now = [count.value for count in counts]
        if now != reported:
            told(now[0] - reported[0], now[1] - reported[1])
            reported[:] = now

    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begun) as pool:
        try:
            left = {pool.submit(_make, shard) for shard in shards}
            while left:
                done, left = wait(left, LOOKED_EVERY, FIRST_EXCEPTION)
                report()
                for future in done:
                    future.result()
        except BrokenProcessPool as error:
            raise LostProcess(
                "a worker has ended by itself, killed or out of memory (fewer --workers need less); "
                "what is finished is kept, and the same command goes on"
            ) from error
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)
            report()


class Counter:
    """Adds up what a worker has written, and passes it on now and then: a lock an image would be many."""

    def __init__(self, counts: Sequence[Any], stop: Any) -> None:
        self._counts, self._stop = counts, stop
        self._held, self._due = [0, 0], 0.0

    def __call__(self, images: int, size: int) -> None:
        self._held[0] += images
        self._held[1] += size
        if (now := time.monotonic()) >= self._due:
            self._due = now + TOLD_EVERY
            self.flush()
            if self._stop.is_set():
                raise _Stop

    def flush(self) -> None:
        """Pass on what is held back."""
        for place, count in enumerate(self._counts):
            with count.get_lock():
                count.value += self._held[place]
            self._held[place] = 0


_work: Callable[[int], None]


def _begin(
    config: ExportConfig, target: str, versions: tuple[tuple[str, str], ...], counts: Sequence[Any], stop: Any
) -> None:
    global _work
    become_worker()
    counter = Counter(counts, stop)

    def work(shard: int) -> None:
        make_shard(*workplace(config, target, versions), shard, counter)
        counter.flush()

    _work = work


def become_worker() -> None:
    """Leave Ctrl-C to the parent of this process, and end when that does, however it ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait_for([sentinel])
    os._exit(1)


def _make(shard: int) -> None:
    _work(shard)
