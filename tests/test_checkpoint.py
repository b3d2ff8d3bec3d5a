"""Checkpoint files: written whole or not at all, and damaged ones named."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path
from typing import IO

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from fdsl.train.checkpoint import (  # noqa: E402
    DamagedError,
    checksum_of,
    list_checkpoints,
    load_checkpoint,
    save_checkpoint,
)

CONTENT = {
    "run": {},
    "world_size": 1,
    "versions": {},
    "model": {"weight": torch.zeros(9000)},
    "optimizer": {},
    "ema": None,
    "scaler": None,
    "meter": {},
}


def test_a_full_disk_looks_like_one(tmp_path, monkeypatch):
    def full(content: object, file: IO[bytes]) -> None:
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            raise RuntimeError("unexpected pos 576 vs 534")  # noqa: B904 (as torch does)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 1, {})
    assert list((tmp_path / "checkpoints").iterdir()) == []


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = save_checkpoint(tmp_path, 1, CONTENT)
    kept = before.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, CONTENT)
    monkeypatch.undo()
    assert list_checkpoints(tmp_path) == [before]
    assert before.read_bytes() == kept
    assert load_checkpoint(before)["step"] == 1


def test_a_checkpoint_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, CONTENT)
    whole = path.read_bytes()
    assert load_checkpoint(path)["step"] == 1
    for length in range(0, len(whole), len(whole) // 40):
        cut = whole[:length]
        path.write_bytes(cut)
        with pytest.raises(DamagedError, match="its SHA-256 is not the one beside it"):
            load_checkpoint(path)
        checksum_of(path).write_text(f"{hashlib.sha256(cut).hexdigest()}  {path.name}\n")
        with pytest.raises(DamagedError, match="is damaged"):
            load_checkpoint(path)
        checksum_of(path).write_text(f"{hashlib.sha256(whole).hexdigest()}  {path.name}\n")


def test_checksums_are_those_of_sha256sum(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, 1, CONTENT)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert checksum_of(path).read_text() == f"{digest}  step-00000001.pt\n"
