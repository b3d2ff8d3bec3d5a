"""What the files of a finished run say, without what belongs to the machine it was made on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

from fdsl.errors import DataError, InputError
from fdsl.files import read_object
from fdsl.train.config import FinetuneConfig, PretrainConfig, TrainConfig
from fdsl.train.run import RESULT_FILE, RUN_FILE
from fdsl.train.weights import CONFIG_FILE, WEIGHTS_FILE

KINDS: dict[str, type[TrainConfig]] = {"pretrain": PretrainConfig, "finetune": FinetuneConfig}
OWN = frozenset(
    {
        "out",
        "resume",
        "threads",
        "wandb",
        "checkpoint_every",
        "keep_last",
        "keep_every",
        "log_every",
        "data_root",
        "download",
        "seeds",
    }
)
"""Fields of a config that say where and how a run was kept, not what it learned."""
NAMED = re.compile(r"(torch|tfds|hfds|hfids|wds)/[\w.-]+(/[\w.-]+)*|digits")
"""Data that have a public name; others are folders."""


@dataclass(frozen=True, kw_only=True)
class FinishedRun:
    """A finished run, as others may read of it: paths are cut to their last part, commands and hosts left out."""

    kind: str
    """pretrain or finetune."""
    config: dict[str, Any]
    """Fields of its config, without `OWN`."""
    dataset: str | None
    """Digest of the images, where they come from formulas."""
    versions: dict[str, str]
    devices: tuple[str, ...]
    """What it was computed on, a session after the other, each kind once."""
    result: dict[str, Any]
    """What it came to; of broken images their number."""
    classes: int
    """Logits; 0 where the weights are a backbone alone."""
    origin: FinishedRun | None
    """The run of fdsl whose weights it started from, where they are still there."""

    def to_json(self) -> dict[str, Any]:
        """Return the run as plain JSON values."""
        origin = self.origin.to_json() if self.origin is not None else None
        return {**vars(self), "devices": list(self.devices), "origin": origin}


def read_finished(path: Path) -> FinishedRun:
    """Read the run in folder `path`.

    Raises:
        InputError: there is no run, or it has not finished.
        DataError: a file of it cannot be read.
    """
    if not (path / RUN_FILE).is_file():
        inside = ", ".join(sorted(found.parent.name for found in path.glob(f"*/{RUN_FILE}"))[:5])
        hint = f", but folders that do: {inside}" if inside else ""
        raise InputError(f"run must be the folder of a run, got {path}: it holds no {RUN_FILE}{hint}")
    run = read_object(path / RUN_FILE)
    absent = [name for name in (RESULT_FILE, WEIGHTS_FILE, CONFIG_FILE) if not (path / name).is_file()]
    if parts := sorted(found.parent.name for found in path.glob(f"seed-*/{RUN_FILE}")):
        raise InputError(
            f"run must be of one seed, got {path}: it holds runs of {len(parts)}, {parts[0]} is the first"
        )
    if absent or not run.get("finished"):
        why = f"it holds no {absent[0]}" if absent else "its last session did not end"
        raise InputError(f"run must have finished, got {path}: {why}; --resume continues it")
    result, model = read_object(path / RESULT_FILE), read_object(path / CONFIG_FILE)
    try:
        # a run of an older version had what the fields since added are by default
        config = KINDS[run["kind"]].defaults() | dict(run["config"])
        sessions = [*run["earlier"], run]
        return FinishedRun(
            kind=str(run["kind"]),
            config=_public(config),
            dataset=run.get("dataset"),
            versions={str(name): str(version) for name, version in run["versions"].items()},
            devices=tuple(dict.fromkeys(str(session["device"]) for session in sessions)),
            result=_public({**result, "skipped": len(result.get("skipped", ()))}),
            classes=int(model["num_classes"]),
            origin=_origin(config.get("weights"), str(sessions[0]["started"])),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} must hold the files of a run, but they cannot be read: {error!r}") from error


def _origin(weights: str | None, started: str) -> FinishedRun | None:
    """Return the run that the weights are of, if it had finished when the fine-tuning started."""
    if weights is None:
        return None
    path = Path(weights)
    folder = path if path.is_dir() else path.parent
    try:
        if str(read_object(folder / RUN_FILE)["finished"]) > started:  # both are of UTC, in one form
            return None
        return read_finished(folder)
    except (DataError, InputError, KeyError):
        return None  # moved, made again or not of fdsl: then nothing is known of it


def _public(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields without `OWN`, and paths as their last part alone."""
    shown = {name: value for name, value in fields.items() if name not in OWN}
    if shown.get("weights") is not None:
        shown["weights"] = _last(str(shown["weights"]))
    if "data" in shown and not NAMED.fullmatch(str(shown["data"])):
        shown["data"] = _last(str(shown["data"]))
    for name in ("options", "model_args"):
        if name in shown:
            pairs = (str(pair).partition("=") for pair in shown[name])
            shown[name] = [f"{key}={_last(value) if _is_path(value) else value}" for key, _, value in pairs]
    return shown


def _is_path(value: str) -> bool:
    return "/" in value or "\\" in value


def _last(path: str) -> str:
    """Return the last part of a path of any system."""
    return PurePath(path.replace("\\", "/")).name or "folder"
