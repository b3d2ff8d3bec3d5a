"""What fsspec reaches as a store: an object store shows an object when all of it has arrived."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from fdsl.data.export.stores.base import UNFINISHED, Store
from fdsl.errors import DataError, FdslError, first_line
from fdsl.files import names_file


def protocols(system: Any) -> tuple[str, ...]:
    """Return the names of an fsspec file system."""
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


class Remote(Store):
    """What fsspec reaches: an object store shows an object when all of it has arrived."""

    def __init__(self, target: str, system: Any, root: str) -> None:
        """Take what lies under `root` of an fsspec file system; `target` is its address."""
        self.target, self._system, self._root = target, system, root.rstrip("/")

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="fdsl-") as folder:
            path = Path(folder) / "file"
            with names_file(path):
                yield path
            with self._reaching(name, writing=True):
                self._system.put_file(str(path), self._path(name))

    def write(self, name: str, content: bytes) -> None:
        with self._reaching(name, writing=True):
            self._system.pipe_file(self._path(name), content)

    def read(self, name: str) -> bytes:
        with self._reaching(name):
            return self._system.cat_file(self._path(name))

    def pieces(self, name: str) -> Iterator[bytes]:
        with self._reaching(name):
            yield from super().pieces(name)

    def open(self, name: str) -> IO[bytes]:
        with self._reaching(name):
            return self._system.open(self._path(name), "rb")

    def names(self, folder: str = "") -> Iterator[str]:
        try:
            with self._reaching(folder):
                found = sorted(self._system.find(self._path(folder)))
        except FileNotFoundError:  # some say so of a folder, S3 of a bucket
            return
        yield from (path[len(self._root) + 1 :] for path in found)

    def size(self, name: str) -> int | None:
        try:
            with self._reaching(name):
                return int(self._system.info(self._path(name))["size"])
        except FileNotFoundError:
            return None

    def has(self, folder: str) -> bool:
        return any(True for _ in self.names(folder))

    def remove(self, folder: str) -> None:
        with self._reaching(folder):
            if self._system.exists(self._path(folder)):
                self._system.rm(self._path(folder), recursive=True)

    @property
    def is_shared(self) -> bool:
        return "memory" not in protocols(self._system)

    def is_empty(self) -> bool:
        return all(name.startswith(f"{UNFINISHED}/") for name in self.names())

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}" if name else self._root

    @contextlib.contextmanager
    def _reaching(self, name: str, writing: bool = False) -> Iterator[None]:
        """Make one kind of the errors that file systems have; when reading, a file that is not there is another."""
        try:
            yield
        except FdslError:
            raise
        except Exception as error:
            if isinstance(error, FileNotFoundError) and not writing:
                raise FileNotFoundError(
                    errno.ENOENT, os.strerror(errno.ENOENT), self.describe(name)
                ) from error
            what = error.strerror if isinstance(error, OSError) and error.strerror else first_line(error)
            raise DataError(
                f"{self.describe(name)} cannot be {'written' if writing else 'reached'}: {what}"
            ) from error
