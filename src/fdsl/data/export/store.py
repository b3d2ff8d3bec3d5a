"""Where an export's files go: a folder of this machine, or what fsspec reaches by an address such as s3://bucket/name.

A name in a store is a path below its root. Nobody ever sees half of a file: here a finished file is renamed, an object
store shows an object when it has all of it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import socket
import tempfile
import uuid
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import IO, Any

from fdsl.errors import DataError, FdslError, InputError, first_line
from fdsl.files import names_file

UNFINISHED = ".unfinished"
"""Folder of what an export keeps while it is not done: its plan, a record of each whole shard, files being written."""
WRITING = f"{UNFINISHED}/writing"
READ_AT_ONCE = 1 << 20
TRIES = 100
"""How often a lock is made anew when whoever finishes the export removes its folder meanwhile."""
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)
"""What file systems say that have no locks, as some of clusters."""


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
    return Folder(Path(root)) if "file" in _protocols(system) else Remote(text, system, root)


def _protocols(system: Any) -> tuple[str, ...]:
    return (system.protocol,) if isinstance(system.protocol, str) else tuple(system.protocol)


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
        top = self._root / folder
        for place, folders, files in os.walk(top):
            folders.sort()
            base = Path(place).relative_to(self._root)
            yield from ((base / file).as_posix() for file in sorted(files))

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

    def is_empty(self) -> bool:
        if self._root.exists() and not self._root.is_dir():
            raise InputError(f"out must be a folder, got {self.target}: it is a file")
        if not self._root.exists():
            return True
        with os.scandir(self._root) as entries:
            return all(entry.name == UNFINISHED for entry in entries)


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
        return "memory" not in _protocols(self._system)

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
