"""Runs that are parts of another: which of them is done, which goes on, which begins.

The first process looks, and tells the others, which would see what it has begun to write.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning.fabric import Fabric

from fdsl.errors import DataError, InputError
from fdsl.files import read_object
from fdsl.train.config import FinetuneConfig
from fdsl.train.run import RESULT_FILE, RUN_FILE

PROBE = "probe"
"""Folder, in that of the run, of the part that learns the head alone."""


def check_whole(config: FinetuneConfig, fabric: Fabric, part: str) -> None:
    """Check that a run of several parts may begin or go on in its folder.

    Args:
        config: of the whole.
        fabric: knows the processes.
        part: what the names of the folders of its parts begin with.

    Raises:
        InputError: the folder holds something and the run does not resume, or it resumes and there is nothing to.
    """
    if problem := fabric.broadcast(_problem(config, part) if fabric.is_global_zero else None):
        raise InputError(problem)


def _problem(config: FinetuneConfig, part: str) -> str | None:
    out = config.out
    if out.exists() and not out.is_dir():
        return f"out must be a folder, got {out}: it is a file"
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    parts = [name for name in names if name.startswith(part)]
    if not config.resume:
        hint = (
            "it holds a run; --resume continues it" if parts or RUN_FILE in names else "it holds other files"
        )
        return f"out must be a new or empty folder, got {out}: {hint}" if names else None
    if not parts:
        return f"resume must find a run of these parts in out, got {out}: it holds no {part}"
    others = [name for name in names if name not in parts and not name.startswith(".")]
    if RUN_FILE not in names and others:
        return f"out must hold the parts of a run alone, got {out}: it holds {others[0]}, too"
    return None


def resumed(config: FinetuneConfig, fabric: Fabric) -> FinetuneConfig:
    """Return `config` so that it continues its run if there is one, if only its first part, and else begins it."""
    begun = (config.out / RUN_FILE).is_file() or (config.probe_epochs > 0 and (config.out / PROBE).is_dir())
    return replace(config, resume=fabric.broadcast(begun))


def last_part_resumed(config: FinetuneConfig, fabric: Fabric) -> FinetuneConfig:
    """Return the same for what follows the first part, in the folder of the whole."""
    return replace(config, resume=fabric.broadcast((config.out / RUN_FILE).is_file()))


def finished(config: FinetuneConfig, fabric: Fabric) -> dict[str, Any] | None:
    """Return the result of the run that `config` asks for if it is done; None if any of it is left to do.

    Raises:
        DataError: a file of it is damaged.
    """
    return fabric.broadcast(_finished(config) if fabric.is_global_zero else None)


def _finished(config: FinetuneConfig) -> dict[str, Any] | None:
    if not (config.out / RESULT_FILE).is_file():
        return None
    stored = config.defaults() | read_config(config.out)
    asked = config.to_json()
    same = all(stored.get(name) == value for name, value in asked.items() if name not in KEEPING)
    return read_object(config.out / RESULT_FILE) if same else None


def read_config(folder: Path) -> dict[str, Any]:
    """Return the config that the run in a folder was told, as JSON has it.

    Raises:
        DataError: its run.json is damaged.
    """
    config = read_object(folder / RUN_FILE).get("config")
    if not isinstance(config, dict):
        raise DataError(f"{folder / RUN_FILE} must hold the config of a run, got {config!r}")
    return config


KEEPING = FinetuneConfig.free_on_resume - {"epochs", "test_limit", "eval_every"}
"""Fields that change nothing a run comes to."""
