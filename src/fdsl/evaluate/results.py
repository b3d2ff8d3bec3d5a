"""The folder of one result: put in place as a whole, and replaced by the next of its kind alone."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path

from fdsl.errors import DataError, InputError
from fdsl.files import check_new_folder, is_leftover, read_object


def check_result_folder(field: str, folder: str | Path, what: str, files: Collection[str]) -> Path:
    """Return `folder`, made absolute, if a result can be put there: it is new or empty, or holds an earlier one alone.

    Args:
        field: what an error calls the folder.
        folder: to be written.
        what: kind of the result, as its file WHAT.json says under "what".
        files: names of all files that such a result may have; * stands for anything.

    Raises:
        InputError: something else is there, or it is the current folder, which cannot be replaced.
    """
    path = Path(folder).resolve()
    if path == Path.cwd():
        raise InputError(
            f"{field} must not be the current folder, got {folder}: it is put in place as a whole"
        )
    if not path.is_dir() or not any(path.iterdir()):
        return check_new_folder(field, folder)
    foreign = sorted(
        one.name for one in path.iterdir() if not _named(one.name, files) and not is_leftover(one)
    )
    if foreign or not _is_result(path / f"{what}.json", what):
        held = foreign[0] if foreign else f"no {what}.json of such a result"
        raise InputError(
            f"{field} must be a new or empty folder, or hold an earlier {what} alone, got {folder}: it holds {held}"
        )
    return path


@contextmanager
def result_folder(field: str, folder: str | Path, what: str, files: Collection[str]) -> Iterator[Path]:
    """Yield a temporary folder beside `folder`; put it there on success, in place of an earlier result.

    Raises:
        InputError: see `check_result_folder`.
    """
    path = check_result_folder(field, folder, what, files)
    temporary = path.parent / f".{path.name}.{uuid.uuid4().hex[:8]}.tmp"
    earlier = temporary.with_suffix(".earlier")
    temporary.mkdir(parents=True)
    try:
        yield temporary
        # a folder that holds something cannot be replaced at once: a kill between the next two lines leaves both
        if path.exists():
            os.replace(path, earlier)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    shutil.rmtree(earlier, ignore_errors=True)


def _named(name: str, files: Collection[str]) -> bool:
    return any(fnmatch(name, pattern) for pattern in files)


def _is_result(file: Path, what: str) -> bool:
    try:
        return read_object(file).get("what") == what
    except DataError:
        return False
