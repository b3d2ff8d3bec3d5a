"""A folder as a store: a finished file is renamed, and locks tell who is at work."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import socket
import uuid
import weakref
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

from fdsl.data.export.stores.base import UNFINISHED, Store
from fdsl.errors import InputError
from fdsl.files import names_file

WRITING = f"{UNFINISHED}/writing"
TRIES = 100
"""How often a lock is made anew when whoever finishes the export removes its folder meanwhile."""
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems say that have no locks, as some of clusters."""


class Folder(Store):
    """A folder of this machine, or of a file system that it shares with others."""

    def __init__(self, root: Path) -> None:
        """Take the folder `root`, which need not exist."""
        self.target, self._root = str(root), root
        self._made: set[Path] = set()
        self._lock: weakref.finalize[Any, Folder] | None = None
        self._named = ""
        self._numbers = count()

    @contextlib.contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        target = self._root / name
        # beside all others that are being written: a process that is killed leaves nothing where readers look
        with names_file(target):
            temporary = Path(self._temporary())
        try:
            with names_file(target):
                yield temporary
                self._make(target.parent)
                os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, unless just that is there: what is whole keeps its place and time.

        This is done an image in folders; with `writing`, pathlib and all, it takes twice as long.
        """
        target = os.path.join(self._root, name)
        with contextlib.suppress(OSError):
            if os.stat(target).st_size == len(content) and self.read(name) == content:
                return
        with names_file(Path(target)):
            self._make(Path(os.path.dirname(target)))
            temporary = self._temporary()
            try:
                with open(temporary, "wb") as file:
                    file.write(content)
                os.replace(temporary, target)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(temporary)
                raise

    def _temporary(self) -> str:
        """Return a path to write at that nobody else writes at."""
        return os.path.join(self._root, WRITING, f"{self._writer()}-{next(self._numbers)}.tmp")

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            folder.mkdir(parents=True, exist_ok=True)
            self._made.add(folder)

    def _writer(self) -> str:
        """Return what files that are being written are called first: it names a lock that says they still are."""
        if self._lock is None or not self._lock.alive:
            self._make(self._root / WRITING)
            self._named = f"{_machine()}-{uuid.uuid4().hex}"
            file = os.open(self._root / WRITING / f"{self._named}.lock", os.O_WRONLY | os.O_CREAT)
            self._lock = weakref.finalize(self, os.close, file)
            with _lockless():
                fcntl.flock(file, fcntl.LOCK_EX)
        return self._named

    def rest(self) -> None:
        self._made.clear()  # a process of Ray may write here again, when others have removed what it made
        if self._lock is not None and self._lock.alive:
            self._lock()
            (self._root / WRITING / f"{self._named}.lock").unlink(missing_ok=True)

    def _sweep(self) -> None:
        """Remove what writers of this machine left that were killed: over many restarts it would fill the disk.

        Some file systems of clusters keep locks to each machine: those of others look free while they are at work.
        """
        folder = self._root / WRITING
        for lock in folder.glob(f"{_machine()}-*.lock"):
            with contextlib.suppress(OSError), lock.open("a") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # its writer has ended
                for path in folder.glob(f"{lock.stem}-*.tmp"):
                    path.unlink()
                lock.unlink()

    def open(self, name: str) -> IO[bytes]:
        return (self._root / name).open("rb")

    def names(self, folder: str = "") -> Iterator[str]:
        for place, folders, files in os.walk(self._root / folder):
            folders.sort()
            base = os.path.relpath(place, self._root)  # text: of millions of files, paths would take minutes
            yield from sorted(files) if base == os.curdir else (f"{base}/{file}" for file in sorted(files))

    def size(self, name: str) -> int | None:
        try:
            return os.stat(self._root / name).st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def has(self, folder: str) -> bool:
        return (self._root / folder).is_dir()

    def remove(self, folder: str) -> None:
        self.rest()
        shutil.rmtree(self._root / folder, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self, name: str) -> Iterator[None]:
        with self._locked(name, fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[None]:
        try:
            lock = self._locked(name, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"out must be free, got {self.target}: another process is making the same files there"
            ) from error
        with lock:
            self._sweep()
            yield

    def _locked(self, name: str, how: int) -> IO[bytes]:
        """Return the open file of a lock that this process holds until it closes it."""
        path = self._root / name
        for _ in range(TRIES):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                file = path.open("ab")
            except FileNotFoundError:
                continue
            try:
                with _lockless():
                    fcntl.flock(file, how)
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    return file
            except FileNotFoundError:
                pass
            except BaseException:
                file.close()
                raise
            file.close()  # who held it has removed it: the lock is another file now
        raise InputError(f"out must be left alone, got {self.target}: something removes {path} all the time")

    def inside(self, *names: str) -> str | None:
        for folder in self._root.absolute().parents:
            if any((folder / name).is_file() and _ours(folder / name) for name in names):
                return str(folder)
        return None

    def is_empty(self) -> bool:
        if self._root.exists() and not self._root.is_dir():
            raise InputError(f"out must be a folder, got {self.target}: it is a file")
        if not self._root.exists():
            return True
        with os.scandir(self._root) as entries:
            return all(entry.name == UNFINISHED for entry in entries)


def _ours(path: Path) -> bool:
    """Whether a file is the manifest or plan of an export: others have manifests too."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and "definition" in content and "config" in content


def _machine() -> str:
    """Return this machine's name, of letters, digits and underscores."""
    return re.sub(r"\W", "_", socket.gethostname(), flags=re.ASCII)


@contextlib.contextmanager
def _lockless() -> Iterator[None]:
    """Go on without a lock where the file system has none."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
