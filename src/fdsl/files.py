"""Writing files and folders so that a reader never sees half of one; reading JSON so that damage is named."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from fdsl.errors import DataError, InputError

_LEFTOVER = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@contextmanager
def locked(path: str | Path, field: str) -> Iterator[None]:
    """Hold the lock file at `path`, made if need be, for this process alone; it is let go of however the process ends.

    Raises:
        InputError: another process holds it; the message says that `field` must be free.
    """
    path = Path(path)
    with _claimed(path, field):
        yield


def _claimed(path: Path, field: str) -> IO[str]:
    """Return the open lock file, locked; whoever closes it lets go."""
    while True:
        file = path.open("a")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
            file.close()  # who held it has deleted it meanwhile: the lock is another file now
        except BlockingIOError as error:
            file.close()
            raise InputError(
                f"{field} must be free, got {path.parent}: another process is running there"
            ) from error
        except BaseException:
            file.close()
            raise


def is_leftover(path: Path) -> bool:
    """Whether a file is what a process that was killed in an `atomic_path` left, by its name."""
    return _LEFTOVER.fullmatch(path.name) is not None


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it there on success, remove it on any failure.

    The block writes a file at the path it is given.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        with names_file(target):
            yield temporary
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def names_file(path: Path) -> Iterator[None]:
    """Give errors of writing to `path` its name: the system's own leave it out, that of a full disk for one."""
    try:
        yield
    except OSError as error:
        if (
            error.filename is None and error.errno is not None
        ):  # in the system's words, whoever it went through
            raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
        raise


def check_there(field: str, wanted: str, path: Path) -> None:
    """Check that `path` exists; `wanted` is what it must be.

    Raises:
        InputError: it does not.
    """
    if not path.exists():
        raise InputError(f"{field} must be {wanted}, got {path}: it does not exist")


def check_new_folder(field: str, target: str | Path) -> Path:
    """Return `target`, made absolute, if a folder can be put there: nothing is there yet, or an empty folder.

    Raises:
        InputError: a file or a folder that holds something is there, or it is the current folder.
    """
    path = Path(target).resolve()
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        held = "it holds other files" if path.is_dir() else "it is a file"
        raise InputError(f"{field} must be a new or empty folder, got {target}: {held}")
    if blocking := [parent for parent in path.parents if parent.exists() and not parent.is_dir()]:
        raise InputError(f"{field} must be a new or empty folder, got {target}: {blocking[0]} is a file")
    if path == Path.cwd():
        raise InputError(
            f"{field} must not be the current folder, got {target}: it is put in place as a whole"
        )
    return path


@contextmanager
def atomic_folder(target: str | Path) -> Iterator[Path]:
    """Yield a new temporary folder beside `target`; rename it there on success, remove it on any failure.

    Raises:
        InputError: see `check_new_folder`.
    """
    path = check_new_folder("folder", target)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    temporary.mkdir(parents=True)
    try:
        yield temporary
        os.replace(temporary, path)  # refuses a folder that something was put into meanwhile
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_bytes(target: str | Path, content: bytes) -> None:
    """Write `content` to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(content)


def write_text(target: str | Path, content: str) -> None:
    """Write UTF-8 `content` to `target`, whole or not at all."""
    write_bytes(target, content.encode())


def write_json(target: str | Path, content: Any) -> None:
    """Write `content` as indented JSON to `target`, whole or not at all; NaN is refused."""
    write_text(target, json.dumps(content, indent=2, allow_nan=False) + "\n")


def read_object(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        DataError: the file is missing, damaged or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: the run did not finish, or this is not a run folder") from error
    except (OSError, ValueError, RecursionError) as error:  # the last of brackets within brackets without end
        raise DataError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold a JSON object, got {type(content).__name__}")
    return content
