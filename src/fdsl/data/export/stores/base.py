"""What every store of files can do."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import IO

UNFINISHED = ".unfinished"
"""Folder of what an export keeps while it is not done: its plan, a record of each whole shard, files being written."""
READ_AT_ONCE = 1 << 20


class Store(ABC):
    """Files under a root."""

    target: str
    """The root, as it was given."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes find the same files there."""
        return True

    @contextlib.contextmanager
    @abstractmethod
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a path of this machine to write a file at; it becomes `name` when the block ends without an error."""

    @abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Open a file for reading; FileNotFoundError if there is none."""

    @abstractmethod
    def names(self, folder: str = "") -> Iterator[str]:
        """Yield the names of all files below a folder, which need not exist."""

    @abstractmethod
    def size(self, name: str) -> int | None:
        """Return the bytes of a file, None if there is none."""

    @abstractmethod
    def has(self, folder: str) -> bool:
        """Whether a folder is there."""

    @abstractmethod
    def remove(self, folder: str) -> None:
        """Remove a folder and all in it, if it is there."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether nothing is there but what an unfinished export keeps."""

    def alone(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Wait until no other process holds the lock of that name, and hold it; where there are no locks, go on."""
        return contextlib.nullcontext()

    def claim(self, name: str) -> contextlib.AbstractContextManager[None]:
        """Hold the lock of that name, or raise InputError if another process does; where there are no locks, go on."""
        return contextlib.nullcontext()

    def rest(self) -> None:  # noqa: B027 (most have nothing to let go of)
        """Let go of what only writing needs."""

    def inside(self, *names: str) -> str | None:
        """Return the nearest folder around the root that holds one of the files, None if there is none."""
        return None

    def write(self, name: str, content: bytes) -> None:
        """Write a file."""
        with self.writing(name) as path:
            path.write_bytes(content)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        with self.open(name) as file:
            return file.read()

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file's bytes, a megabyte at a time."""
        with self.open(name) as file:
            while piece := file.read(READ_AT_ONCE):
                yield piece

    def describe(self, name: str) -> str:
        """Return a name with its root, for messages."""
        return f"{self.target.rstrip('/')}/{name}" if name else self.target
