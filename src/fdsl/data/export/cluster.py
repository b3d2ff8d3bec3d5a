"""Shards made by Ray Data, on this machine or a cluster."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Layout, Told
from fdsl.data.export.store import Store
from fdsl.data.export.work import make_shard, workplace
from fdsl.errors import DataError, FdslError, InputError, first_line

RETRIES = 3
"""How often Ray starts a shard anew whose worker or machine was lost."""


def make_by_ray(
    layout: Layout, store: Store, shards: Sequence[int], workers: int | None, told: Told, address: str | None
) -> None:
    """Make shards as tasks of Ray, one a core, each a row of a Ray dataset.

    Args:
        layout: of the files.
        store: where they go: a folder that all machines share, or an object store.
        shards: their numbers.
        workers: how many at a time; None for as many as there are cores.
        told: is told of each shard that is done.
        address: of a cluster, as `ray.init` takes it; None starts Ray on this machine and stops it afterwards.

    Raises:
        InputError: Ray is not installed, or there is none at the address.
        OSError, FdslError: what a worker raised.
    """
    try:
        import ray.data
    except ModuleNotFoundError as error:
        raise InputError('engine ray needs Ray Data, got none: pip install "fdsl[ray]"') from error
    plan = layout.plan
    told_once = (plan.config, _everywhere(store.target), tuple(plan.versions.items()))
    with _running(address, workers):
        data = ray.data.from_items([{"shard": shard} for shard in shards], override_num_blocks=len(shards))
        made = data.map(_Work(*told_once), num_cpus=1, concurrency=workers, max_retries=RETRIES)
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


@contextmanager
def _running(address: str | None, workers: int | None) -> Iterator[None]:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ours = not ray.is_initialized()
    if ours:
        here: dict[str, Any] = {"num_cpus": workers, "include_dashboard": False} if address is None else {}
        try:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **here)
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise InputError(
                f"address must be of a Ray cluster that runs, got {address}: {first_line(error)}"
            ) from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        yield
    finally:
        if ours:
            ray.shutdown()


def _said(error: BaseException) -> Exception:
    """Return what a worker raised: Ray wraps it, and Ray Data once more."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, (OSError, FdslError)):
            return cause
        cause = getattr(cause, "cause", None) or cause.__cause__
    return DataError(f"Ray could not make a shard: {first_line(error)}")
