"""An export that is not done: its plan, and a record of each shard that is whole, in a folder that goes when it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from fdsl.data.export.layouts import Layout
from fdsl.data.export.manifest import MANIFEST_FILE, differences, read_manifest
from fdsl.data.export.plan import Plan
from fdsl.data.export.records import Record
from fdsl.data.export.store import UNFINISHED, Store
from fdsl.errors import DataError, FdslError, InputError

PLAN_FILE = f"{UNFINISHED}/plan.json"
RECORDS = f"{UNFINISHED}/shards"
READERS = 16
"""Records that are read at once: in an object store each takes its time."""


def begin(store: Store, plan: Plan) -> bool:
    """Prepare a store for a plan; return whether all of it is there already.

    Raises:
        InputError: the store holds an export with other parameters, or other files.
        DataError: what it holds is damaged.
    """
    if is_finished(store):
        manifest = read_manifest(store)
        _check_same(store, manifest.written, plan)
        store.remove(UNFINISHED)  # what a process left that was killed just before it did so
        return True
    if store.size(PLAN_FILE) is None:
        if not store.is_empty():
            raise InputError(
                f"out must be a new or empty folder, or an export to go on with, got {store.target}"
            )
        store.write(PLAN_FILE, json.dumps(plan.to_json()).encode())
    try:
        written = json.loads(store.read(PLAN_FILE))
    except ValueError as error:
        raise DataError(f"{store.describe(PLAN_FILE)} is damaged: {error}") from error
    _check_same(store, written, plan)
    return False


def _check_same(store: Store, written: object, plan: Plan) -> None:
    here = plan.to_json()
    if written == here:
        return
    if not isinstance(written, dict):
        raise DataError(f"{store.describe(PLAN_FILE)} is damaged: it holds no plan")
    # the definition says again what the config does, and what only a new version of a family would change
    parts = [name for name in ("config", "versions", "definition") if written.get(name) != here[name]]
    found = (
        ", ".join(list(differences({parts[0]: written.get(parts[0])}, {parts[0]: here[parts[0]]})))
        if parts
        else ""
    )
    raise InputError(f"out must be free for this export, got {store.target}, which holds another: {found}")


def record_file(shard: int) -> str:
    """Return where the record of a shard lies."""
    return f"{RECORDS}/{shard}.json"


def keep(store: Store, record: Record) -> None:
    """Say that a shard is whole."""
    store.write(record_file(record.shard), json.dumps(record.to_json()).encode())


def finished(store: Store, layout: Layout) -> dict[int, Record]:
    """Return the records of the shards that are whole: said to be, and files of so many bytes are there."""
    numbers = [
        int(stem)
        for name in store.names(RECORDS)
        if (stem := name.rpartition("/")[2].removesuffix(".json")).isdecimal()
    ]
    with ThreadPoolExecutor(READERS) as pool:
        found = pool.map(lambda shard: _whole(store, layout, shard), numbers)
        return {record.shard: record for record in found if record is not None}


def _whole(store: Store, layout: Layout, shard: int) -> Record | None:
    where = store.describe(record_file(shard))
    try:
        record = Record.from_json(json.loads(store.read(record_file(shard))), where)
    except (ValueError, FdslError, FileNotFoundError):  # a record is worth a second of drawing
        return None
    return record if record.shard == shard and layout.sizes(shard, store) == record.bytes else None


def is_finished(store: Store) -> bool:
    """Whether the manifest is there."""
    return store.size(MANIFEST_FILE) is not None


def finish(store: Store, layout: Layout, records: Sequence[Record], card: str, manifest: str) -> None:
    """Write what stands beside the shards, the manifest last, and forget that the export was unfinished."""
    with store.alone(f"{UNFINISHED}/finish.lock"):
        if not is_finished(store):  # another part may have been quicker
            for name, text in {**layout.extras(records), "README.md": card, MANIFEST_FILE: manifest}.items():
                store.write(name, text.encode())
            store.remove(UNFINISHED)
