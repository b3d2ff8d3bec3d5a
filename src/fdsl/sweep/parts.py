"""One part of a sweep, a training or a probe: done already, to be continued, or to be started."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from fdsl.errors import DataError, InputError
from fdsl.evaluate.probing.classifiers import judge
from fdsl.evaluate.probing.features import extract
from fdsl.evaluate.runs import Run, read_run
from fdsl.files import read_object, write_json
from fdsl.train import FinetuneConfig, PretrainConfig, finetune, pretrain
from fdsl.train.checkpoint import FOLDER as CHECKPOINTS
from fdsl.train.checkpoint import list_checkpoints
from fdsl.train.config import TrainConfig
from fdsl.train.finetuning.answers import CONFUSION_FILE, PREDICTIONS_FILE
from fdsl.train.run import METRICS_FILE, RESULT_FILE, RUN_FILE
from fdsl.train.trackers import BOARD
from fdsl.train.weights import CONFIG_FILE, WEIGHTS_FILE

FREE = TrainConfig.free_on_resume | {"log_every", "eval_every", "weights"}
"""Fields that do not change what a part comes to. Weights are those of the same sweep, wherever its folder lies."""
DERIVED = ("batch_size", "epochs")
"""Fields that may follow from others: where both differ, a person has changed the others."""
WRITTEN = frozenset(
    {
        RUN_FILE,
        METRICS_FILE,
        RESULT_FILE,
        BOARD,
        CHECKPOINTS,
        CONFIG_FILE,
        WEIGHTS_FILE,
        PREDICTIONS_FILE,
        CONFUSION_FILE,
    }
)
"""What a training leaves in its folder, beside hidden files that a killed one was writing."""

Training = PretrainConfig | FinetuneConfig


def check_part(config: Training) -> None:
    """Check that the folder of a training holds nothing, or this training.

    Raises:
        InputError: it holds another one, or something else.
        DataError: its run.json cannot be read.
    """
    if config.out.exists() and not config.out.is_dir():
        raise InputError(f"out must hold this sweep's folders, got a file at {config.out}")
    names = [path.name for path in config.out.iterdir()] if config.out.is_dir() else []
    if foreign := sorted(name for name in names if name not in WRITTEN and not name.startswith(".")):
        raise InputError(f"out must hold this sweep's runs alone, got {config.out / foreign[0]}")
    if (stored := _stored(config)) is None:
        return
    asked = config.to_json()
    for name in sorted(asked.keys() - FREE, key=lambda name: (name in DERIVED, name)):
        value = asked[name]
        if stored.get(name) != value:
            raise InputError(
                f"{name} must be {stored.get(name)!r} as in {config.out}, got {value!r}: "
                "take another out for another sweep"
            )


def complete(config: Training) -> tuple[Run, bool]:
    """Bring a training to its end from wherever it is; return it, and whether there was anything left to do.

    A training that was killed before its first checkpoint leaves files nobody can go on from: they go.
    """
    out, made = config.out, False
    if not (out / RESULT_FILE).is_file():
        made = True
        if _can_resume(config):
            config = replace(config, resume=True)
        else:
            shutil.rmtree(out, ignore_errors=True)
        if isinstance(config, PretrainConfig):
            pretrain(config)
        else:
            finetune(config)
    # Checkpoints serve to go on; they are three times as large as the weights.
    shutil.rmtree(out / CHECKPOINTS, ignore_errors=True)
    return read_run(out), made


def probed(file: Path, config: FinetuneConfig) -> tuple[dict[str, Any], bool]:
    """Return the probe of what a fine-tuning starts from, on its images, and whether it had to be made.

    Args:
        file: where it is kept.
        config: of the fine-tuning; without weights the network is probed as it is before any training.
    """
    asked: dict[str, Any] = {
        "data": config.data,
        "labels": config.labels,
        "seed": config.seed,
        "test_limit": config.test_limit,
        "skip_broken": config.skip_broken,
    }
    if file.is_file():
        kept = read_object(file)
        if kept.get("asked") == asked and isinstance(kept.get("result"), dict):
            return kept["result"], False
    result = judge(extract(config), config.seed).to_json()
    write_json(file, {"asked": asked, "result": result})
    return result, True


def _stored(config: Training) -> dict[str, Any] | None:
    """Return the config of the training in the folder, fields added since at their defaults; None for none."""
    path = config.out / RUN_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["config"]
        return type(config).from_json(content).to_json()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} must describe a run of this sweep, but cannot be read: {error}") from error


def _can_resume(config: Training) -> bool:
    """Whether there is a checkpoint to go on from; a fine-tuning's does not survive a move of its weights."""
    if not list_checkpoints(config.out) or (stored := _stored(config)) is None:
        return False
    return stored.get("weights") == config.to_json().get("weights")
