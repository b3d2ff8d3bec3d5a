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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_dir

from fdsl.cores import usable_cores
from fdsl.errors import DataError
from fdsl.files import write_json

Test = Callable[[NDArray[np.int64]], NDArray[np.bool_]]
"""Takes candidate numbers [B] and says which are accepted, bool [B]. Called from several threads at once."""

BLOCK = 128
MOST_CANDIDATES = 2**31

_found: dict[str, NDArray[np.int64]] = {}


def cache_folder() -> Path:
    """Return where searches are kept: $FDSL_CACHE, or the user's cache folder."""
    return Path(os.environ.get("FDSL_CACHE") or user_cache_dir("fdsl"))


def find(definition: dict[str, Any], test: Test, count: int) -> NDArray[np.int64]:
    """Return the numbers of the first `count` accepted candidates, int64 [count], ascending.

    Args:
        definition: all that the answer depends on, JSON-able; it names the file.
        test: the acceptance rule.

    Raises:
        DataError: `count` were not found among 2^31 candidates.
    """
    text = json.dumps(definition, sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    known = _found.get(digest, np.empty(0, np.int64))
    if len(known) < count:
        file = cache_folder() / f"{definition['family']}-{digest[:20]}.json"
        known, tested = _read(file)
        if len(known) < count:
            known, tested = _search(test, known, tested, count)
            _write(file, definition, known, tested)
        _found[digest] = known
    return known[:count]


def _search(test: Test, known: NDArray[np.int64], tested: int, count: int) -> tuple[NDArray[np.int64], int]:
    parts = [known]
    missing = count - len(known)
    cores = usable_cores()
    with ThreadPoolExecutor(cores) as pool:
        while missing > 0:
            if tested >= MOST_CANDIDATES:
                raise DataError(f"only {count - missing} of {count} categories among {tested} candidates")
            starts = range(tested, tested + 2 * cores * BLOCK, BLOCK)
            blocks = [np.arange(start, start + BLOCK) for start in starts]
            for block, good in zip(blocks, pool.map(test, blocks), strict=True):
                parts.append(block[good])
                missing -= int(good.sum())
            tested = starts[-1] + BLOCK
    return np.concatenate(parts), tested


def _checksum(known: list[int], tested: int) -> str:
    return hashlib.sha256(json.dumps([known, tested]).encode()).hexdigest()


def _read(file: Path) -> tuple[NDArray[np.int64], int]:
    """Return what an earlier search left; nothing if there is none or the file is damaged (it is then found again)."""
    try:
        kept = json.loads(file.read_text())
        if kept["sha256"] == _checksum(kept["accepted"], kept["tested"]):
            return np.array(kept["accepted"], np.int64), int(kept["tested"])
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return np.empty(0, np.int64), 0


def _write(file: Path, definition: dict[str, Any], known: NDArray[np.int64], tested: int) -> None:
    """Keep the result. Two processes may write at once: both write the same, and each by renaming."""
    accepted = [int(number) for number in known]
    content = {"definition": definition, "accepted": accepted, "tested": tested}
    try:
        write_json(file, {**content, "sha256": _checksum(accepted, tested)})
    except OSError as error:  # a read-only home must not stop anyone: the search costs seconds
        warnings.warn(f"the category search could not be kept in {file.parent}: {error}", stacklevel=3)
