"""Rendering a dataset to files: what is there already is kept, what is not is made by an engine, the rest is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fdsl.cores import usable_cores
from fdsl.data.export import unfinished
from fdsl.data.export.card import dataset_card
from fdsl.data.export.cluster import make_by_ray
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Layout
from fdsl.data.export.manifest import manifest_text, read_manifest
from fdsl.data.export.plan import make_plan
from fdsl.data.export.processes import make_here, make_in_processes
from fdsl.data.export.records import Record
from fdsl.data.export.stores import UNFINISHED, Store, open_store
from fdsl.data.export.work import layout_of
from fdsl.errors import DataError, InputError, check_choice, check_int

Engine = Literal["local", "ray"]
Progress = Callable[[int, int, int], None]
"""Is told how many images there are, how many of them are written, and their bytes."""
MOST_WORKERS = 1024


@dataclass(frozen=True)
class Exported:
    """How far an export has come.

    Attributes:
        images: that are written, of all shards.
        bytes: of the shards that are written.
        shards: that are written.
        missing: shards that are not: other parts make them.
        made: images that this call wrote.
    """

    images: int
    bytes: int
    shards: int
    missing: int
    made: int


def export_dataset(
    config: ExportConfig,
    out: str | Path,
    *,
    workers: int | None = None,
    engine: Engine = "local",
    address: str | None = None,
    part: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
) -> Exported:
    """Write a dataset's images as files, with a manifest and a card; what an earlier call wrote is kept.

    The bytes depend on `config`, and on the versions of the libraries that encode: neither on the engine, nor on
    workers or parts, nor on where an earlier call was stopped. Called from a script with several workers, it belongs
    under `if __name__ == "__main__":`, as all that starts processes.

    Args:
        config: what to write.
        out: a folder, or an address that fsspec opens, such as s3://bucket/name: new, empty, or of an export with the
            same config.
        workers: processes; None for as many as there are cores.
        engine: "local", or "ray" for Ray Data.
        address: of a Ray cluster; None starts Ray on this machine.
        part: (i, n) makes the i-th of n parts alone, 1..n; who makes the last shard of all finishes the export.
        progress: is told how far it is.

    Raises:
        InputError: an argument is out of range, or `out` holds something else.
        DataError: what `out` holds is damaged.
        OSError: a file cannot be written; shards that are whole are kept.
    """
    check_choice("engine", engine, get_args(Engine))
    if workers is not None:
        check_int("workers", workers, 1, MOST_WORKERS)
    if address is not None and engine != "ray":
        raise InputError(
            f"address must be left out with engine {engine}, got {address!r}: it is of a Ray cluster"
        )
    number, parts = part
    check_int("shard", number, 1, check_int("shards", parts, 1))
    layout = layout_of(make_plan(config))
    store, made = open_store(out), None
    if not unfinished.begin(store, layout.plan):
        with store.claim(f"{UNFINISHED}/part-{number}-of-{parts}.lock"):
            try:
                if not unfinished.is_finished(store):
                    made = _make(layout, store, workers, engine, address, part, progress)
            except FileNotFoundError:  # another process has finished it meanwhile, and cleared away
                if not unfinished.is_finished(store):
                    raise
    if made is not None and not unfinished.is_finished(store):
        return made
    unfinished.clear(store)
    return made if made is not None and not made.missing else _complete(layout, store, made)


def _make(
    layout: Layout,
    store: Store,
    workers: int | None,
    engine: Engine,
    address: str | None,
    part: tuple[int, int],
    progress: Progress | None,
) -> Exported:
    """Make the shards of a part that are not there; finish the export if none is missing."""
    plan, (number, parts) = layout.plan, part
    kept = unfinished.finished(store, layout)
    mine = [shard for shard in range(number - 1, plan.shards, parts) if shard not in kept]
    told = _Told(plan.images, kept.values(), progress)
    if mine:
        # finds all categories, once for all workers
        plan.family.table(plan.config.seed, [plan.family.classes - 1], [0])
        count = min(len(mine), usable_cores() if workers is None else workers)
        if not store.is_shared and (engine == "ray" or count > 1):
            raise InputError(
                f"workers must be 1 and engine local with {store.target}, which is of this process alone"
            )
        if engine == "ray":
            make_by_ray(layout, store, mine, workers, told, address)
        elif count == 1:
            make_here(layout, store, mine, told)
        else:
            make_in_processes(layout, store, mine, count, told)
    found = unfinished.finished(store, layout)
    records = [found[shard] for shard in sorted(found)]
    if len(records) == plan.shards:
        unfinished.finish(store, layout, records, dataset_card(plan, records), manifest_text(plan, records))
    return _exported(layout, records, told.made)


class _Told:
    """Adds up what was written."""

    def __init__(self, images: int, kept: Iterable[Record], progress: Progress | None) -> None:
        self._images, self._progress, self.made = images, progress, 0
        records = list(kept)
        self._done = sum(record.images for record in records)
        self._bytes = sum(record.bytes for record in records)
        self(0, 0)

    def __call__(self, images: int, size: int) -> None:
        self.made += images
        self._done += images
        self._bytes += size
        if self._progress is not None:
            self._progress(self._images, self._done, self._bytes)


def _exported(layout: Layout, records: list[Record], made: int) -> Exported:
    return Exported(
        images=sum(record.images for record in records),
        bytes=sum(record.bytes for record in records),
        shards=len(records),
        missing=layout.plan.shards - len(records),
        made=made,
    )


def _complete(layout: Layout, store: Store, made: Exported | None) -> Exported:
    """Return what a finished export holds, after a look at whether it is all there."""
    records = list(read_manifest(store).records)
    lost = [record.name for record in records if layout.sizes(record.shard, store) != record.bytes]
    if lost:
        raise DataError(
            f"{store.target} is finished, but {len(lost)} of its shards are missing or cut short ({lost[0]}): "
            f"fdsl repair {store.target}"
        )
    return _exported(layout, records, 0 if made is None else made.made)
