"""What run.json tells of weights: what made them, and from which images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdsl.errors import DataError, InputError
from fdsl.files import read_object
from fdsl.train.checkpoint import FOLDER as CHECKPOINTS
from fdsl.train.checkpoint import list_checkpoints, step_of
from fdsl.train.run import RUN_FILE
from fdsl.train.segmentation import HEAD_FILE
from fdsl.train.weights import WEIGHTS_FILE

SCRATCH = "scratch"
"""Name of the untrained model."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Weights before they are loaded, and the run that they come from."""

    weights: Path
    kind: str | None
    """"pretrain" or "finetune"; None where no run.json lies beside them."""
    config: dict[str, Any]
    """Of the run, as plain JSON values; empty without one."""
    segments: bool
    """Whether they learned from masks: then the patches are read, never the class token."""

    @property
    def name(self) -> str:
        """What a person calls them: pre-trained, fine-tuned, trained from scratch, or the name of the file."""
        if self.kind == "pretrain":
            made = "pre-trained"
        elif self.kind == "finetune":
            made = "trained from scratch" if self.config.get("weights") is None else "fine-tuned"
        else:
            return self.weights.resolve().name
        return f"{made}, update {step_of(self.weights)}" if self.is_checkpoint else made

    @property
    def is_checkpoint(self) -> bool:
        """Whether they are of a run's way, not of its end."""
        return self.weights.is_file() and self.weights.parent.name == CHECKPOINTS


def find_origin(weights: Path) -> Origin:
    """Return what is known of the run that weights come from.

    Raises:
        InputError: it is the folder of a run that has not finished, or of several seeds; the message says what in it
            can be named.
        DataError: run.json is damaged.
    """
    _check_folder(weights)
    for folder in [weights] if weights.is_dir() else [weights.parent, weights.parent.parent]:
        path = folder / RUN_FILE
        if folder == weights.parent.parent and weights.parent.name != CHECKPOINTS:
            break
        if not path.is_file():
            continue
        record = read_object(path)
        kind, config = record.get("kind"), record.get("config")
        if kind not in ("pretrain", "finetune") or not isinstance(config, dict):
            raise DataError(f"{path} must describe a run, it has no kind and config")
        segments = (folder / HEAD_FILE).is_file() or (kind == "pretrain" and learns_masks(config))
        return Origin(weights=weights, kind=str(kind), config=config, segments=segments)
    return Origin(weights=weights, kind=None, config={}, segments=False)


def learns_masks(config: dict[str, Any]) -> bool:
    """Whether a pre-training of this config learns from masks."""
    from fdsl.formulas import family_class

    target = config.get("target", "auto")
    return bool(target == "mask" or (target == "auto" and family_class(config["family"]).target == "mask"))


def _check_folder(weights: Path) -> None:
    """Say what to name instead of a folder of a run that has no weights yet, or has them in folders of its seeds."""
    if not weights.is_dir() or (weights / WEIGHTS_FILE).is_file():
        return
    if seeds := sorted(path.parent for path in weights.glob(f"seed-*/{WEIGHTS_FILE}")):
        raise InputError(
            f"weights must be those of one seed, got {weights}: it holds several, name {seeds[0]} for one"
        )
    if (weights / RUN_FILE).is_file():
        found = list_checkpoints(weights)
        advice = f"name its newest checkpoint, {found[-1]}" if found else "and it has no checkpoint yet"
        raise InputError(
            f"weights must be of a finished run, got {weights}: it has no {WEIGHTS_FILE}; {advice}"
        )


def distinct_names(origins: Sequence[Origin]) -> list[str]:
    """Return a name for each; where two are alike, with that of the folder, and then with a number."""
    names = [origin.name for origin in origins]
    folders = [origin.weights.resolve().name for origin in origins]
    for told in (folders, [str(n + 1) for n in range(len(origins))]):
        count = Counter([SCRATCH, *names])
        names = [
            f"{name} ({more})" if count[name] > 1 else name for name, more in zip(names, told, strict=True)
        ]
    return names
