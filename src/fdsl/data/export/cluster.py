"""Shards made by Ray Data, on this machine or a cluster."""

from __future__ import annotations

import logging
import os
import re
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Layout, Told
from fdsl.data.export.stores import Store
from fdsl.data.export.work import libraries, make_shard, workplace
from fdsl.errors import DataError, FdslError, InputError, first_line

MOST_TASKS = 2000
"""Tasks that Ray Data is given: it prepares each before the first begins, 21,000 of them in half a minute."""
OBJECT_STORE = 100 << 20
"""Bytes of memory for what tasks hand on, of a Ray that is started here: two numbers a shard; 75 MB is Ray's least."""
CONNECT_SECONDS = 10
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
"""Settings of Ray against messages of its own."""
IMPATIENT = {"RAY_NUM_REDIS_GET_RETRIES": "1"}
"""Settings of Ray for an address: it would try for a quarter of an hour instead of 40 s."""


def make_by_ray(
    layout: Layout, store: Store, shards: Sequence[int], workers: int | None, told: Told, address: str | None
) -> None:
    """Make shards as rows of a Ray dataset, one at a time on each core; whose worker is lost is made by another.

    Args:
        layout: of the files.
        store: where they go: a folder that all machines share, or an object store.
        shards: their numbers.
        workers: how many at a time; None for as many as there are cores.
        told: is told of each shard that is done.
        address: of a cluster, HOST:PORT or auto; None starts Ray on this machine and stops it afterwards.

    Raises:
        InputError: Ray is not installed, or there is none at the address.
        OSError, FdslError: what a worker raised.
    """
    if address is not None:
        _check_address(address)
    for name, value in {**QUIET, **({} if address is None else IMPATIENT)}.items():
        os.environ.setdefault(name, value)  # some are read when Ray is imported
    try:
        import ray.data
    except ModuleNotFoundError as error:
        raise InputError('engine ray needs Ray Data, got none: pip install "fdsl[ray]"') from error
    work = _Work(layout.plan.config, _everywhere(store.target), tuple(libraries(layout.plan).items()))
    with _running(address, workers):
        rows = [{"shard": shard} for shard in shards]
        data = ray.data.from_items(rows, override_num_blocks=min(len(rows), MOST_TASKS))
        at_once = None if workers is None else min(workers, len(rows), MOST_TASKS)
        made = data.map(work, num_cpus=1, compute=ray.data.TaskPoolStrategy(size=at_once))
        try:
            for row in made.iter_rows():
                told(row["images"], row["bytes"])
        except ray.exceptions.RayError as error:
            raise _said(error) from error


class _Work:
    """Makes the shard of a row."""

    def __init__(self, config: ExportConfig, target: str, versions: tuple[tuple[str, str], ...]) -> None:
        self._told = (config, target, versions)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        record = make_shard(*workplace(*self._told), int(row["shard"]), lambda *_: None)
        return {"images": record.images, "bytes": record.bytes}


def _everywhere(target: str) -> str:
    """Return a target as a worker finds it, which runs in another folder."""
    return target if "://" in target else os.path.abspath(target)


def _check_address(address: str) -> None:
    """Find out quickly whether anything is there: Ray itself takes minutes to say that nothing is."""
    if address == "auto":
        return
    found = re.fullmatch(r"\[?([^/\[\]]+?)\]?:(\d{1,5})", address)
    if found is None:
        raise InputError(f"address must be HOST:PORT of a Ray cluster, or auto, got {address!r}")
    try:
        socket.create_connection((found[1], int(found[2])), CONNECT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise InputError(f"address must be of a Ray cluster that runs, got {address}: {error}") from error


@contextmanager
def _running(address: str | None, workers: int | None) -> Iterator[None]:
    """Have Ray run and be quiet; one that ran before goes on running."""
    import ray

    ours = not ray.is_initialized()
    if ours:
        here: dict[str, Any] = (
            {"num_cpus": workers, "include_dashboard": False, "object_store_memory": OBJECT_STORE}
            if address is None
            else {}
        )
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            if address is None:
                raise DataError(f"Ray cannot be started here: {error}") from error
            raise InputError(f"address must be of a Ray cluster that runs, got {address}: {error}") from error
    context, log = ray.data.DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, context.raise_original_map_exception, log.level
    context.enable_progress_bars = False
    context.raise_original_map_exception = True  # the one around it forgets its cause on the way here
    log.setLevel(logging.CRITICAL)  # an error it would show with its traceback; we raise it
    try:
        yield
    finally:
        context.enable_progress_bars, context.raise_original_map_exception = before[:2]
        log.setLevel(before[2])
        if ours:
            ray.shutdown()


def _said(error: BaseException) -> Exception:
    """Return what a worker raised: Ray wraps it, and Ray Data once more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (OSError, FdslError)):
            return cause
        last, cause = cause, getattr(cause, "cause", None) or cause.__cause__
    return DataError(f"Ray could not make a shard: {first_line(last)}")
