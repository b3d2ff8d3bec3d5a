"""A tiny export, and what a folder holds."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

from fdsl.data.export.config import ExportConfig

FORMATS = ("folder", "webdataset", "parquet")


def export_config(form: str = "folder", **fields: Any) -> ExportConfig:
    """Return 24 images of 32 px in 4 shards."""
    given = {"classes": 3, "instances": 8, "size": 32, "shard_size": 6, **fields}
    return ExportConfig(family=given.pop("family", "RCDB"), format=form, **given)  # type: ignore[arg-type]


def as_command(config: ExportConfig, out: Path) -> list[str]:
    """Return the arguments of `fdsl` that export it to `out` in one process."""
    options = []
    for name, value in config.to_json().items():
        if name != "family" and value not in (None, [], "auto"):
            options += [
                f"--{name.replace('_', '-')}",
                *map(str, value if isinstance(value, list) else [value]),
            ]
    return ["render", config.family, *options, "--workers", "1", "--out", str(out)]


def tree(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each file below a folder, and "" of each folder, also of what is hidden."""
    found = sorted(folder.rglob("*"))
    return {
        path.relative_to(folder).as_posix(): sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in found
    }


def places(folder: Path) -> dict[str, tuple[int, int]]:
    """Return inode and time of change of each file below a folder."""
    return {
        path.relative_to(folder).as_posix(): ((found := path.stat()).st_ino, found.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
