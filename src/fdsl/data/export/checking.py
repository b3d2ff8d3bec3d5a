"""Checking an export against its manifest, and making again what is missing or damaged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdsl.cores import usable_cores
from fdsl.data.export import unfinished
from fdsl.data.export.card import CARD_FILE, dataset_card
from fdsl.data.export.layouts import Layout, Stored
from fdsl.data.export.manifest import MANIFEST_FILE, Manifest, read_manifest
from fdsl.data.export.plan import Plan
from fdsl.data.export.processes import make_here, make_in_processes
from fdsl.data.export.records import Record
from fdsl.data.export.stores import UNFINISHED, Store, open_store
from fdsl.data.export.work import layout_of
from fdsl.data.order import permuted
from fdsl.errors import DataError, InputError, check_float, check_int, first_line
from fdsl.render import Renderer

AS_LISTED = ", though the digest is that of the manifest: render it anew"
Progress = Callable[[int], None]
"""Is told of images that were looked at."""


@dataclass(frozen=True)
class Problem:
    """Something that is not as the manifest says.

    Attributes:
        name: of a shard or a file.
        what: is wrong with it.
        shard: number of the shard that has to be made again; None if it is no shard.
        mendable: whether `repair` mends it.
    """

    name: str
    what: str
    shard: int | None = None
    mendable: bool = True


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        images: that the manifest lists.
        shards: that were checked.
        redrawn: images that were drawn again and compared.
        problems: what is wrong, by shard.
    """

    images: int
    shards: int
    redrawn: int
    problems: tuple[Problem, ...]


def verify(
    target: str | Path, *, redraw: float = 0.0, seed: int = 0, progress: Progress | None = None
) -> Checked:
    """Check the digest of every shard of an export; draw a share of its images again, and compare pixels and labels.

    Args:
        target: folder or address of a finished export.
        redraw: share of the images to draw again, 0..1; at least one if it is not 0.
        seed: chooses which.
        progress: is told of images that were looked at.

    Raises:
        InputError: there is no finished export, or an argument is out of range.
        DataError: the manifest is damaged, or of a newer version.
    """
    check_float("redraw", redraw, 0, 1)
    check_int("seed", seed, 0, 2**32 - 1)
    store = open_store(target)
    manifest = read_manifest(store)
    layout = layout_of(manifest.plan)
    tell = progress or (lambda _: None)
    with ThreadPoolExecutor(usable_cores()) as pool:
        problems = list(_digests(pool, layout, store, manifest, tell))
        damaged = {problem.shard for problem in problems}
        sound = [shard for shard in range(manifest.plan.shards) if redraw and shard not in damaged]

        def compare(shard: int) -> tuple[int, list[Problem]]:
            rows = _chosen(manifest.plan, shard, redraw, seed)
            return len(rows), _compared(layout, store, manifest, shard, rows) if rows else []

        redrawn = 0
        for count, found in pool.map(compare, sound):
            redrawn += count
            problems.extend(found)
    problems.extend(_beside(layout, store, manifest))
    return Checked(manifest.plan.images, manifest.plan.shards, redrawn, tuple(problems))


def _digests(
    pool: ThreadPoolExecutor, layout: Layout, store: Store, manifest: Manifest, tell: Progress
) -> Iterator[Problem]:
    """Yield what is wrong with the bytes of shards."""
    owners = {record.sha256: record.name for record in manifest.records}

    def check(record: Record) -> Problem | None:
        if record.name != layout.name(record.shard):
            raise DataError(
                f"{store.describe(MANIFEST_FILE)} must call shard {record.shard} {layout.name(record.shard)}, "
                f"got {record.name!r:.200}"
            )
        what = _wrong(layout, store, record, owners, other=bool(manifest.changed))
        return None if what is None else Problem(record.name, what, record.shard)

    for record, problem in zip(manifest.records, pool.map(check, manifest.records), strict=True):
        tell(record.images)
        if problem is not None:
            yield problem


def _wrong(
    layout: Layout, store: Store, record: Record, owners: dict[str, str], *, other: bool
) -> str | None:
    """Return what is wrong with a shard, None if nothing is; `other` libraries cannot tell which of its files it is."""
    try:
        size, sha256 = layout.digest(record.shard, store)
    except (FileNotFoundError, NotADirectoryError) as error:
        lost = "" if layout.is_one_file else f": {error.filename}"
        return f"missing{lost}"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}: {error.filename}"
    if sha256 == record.sha256:
        return None
    if sha256 in owners:
        return f"swapped: it holds what {owners[sha256]} should"
    if size < record.bytes:
        found = f"cut short: {size:,} of {record.bytes:,} bytes"
    elif size > record.bytes:
        found = f"too long: {size:,} bytes where there were {record.bytes:,}"
    else:
        found = "edited: its SHA-256 is not that of the manifest"
    return found if other else f"{found}{layout.details(record.shard, store)}"


def _chosen(plan: Plan, shard: int, share: float, seed: int) -> list[int]:
    """Return the places in a shard of its images that are drawn again: of all shards so many as `verify` says.

    Those are chosen that a shuffle moves to the front. It knows where each goes, so that no list of all is made.
    """
    count = max(1, round(share * plan.images))
    return np.flatnonzero(permuted(plan.positions(shard), plan.images, seed, 0) < count).tolist()


def _compared(
    layout: Layout, store: Store, manifest: Manifest, shard: int, rows: Sequence[int]
) -> list[Problem]:
    """Return what is wrong with the images at `rows` of a shard, a few of which are in memory at a time."""
    plan = manifest.plan
    begin, name = plan.positions(shard).start, manifest.records[shard].name
    renderer = Renderer(plan.config.size, plan.config.lines, 1)
    because = (
        f" (made with other libraries: {', '.join(manifest.changed)})" if manifest.changed else AS_LISTED
    )
    problems = []
    files, at_once = layout.read(shard, store, rows), plan.drawn_at_once
    for some in range(0, len(rows) + 1, at_once):  # the last time it asks for more than there may be
        now = rows[some : some + at_once]
        try:
            stored = list(islice(files, at_once))
            if len(stored) != len(now):
                raise DataError(f"{some + len(stored)} of its images were found, not {some + len(now)}")
        except Exception as error:  # noqa: BLE001 (whatever a reader of tar, Parquet or pictures raises)
            return [Problem(name, f"cannot be read: {first_line(error)}{AS_LISTED}", mendable=False)]
        if not now:
            break
        identity = plan.identify([begin + row for row in now])
        images = plan.draw(identity, renderer)
        for found, label, drawn in zip(stored, identity.categories.tolist(), images, strict=True):
            what = _differs(plan, found, label, drawn)
            if what is not None:
                problems.append(Problem(f"{name}, {found.name}", f"{what}{because}", mendable=False))
    return problems


def _differs(plan: Plan, found: Stored, label: int, drawn: NDArray[np.uint8]) -> str | None:
    """Return how a stored image differs from the one drawn now, None if it does not."""
    if found.label != label:
        return f"its label is {found.label}, that of its formula {label}"
    try:
        pixels = plan.encoder.decode(found.content)
    except Exception as error:  # noqa: BLE001 (whatever Pillow or NumPy raise for something that is no image)
        return f"it cannot be decoded: {first_line(error)}"
    if not plan.encoder.lossless:
        drawn = plan.encoder.decode(plan.encoder.encode(drawn))
    if pixels.ndim > drawn.ndim:  # colour of gray, which is all that WebP has
        drawn = np.repeat(drawn[..., None], 3, axis=-1)
    if pixels.shape != drawn.shape:
        return f"it is {' x '.join(map(str, pixels.shape))}, drawn now {' x '.join(map(str, drawn.shape))}"
    if count := int((pixels != drawn).sum()):
        return f"{count:,} of {drawn.size:,} values differ from those drawn now"
    return None


def _beside(layout: Layout, store: Store, manifest: Manifest) -> Iterator[Problem]:
    """Yield what is wrong with files beside the shards: lists that differ, and images that nobody listed."""
    for name, text in layout.extras(manifest.records).items():
        if store.size(name) is None:
            yield Problem(name, "missing")
        elif store.read(name) != text.encode():
            yield Problem(name, "edited")
    if store.size(CARD_FILE) is None:
        yield Problem(CARD_FILE, "missing", mendable=not manifest.changed)
    strays = [name for name in store.names() if layout.holds(name) and not layout.lists(name)]
    for name in strays:
        yield Problem(
            name, "not in the manifest, but readers would take it for a part of the dataset", mendable=False
        )
    if store.has(UNFINISHED):
        yield Problem(UNFINISHED, "left by a process that was killed, or that is at work")


def repair(
    target: str | Path, *, workers: int | None = None, progress: Progress | None = None
) -> list[Problem]:
    """Make again the shards of an export that are missing or damaged; return what was found.

    Args:
        target: folder or address of a finished export.
        workers: processes; None for as many as there are cores.
        progress: is told of images that were looked at or written.

    Raises:
        InputError: there is no finished export, or the libraries here are not those that made it.
        DataError: the manifest is damaged, or a shard comes out otherwise than it says.
    """
    if workers is not None:
        check_int("workers", workers, 1)
    store = open_store(target)
    manifest = read_manifest(store)
    layout = layout_of(manifest.plan)
    tell = progress or (lambda _: None)
    found = list(verify(target, progress=progress).problems)
    shards = sorted({problem.shard for problem in found if problem.shard is not None})
    if shards and manifest.changed:
        raise InputError(
            f"repair needs the libraries that made the files, or bytes would differ: {', '.join(manifest.changed)}"
        )
    texts = layout.extras(manifest.records)
    texts = {name: text for name, text in texts.items() if any(problem.name == name for problem in found)}
    if any(problem.name == CARD_FILE and problem.mendable for problem in found):
        texts[CARD_FILE] = dataset_card(manifest.plan, manifest.records)
    if shards or texts or store.has(UNFINISHED):
        with store.claim(unfinished.REPAIR_LOCK):
            _make_again(layout, store, manifest, shards, workers, tell)
            for name, text in texts.items():
                store.write(name, text.encode())
        store.remove(UNFINISHED)
    return found


def _make_again(
    layout: Layout,
    store: Store,
    manifest: Manifest,
    shards: Sequence[int],
    workers: int | None,
    tell: Progress,
) -> None:
    """Draw shards, and check that they are as the manifest says."""
    count = min(len(shards), usable_cores() if workers is None else workers)
    if count > 1 and store.is_shared:
        make_in_processes(layout, store, shards, count, lambda images, _: tell(images))
    else:
        make_here(layout, store, shards, lambda images, _: tell(images))
    made = unfinished.finished(store, layout)
    if wrong := [shard for shard in shards if made.get(shard) != manifest.records[shard]]:
        raise DataError(f"{manifest.records[wrong[0]].name} must come out as the manifest says, but differs")
