"""Checkpoints: everything a run needs to go on, in a file that appears whole or not at all, with its SHA-256 beside it.

A step's randomness is a function of its number: a checkpoint holds tensors and counts, no generator's state.

step-00001000.pt           what `Learner.state` and `Meter.state` hold, the step, and which run it is of
step-00001000.pt.sha256    its checksum, as `sha256sum -c` reads it; written first, so that a checkpoint always has one
"""

from __future__ import annotations

import errno
import hashlib
import os
import pickle
import re
import shutil
import zipfile
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from fdsl.errors import DataError
from fdsl.files import atomic_path, is_leftover, write_text

FOLDER = "checkpoints"
FORMAT = 2
"""Raised when a checkpoint holds something else than before."""

# What torch.load raises on a file that is cut short, of another format, or holding more than tensors.
_DAMAGED = (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile)
_KEYS = {"format", "run", "world_size", "versions", "step", "model", "optimizer", "ema", "scaler", "meter"}
_NAME = re.compile(r"step-(\d{8,})\.pt")
_CHUNK = 1 << 20


class DamagedError(DataError):
    """A checkpoint is cut short, changed or something else."""


def save_checkpoint(out: Path, step: int, content: dict[str, Any]) -> Path:
    """Write `content` as the checkpoint after `step` updates of the run in `out`.

    Raises:
        OSError: the disk is full, say; earlier checkpoints are untouched.
    """
    path = checkpoint_path(out, step)
    with atomic_path(path) as temporary:
        with temporary.open("w+b") as file:
            try:
                torch.save({"format": FORMAT, "step": step, **content}, file)
            except RuntimeError as error:
                # torch hides what the file said behind a failed check of its own: a full disk should look like one
                if isinstance(error.__context__, OSError):
                    raise error.__context__ from None
                raise
            file.flush()
            os.fsync(file.fileno())
            file.seek(0)
            digest = _digest(file)
        write_text(checksum_of(path), f"{digest}  {path.name}\n")
    return path


def checkpoint_path(out: Path, step: int) -> Path:
    """Return where the checkpoint after `step` updates of the run in `out` lies."""
    return out / FOLDER / f"step-{step:08d}.pt"


def prune_checkpoints(out: Path, step: int, keep_last: int, stays: int) -> None:
    """Delete the checkpoints of the run in `out` but the newest `keep_last`, and those for good.

    Args:
        out: the run's folder.
        step: updates of the one just saved. Later ones are damaged, or the run would have gone on from them: they count
            for nothing, and are replaced when the run comes there.
        keep_last: newest ones that stay.
        stays: a checkpoint of a multiple of so many updates stays for good; 0 is none.
    """
    whole = [path for path in list_checkpoints(out) if step_of(path) <= step]
    for path in whole[:-keep_last]:
        if not (stays and step_of(path) % stays == 0):
            path.unlink(missing_ok=True)
            checksum_of(path).unlink(missing_ok=True)


def sweep_leftovers(out: Path) -> None:
    """Delete what processes that were killed while they wrote left in the run in `out` and its checkpoints."""
    left = [path for folder in (out, out / FOLDER) for path in folder.glob(".*.tmp") if is_leftover(path)]
    alone = [path for path in (out / FOLDER).glob("step-*.pt.sha256") if not path.with_suffix("").exists()]
    for path in left + alone:
        path.unlink(missing_ok=True)
    for folder in out.glob(".weights-*"):  # in which `save_weights` wrote
        shutil.rmtree(folder, ignore_errors=True)


def list_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of the run in `out`, oldest first."""
    named = [path for path in (out / FOLDER).glob("step-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(named, key=step_of)


def step_of(path: Path) -> int:
    """Return the updates that the checkpoint at `path` has seen, by its name."""
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match else -1


def checksum_of(path: Path) -> Path:
    """Return where the checksum of the checkpoint at `path` lies."""
    return path.with_name(f"{path.name}.sha256")


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint, to the CPU; tensors and plain values alone, so that reading it can run no code.

    Raises:
        DamagedError: the file is not what its checksum says, lacks one, or is something else.
        DataError: another version of this package wrote it.
    """
    try:
        expected = checksum_of(path).read_text(encoding="utf-8").split()[0]
        with path.open("rb") as file:
            found = _digest(file)
    except (FileNotFoundError, IndexError, UnicodeDecodeError) as error:
        raise DamagedError(f"{path} is damaged: it has no checksum beside it") from error
    if found != expected:
        raise DamagedError(f"{path} is damaged: its SHA-256 is not the one beside it")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (*_DAMAGED, OSError) as error:
        # a file cut short makes torch seek before its beginning: an invalid argument, of all things
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise DamagedError(f"{path} is damaged, or no checkpoint") from error
    if not isinstance(content, dict):
        raise DamagedError(f"{path} must be a checkpoint of a run, got another file")
    if content.get("format") != FORMAT:
        raise DataError(
            f"{path} must be a checkpoint of format {FORMAT}, got {content.get('format')!r}: "
            "go on with the version of fdsl that wrote it (run.json names it), or start anew"
        )
    if set(content) != _KEYS or content["step"] != step_of(path):
        raise DamagedError(f"{path} must be a checkpoint of a run after {step_of(path)} updates, got another")
    return content


def check_shapes(path: Path, stored: dict[str, Tensor], own: dict[str, Tensor]) -> None:
    """Compare a checkpoint's model with the one to be filled.

    Raises:
        DataError: a tensor is missing, unknown or of another shape; the first one is named.
    """
    for name in sorted(stored.keys() | own.keys()):
        shapes = [list(tensors[name].shape) if name in tensors else "none" for tensors in (stored, own)]
        if shapes[0] != shapes[1]:
            raise DataError(
                f"{path} must fit the model: {name} is {shapes[0]} there, {shapes[1]} in the model"
            )


def _digest(file: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := file.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()
