"""Checkpoint files: written whole or not at all, and damaged ones named."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import IO

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from fdsl.errors import DataError  # noqa: E402
from fdsl.train.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402


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


def test_a_checkpoint_cut_anywhere_is_damaged(tmp_path: Path) -> None:
    path = save_checkpoint(
        tmp_path,
        1,
        {"model": {"weight": torch.zeros(9000)}, "optimizer": {}, "ema": {}, "scaler": None, "meter": {}},
    )
    whole = path.read_bytes()
    assert load_checkpoint(path, torch.device("cpu"))["step"] == 1
    for length in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match="must be a whole checkpoint"):
            load_checkpoint(path, torch.device("cpu"))
