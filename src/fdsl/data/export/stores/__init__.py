"""Where an export's files go: a folder of this machine, or what fsspec reaches by an address such as s3://bucket/name.

A name in a store is a path below its root. Nobody ever sees half of a file: here a finished file is renamed, an object
store shows an object when it has all of it.
"""

from __future__ import annotations

from pathlib import Path

from fdsl.data.export.stores.base import UNFINISHED, Store
from fdsl.data.export.stores.folder import Folder
from fdsl.data.export.stores.remote import Remote, protocols
from fdsl.errors import InputError, first_line

__all__ = ["UNFINISHED", "Folder", "Remote", "Store", "open_store"]


def open_store(target: str | Path) -> Store:
    """Return the store at a path, or at an address that fsspec knows.

    Raises:
        InputError: it is neither, or what fsspec needs for it is not installed.
    """
    text = str(target)
    if "://" not in text:
        return Folder(Path(text))
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise InputError(f'out {text} needs fsspec, got none: pip install "fdsl[export]"') from error
    try:
        # a list of files kept in memory would not show what other processes write
        system, root = fsspec.core.url_to_fs(text, use_listings_cache=False)
    except OSError:
        raise
    except Exception as error:  # of dozens of file systems, each has its own
        raise InputError(
            f"out must be a folder or an address that fsspec opens, got {text}: {first_line(error)}"
        ) from error
    if not root.strip("/"):
        raise InputError(f"out must name a place below its root, got {text}")
    return Folder(Path(root)) if "file" in protocols(system) else Remote(text, system, root)
