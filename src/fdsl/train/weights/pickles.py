"""Files of torch.save that others wrote, read without running what may be in them.

torch's own unpickler (weights_only=True) builds tensors and plain values, and calls nothing but what stands on a short
list. One name is added to it: `argparse.Namespace`, in which timm's training script keeps its arguments. To unpickle
one sets attributes and does no more: the class has neither `__setstate__` nor `__setattr__` nor a finalizer, its
`__init__` takes no positional argument, and subclasses bear other names. Whatever callable a file puts into a Namespace
stands on torch's list already. NumPy's scalars stay off the list: `numpy.dtype` trusts the state it is given.
"""

from __future__ import annotations

import errno
import re
import tarfile
import warnings
import zipfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.torch_version import TorchVersion

from fdsl.errors import DataError, InputError

SUFFIXES = (".pth", ".pth.tar", ".pt", ".bin")
SOUND = "2.10"
"""First torch whose unpickler has no known way around it: CVE-2025-32434 (to 2.5), CVE-2026-24747 (to 2.9)."""

ZIP = b"PK\x03\x04"
MOVING_AVERAGES = ("state_dict_ema", "model_ema", "ema")
PLAIN = ("state_dict", "model", "model_state_dict", "net")
"""Keys that a state dict lies under, the preferred first: timm, DeiT, MAE, MoCo, fdsl."""
DEEPEST = 3


def read_pickle(path: Path, *, verify: bool = True) -> Any:
    """Return what torch.save wrote to `path`; tensors are on the CPU, and stay in the file until they are used.

    Args:
        path: of the file.
        verify: first compare every part with its checksum, which torch does not; files older than torch 1.6 have none.

    Raises:
        InputError: this torch cannot be trusted to read a pickle without running it.
        DataError: the file would run code, is damaged, or is something else.
    """
    if TorchVersion(torch.__version__) < SOUND:
        raise InputError(
            f"weights must be a .safetensors file with torch {torch.__version__}, got {path}: "
            f"reading a pickle without running it takes torch {SOUND}"
        )
    try:
        archive = _check_container(path, verify)
        with warnings.catch_warnings(), torch.serialization.safe_globals([Namespace]):
            warnings.simplefilter("ignore")  # of odd protocols: what cannot be read raises as well
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive)
    except (DataError, MemoryError):
        raise
    except Exception as error:  # a damaged pickle makes its last sound instruction fail, in whatever way
        # a file cut short makes torch seek before its beginning: an invalid argument
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        if called := re.search(r"GLOBAL (\S+)", str(error)):
            raise DataError(
                f"{path} must hold tensors and plain values alone, got {called[1]}: code in a file is never run; "
                "where you trust its maker, save its state dict again by itself"
            ) from error
        raise DataError(
            f"{path} must be a whole file of torch.save: it is damaged or something else"
        ) from error


def _check_container(path: Path, verify: bool) -> bool:
    """Return whether the file is a ZIP archive, as torch writes since 1.6; older files are pickles in a row."""
    with path.open("rb") as file:
        if file.read(len(ZIP)) != ZIP:
            if tarfile.is_tarfile(path):
                raise DataError(f"{path} must be a file of torch.save, got a tar archive")
            return False
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if any(part.filename.rpartition("/")[2] == "constants.pkl" for part in parts):
            raise DataError(f"{path} must hold a state dict, got a TorchScript archive: it is a program")
        if any(part.compress_type != zipfile.ZIP_STORED for part in parts):
            raise DataError(f"{path} must be a file of torch.save, which packs nothing: got a packed archive")
        broken = archive.testzip() if verify else None
    if broken is not None:
        raise DataError(f"{path} must be a whole file of torch.save: the checksum of {broken} in it is wrong")
    return True


def find_state_dict(content: Any, path: Path) -> tuple[dict[str, Tensor], str]:
    """Return the state dict in what a file holds, and the keys it lies under; a moving average goes first.

    Args:
        content: what `read_pickle` returned.
        path: for messages.

    Raises:
        DataError: there is none, or something in it is no plain tensor.
    """
    keys: list[str] = []
    while isinstance(content, Mapping) and len(keys) < DEEPEST:
        inner = [key for key in (*MOVING_AVERAGES, *PLAIN) if isinstance(content.get(key), Mapping)]
        if not inner:
            break
        keys.append(inner[0])
        content = content[inner[0]]
    if not isinstance(content, Mapping) or not any(isinstance(value, Tensor) for value in content.values()):
        keyed = isinstance(content, Mapping)
        held = ", ".join(repr(key)[:40] for key in list(content)[:5]) if keyed else type(content).__name__
        raise DataError(f"{path} must hold a state dict, got none in it: it holds {held or 'nothing'}")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise DataError(f"{path} must hold tensors by name, got {type(value).__name__} under {name!r}")
        if value.layout != torch.strided or value.is_quantized or value.is_meta:
            raise DataError(f"{path} must hold plain tensors, got another kind under {name!r}")
    return dict(content), ".".join(keys)
