"""Shards made by processes of this machine, one a core."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Layout, Told
from fdsl.data.export.stores import Store
from fdsl.data.export.work import libraries, make_shard, workplace
from fdsl.errors import LostProcess

LOOKED_EVERY = 0.2
"""Seconds between two reports."""
PATIENCE = 1.0
"""Seconds that workers have to stop by themselves, and to remove what they were writing."""
AHEAD = 3
"""Shards for each worker that are given out at a time."""


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
    # plain memory: of a lock, whoever is killed while it holds it makes all others wait for ever
    told_by, stop = context.RawArray("q", 2 * workers), context.RawValue("b", 0)
    begun = (plan.config, store.target, tuple(libraries(plan).items()), context.Value("i", 0), told_by, stop)
    reported = [0, 0]

    def report() -> None:
        now = [sum(told_by[0::2]), sum(told_by[1::2])]
        if now != reported:
            told(now[0] - reported[0], now[1] - reported[1])
            reported[:] = now

    others = set(multiprocessing.active_children())
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=begun) as pool:
        try:
            waiting, left = iter(shards), set[Future[None]]()
            while True:
                # a few at a time: of a million shards, futures take gigabytes
                with _undisturbed():
                    left |= {pool.submit(_make, n) for n in islice(waiting, AHEAD * workers - len(left))}
                if not left:
                    break
                done, left = wait_for(left, LOOKED_EVERY, FIRST_COMPLETED)
                report()
                for future in done:
                    future.result()
        except BrokenProcessPool as error:
            raise LostProcess(
                "a worker has ended by itself, killed or out of memory (fewer --workers need less); "
                "what is finished is kept, and the same command goes on"
            ) from error
        finally:
            stop.value = 1
            late = threading.Timer(PATIENCE, _kill, [set(multiprocessing.active_children()) - others])
            late.start()
            pool.shutdown(cancel_futures=True)
            late.cancel()
            report()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let Ctrl-C wait while processes start: they inherit that they wait, as it is their parent that it is for."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _kill(workers: Iterable[BaseProcess]) -> None:
    """End workers that did not stop by themselves: they may yet be loading libraries, or draw something large."""
    for worker in workers:
        worker.kill()


class _Counter:
    """Adds up what a worker has written, where its parent sees it, and ends it when told to."""

    def __init__(self, told_by: Any, place: int, stop: Any) -> None:
        self._told_by, self._place, self._stop = told_by, 2 * place, stop

    def __call__(self, images: int, size: int) -> None:
        self._told_by[self._place] += images
        self._told_by[self._place + 1] += size
        if self._stop.value:
            raise _Stop


_work: Callable[[int], object]


def _begin(
    config: ExportConfig,
    target: str,
    versions: tuple[tuple[str, str], ...],
    begun: Any,
    told_by: Any,
    stop: Any,
) -> None:
    """Prepare a worker."""
    global _work
    end_with_parent()
    with begun.get_lock():
        place, begun.value = begun.value, begun.value + 1
    counter = _Counter(told_by, place, stop)
    _work = lambda shard: make_shard(*workplace(config, target, versions), shard, counter)  # noqa: E731


def end_with_parent() -> None:
    """Have this process end when its parent does, however that ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _make(shard: int) -> None:
    _work(shard)
