"""An export that is not done: its plan, and a record of each shard that is whole, in a folder that goes when it is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fdsl.data.export.card import CARD_FILE
from fdsl.data.export.layouts import Layout
from fdsl.data.export.manifest import MANIFEST_FILE, differences, read_manifest
from fdsl.data.export.plan import Plan
from fdsl.data.export.records import Record
from fdsl.data.export.stores import UNFINISHED, Store
from fdsl.errors import DataError, FdslError, InputError

PLAN_FILE = f"{UNFINISHED}/plan.json"
RECORDS = f"{UNFINISHED}/shards"
REPAIR_LOCK = f"{UNFINISHED}/repair.lock"
READERS = 16
"""Records that are read at once: in an object store each takes its time."""


def begin(store: Store, plan: Plan) -> bool:
    """Prepare a store for a plan; return whether all of it is there already.

    Raises:
        InputError: the store holds an export with other parameters, or other files.
        DataError: what it holds is damaged.
    """
    # in this order: the manifest is there before the plan goes
    written = _plan(store)
    if is_finished(store):
        _check_same(store, read_manifest(store).written, plan)
        return True
    if written is None and _is_free(store):
        with store.alone(f"{UNFINISHED}/plan.lock"):  # of two that begin at once one is the first
            written = _plan(store)
            if written is None and _is_free(store):
                store.write(PLAN_FILE, json.dumps(plan.to_json()).encode())
                store.rest()
                return False
    if written is None:
        return begin(store, plan)
    _check_same(store, written, plan)
    return False


def _plan(store: Store) -> dict[str, Any] | None:
    """Return what the plan says that is there, None if there is none."""
    try:
        written = json.loads(store.read(PLAN_FILE))
        if not isinstance(written, dict) or not isinstance(written.get("config"), dict):
            raise ValueError("it holds no plan")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except ValueError as error:
        raise DataError(
            f"{store.describe(PLAN_FILE)} is damaged: {error}; remove {store.target} and begin anew"
        ) from error
    return written


def _is_free(store: Store) -> bool:
    """Whether nothing is there yet; False if another process has begun meanwhile, InputError if other files are."""
    if around := store.inside(MANIFEST_FILE, PLAN_FILE):
        raise InputError(
            f"out must not lie inside another export, got {store.target} in {around}: "
            "readers would take its images for theirs"
        )
    if store.is_empty():
        return True
    if _plan(store) is None and not is_finished(store):
        raise InputError(f"out must be a new or empty folder, or an export to go on with, got {store.target}")
    return False


def _check_same(store: Store, written: dict[str, Any], plan: Plan) -> None:
    here = plan.to_json()
    if written == here:
        return
    # the definition says again what the config does, and what only a new version of a family would change
    found = next(
        (
            ", ".join(differences({name: written.get(name)}, {name: here[name]}))
            for name in ("config", "versions", "definition", "dataset")
            if written.get(name) != here[name]
        ),
        "another plan",
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
    """Write what stands beside the shards, the manifest last."""
    with store.alone(f"{UNFINISHED}/finish.lock"):
        if not is_finished(store):  # another part may have been quicker
            for name, text in {**layout.extras(records), CARD_FILE: card, MANIFEST_FILE: manifest}.items():
                store.write(name, text.encode())


def clear(store: Store) -> None:
    """Forget that a finished export was unfinished, once locks are let go of: what is open some systems keep."""
    if store.has(UNFINISHED):
        with contextlib.suppress(InputError):  # who repairs it clears it
            with store.claim(REPAIR_LOCK):
                pass
            store.remove(UNFINISHED)
