"""Category search: category k is the k-th candidate that the publication's rule accepts.

Candidates are numbered and each is drawn from its own address, so that the answer depends neither on the number of
workers nor on where an earlier search stopped. What was found is kept on disk, one small file a search, named by a
digest of all that defines it.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from fdsl.cores import usable_cores
from fdsl.errors import DataError
from fdsl.files import write_json

Test = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Takes candidate numbers [B] and says which are accepted, bool [B]. Called from several threads at once."""

FEWEST, BLOCK = 8, 128
"""Candidates tested at a time: as many as categories are wanted, within these."""
HOPELESS = 100_000
"""Candidates an accepted category may cost; the published rules take 40 and 90."""


class State(NamedTuple):
    """How far a search has come."""

    accepted: NDArray[np.int64]
    """Numbers of the accepted candidates, ascending."""
    tested: int
    """Candidates tested: all below this number."""


_found: dict[str, NDArray[np.int64]] = {}


_written: ContextVar[bool] = ContextVar("written", default=True)


@contextmanager
def unwritten() -> Iterator[None]:
    """Write no search to disk within: for whoever tries many, each once. Those that are there are read."""
    before = _written.set(False)
    try:
        yield
    finally:
        _written.reset(before)


def cache_folder() -> Path:
    """Return where searches are kept: $FDSL_CACHE, or the user's cache folder."""
    return Path(os.environ.get("FDSL_CACHE") or user_cache_dir("fdsl"))


def find(definition: dict[str, Any], test: Test, count: int) -> NDArray[np.int64]:
    """Return the numbers of the first `count` accepted candidates, int64 [count], ascending.

    Args:
        definition: all that the answer depends on, JSON-able; it names the file.
        test: the acceptance rule.

    Raises:
        DataError: the rule accepts less than one candidate in 100,000.
    """
    text = json.dumps(definition, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    if len(_found.get(digest, ())) < count:
        file = cache_folder() / f"{definition['family']}-{digest[:20]}.json"
        kept = state = _read(file)
        try:
            with ThreadPoolExecutor(usable_cores()) as pool:
                while len(state.accepted) < count:
                    if state.tested > HOPELESS * (len(state.accepted) + 1):
                        found = f"{len(state.accepted)} of {count} categories among {state.tested} candidates"
                        raise DataError(f"the rule accepts too few: {found}")
                    state = _next_round(pool, test, state, count)
        finally:  # also when interrupted: what was found need not be found again
            if _written.get() and state is not kept and state.tested > _read(file).tested:
                _write(file, definition, state)
        _found[digest] = state.accepted
    return _found[digest][:count]


def _next_round(pool: ThreadPoolExecutor, test: Test, state: State, count: int) -> State:
    # small where few are wanted: whoever moves a slider waits for a round, and half of a large one would be in vain
    size = min(max(count - len(state.accepted), FEWEST), BLOCK)
    starts = range(state.tested, state.tested + 2 * usable_cores() * size, size)
    blocks = [np.arange(start, start + size) for start in starts]
    accepted = np.concatenate(blocks)[np.concatenate(list(pool.map(test, blocks)))]
    return State(np.concatenate([state.accepted, accepted]), starts[-1] + size)


def _checksum(accepted: list[int], tested: int) -> str:
    return hashlib.sha256(json.dumps([accepted, tested]).encode()).hexdigest()


def _read(file: Path) -> State:
    """Return what an earlier search left; nothing if there is none or the file is damaged (it is then found again)."""
    try:
        kept = json.loads(file.read_text())
        if kept["sha256"] == _checksum(kept["accepted"], kept["tested"]):
            return State(np.array(kept["accepted"], np.int64), int(kept["tested"]))
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return State(np.empty(0, np.int64), 0)


def _write(file: Path, definition: dict[str, Any], state: State) -> None:
    """Keep the result. Two processes may write at once: what they write agrees, and each renames."""
    accepted = state.accepted.tolist()
    content = {"definition": definition, "accepted": accepted, "tested": state.tested}
    try:
        write_json(file, {**content, "sha256": _checksum(accepted, state.tested)})
    except OSError as error:  # a read-only home must not stop anyone: the search costs seconds
        warnings.warn(f"the category search could not be kept in {file.parent}: {error}", stacklevel=3)
