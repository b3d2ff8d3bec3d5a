"""A shard's worth of work, the same whoever does it: this process, one of several, or a machine of a cluster."""

from __future__ import annotations

from functools import lru_cache

from fdsl import __version__
from fdsl.data.export import unfinished
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.layouts import Folders, Layout, Told
from fdsl.data.export.manifest import differences
from fdsl.data.export.plan import Plan, make_plan
from fdsl.data.export.records import Record
from fdsl.data.export.stores import Store, open_store
from fdsl.errors import InputError


def layout_of(plan: Plan) -> Layout:
    """Return how a plan's files lie."""
    if plan.config.format == "webdataset":
        from fdsl.data.export.tars import Tars

        return Tars(plan)
    if plan.config.format == "parquet":
        from fdsl.data.export.tables import Tables

        return Tables(plan)
    return Folders(plan)


def make_shard(layout: Layout, store: Store, shard: int, told: Told) -> Record:
    """Draw a shard, write it, and then its record."""
    try:
        record = layout.write(shard, store, told)
        unfinished.keep(store, record)
    finally:
        store.rest()
    return record


def libraries(plan: Plan) -> dict[str, str]:
    """Return the versions that all who make an export's shards have in common."""
    return {"fdsl": __version__, **plan.versions}


@lru_cache(maxsize=1)
def workplace(
    config: ExportConfig, target: str, versions: tuple[tuple[str, str], ...]
) -> tuple[Layout, Store]:
    """Return what a process needs to make shards, prepared once.

    Raises:
        InputError: the libraries here are not of the versions that the export began with.
    """
    plan = make_plan(config)
    if changed := ", ".join(differences(dict(versions), libraries(plan))):
        raise InputError(
            f"workers must have the libraries of the process that began, got {changed}: bytes would differ"
        )
    return layout_of(plan), open_store(target)
