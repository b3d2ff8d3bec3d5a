"""One core for all that is timed, threads of libraries included."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fdsl.errors import InputError

THREADS = Path("/proc/self/task")
"""Has a folder for each thread of this process: Linux gives cores to threads, and new ones take after their maker."""


@contextmanager
def one_core() -> Iterator[int]:
    """Keep every thread of this process on its last core, and yield that core's number; give all back afterwards.

    The last, because interrupts go to the first.

    Raises:
        InputError: the system does not let a process choose its cores.
    """
    if not hasattr(os, "sched_setaffinity") or not THREADS.is_dir():
        raise InputError("one core must be measured where threads can be kept on it: on Linux")
    here = os.sched_getaffinity(0)
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    core = max(here)
    try:
        for thread in before:
            _keep(thread, {core})
        yield core
    finally:
        for thread in _threads():
            _keep(thread, before.get(thread, here))


def _threads() -> list[int]:
    return [int(folder.name) for folder in THREADS.iterdir()]


def _keep(thread: int, cores: set[int]) -> None:
    with suppress(ProcessLookupError):  # it may have ended since it was listed
        os.sched_setaffinity(thread, cores)
