"""Checkpoints: everything a run needs to go on, in one file that appears whole or not at all.

A step's randomness is a function of its number: a checkpoint holds tensors and counts, no generator's state.
"""

from __future__ import annotations

import errno
import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fdsl.errors import DataError
from fdsl.files import atomic_path

FOLDER = "checkpoints"
KEPT = 3  # newest ones that stay; each is about three times the size of the weights

# What torch.load raises on a file that is cut short, of another format, or holding more than tensors.
_DAMAGED = (RuntimeError, EOFError, ValueError, KeyError, pickle.UnpicklingError, zipfile.BadZipFile)
_KEYS = {"step", "model", "optimizer", "ema", "scaler", "meter"}
_NAME = re.compile(r"step-(\d{8,})\.pt")


def save_checkpoint(out: Path, step: int, content: dict[str, Any]) -> Path:
    """Write `content` as the checkpoint after `step` updates; keep the `KEPT` newest of the run in `out`."""
    path = out / FOLDER / f"step-{step:08d}.pt"
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        try:
            torch.save({"step": step, **content}, file)
        except RuntimeError as error:
            # torch hides what the file said behind a failed check of its own: a full disk should look like one
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
    for old in list_checkpoints(out)[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def list_checkpoints(out: Path) -> list[Path]:
    """Return the checkpoints of the run in `out`, oldest first."""
    named = ((path, _NAME.fullmatch(path.name)) for path in (out / FOLDER).glob("step-*.pt"))
    steps = {path: int(match[1]) for path, match in named if match}
    return sorted(steps, key=steps.__getitem__)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint; tensors and plain values alone, so that reading it can run no code.

    Raises:
        DataError: the file is damaged or something else.
    """
    try:
        content = torch.load(path, map_location=device, weights_only=True)
    except (*_DAMAGED, OSError) as error:
        # a file cut short makes torch seek before its beginning: an invalid argument, of all things
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise DataError(
            f"{path} must be a whole checkpoint: it is damaged or something else; "
            "delete it to continue from the one before"
        ) from error
    if not isinstance(content, dict) or set(content) != _KEYS:
        raise DataError(f"{path} must be a checkpoint of a run, got another file")
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
