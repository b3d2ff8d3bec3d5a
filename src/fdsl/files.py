"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def atomic_path(target: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; rename it there on success, remove it on any failure.

    The block writes a file at the path it is given.
    """
    target = Path(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex[:8]}.tmp"
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


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
