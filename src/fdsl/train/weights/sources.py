"""Which file is meant by a path, what it holds, and what is known of its model before the weights are loaded."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import clean_state_dict, create_model, is_model
from torch import Tensor

from fdsl.errors import DataError, InputError
from fdsl.files import check_there
from fdsl.options import parse_options
from fdsl.train.checkpoint import FOLDER as CHECKPOINTS
from fdsl.train.model import DERIVED_ARGS, default_size
from fdsl.train.run import RUN_FILE
from fdsl.train.weights.pickles import SUFFIXES, find_state_dict, read_pickle
from fdsl.train.weights.saving import CONFIG_FILE, WEIGHTS_FILE

SAFE = ".safetensors"
WANTED = "a folder or a file of weights"


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """A timm model before its weights: what a config.json says of it."""

    model: str
    """timm model name."""
    model_args: dict[str, Any]
    """Arguments of the model, without those that follow from data (num_classes, img_size, in_chans)."""
    size: int
    """Height and width of its images, in pixels."""
    mean: tuple[float, ...] | None = None
    """Mean of the pixels it was trained on, 3 values in 0..1; None is not known."""
    std: tuple[float, ...] | None = None
    """Their standard deviation, 3 values in 0..1."""


def weights_path(source: Path) -> Path:
    """Return the file of weights that `source` means: itself, or the one in the folder.

    Raises:
        InputError: it is neither a folder of weights nor a file of a known kind.
    """
    if source.is_dir():
        path = source / WEIGHTS_FILE
        if not path.is_file():
            raise InputError(f"weights must be a folder with {WEIGHTS_FILE}, got {source}: it has none")
        return path
    check_there("weights", WANTED, source)
    if not source.name.lower().endswith((SAFE, *SUFFIXES)):
        kinds = ", ".join((SAFE, *SUFFIXES))
        raise InputError(f"weights must be a folder or a file that ends in one of {kinds}, got {source}")
    return source


def read_tensors(path: Path) -> tuple[dict[str, Tensor], str]:
    """Return the tensors of a file by their names in the model, and the keys of the file they lay under.

    The prefixes that DistributedDataParallel and torch.compile put before names are left out; so is the one of the
    backbone in a checkpoint of a segmentation.

    Raises:
        InputError: see `read_pickle`.
        DataError: the file is damaged, runs code, or holds no state dict.
    """
    if path.name.lower().endswith(SAFE):
        try:
            stored, part = load_file(path), ""
        except (SafetensorError, ValueError) as error:
            raise DataError(f"{path} must be a whole safetensors file: {error}") from error
    else:
        stored, part = find_state_dict(read_pickle(path), path)
    named: dict[str, Tensor] = clean_state_dict(stored)
    if all(name.startswith(("backbone.", "head.")) for name in named):  # `fdsl.train.segmentation`
        named = {name.removeprefix("backbone."): tensor for name, tensor in named.items()}
    if len(named) < len(stored):
        raise DataError(
            f"{path} must name each tensor once, got some with and without a prefix such as module."
        )
    return named, part


def describe_weights(source: Path) -> Architecture | None:
    """Return what is known of the model of the weights, or None where nothing is.

    That is in the config.json beside them; or, for a checkpoint of a run of fdsl, in its run.json; or in the file
    itself, as timm's training script notes it.

    Raises:
        InputError: `source` is neither a folder of weights nor a file of a known kind.
        DataError: the config or the file cannot be read.
    """
    path = weights_path(source)
    beside = path.parent / CONFIG_FILE
    if beside.is_file():
        return _of_config(beside)
    if source.is_dir():
        raise DataError(f"weights must hold {CONFIG_FILE}, got none in {source}")
    if path.name.lower().endswith(SAFE):
        return None
    run = path.parent.parent
    if path.parent.name == CHECKPOINTS and (run / RUN_FILE).is_file():
        return _of_config(run / CONFIG_FILE) if (run / CONFIG_FILE).is_file() else _of_run(run / RUN_FILE)
    return _of_checkpoint(read_pickle(path, verify=False))


def _of_config(path: Path) -> Architecture:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, args = str(content["architecture"]), dict(content.get("model_args", {}))
        trained = content["pretrained_cfg"]
        size = int(trained["input_size"][-1])
        mean, std = (tuple(map(float, trained[key])) if key in trained else None for key in ("mean", "std"))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path} must describe a timm model: {error!r}") from error
    return Architecture(model=name, model_args=_given(args), size=size, mean=mean, std=std)


def _of_run(path: Path) -> Architecture | None:
    """Return what the config of a run says; a fine-tuning may have left the model to its own weights."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["config"]
        name, size, args = config["model"], config["size"], parse_options("model_args", config["model_args"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} must describe a run, but cannot be read: {error!r}") from error
    if not isinstance(name, str) or not isinstance(size, int):
        return None
    return Architecture(model=name, model_args=args, size=size)


def _of_checkpoint(content: Any) -> Architecture | None:
    """Return what the entries `arch` and `args` of a checkpoint of timm's training script say."""
    name = content.get("arch") if isinstance(content, Mapping) else None
    if not isinstance(name, str) or not is_model(name):
        return None
    args = content.get("args")
    told: dict[str, Any] = vars(args) if type(args) is Namespace else args if isinstance(args, dict) else {}
    kwargs, pool = told.get("model_kwargs"), told.get("gp")
    own = {**(kwargs if isinstance(kwargs, dict) else {})}
    if isinstance(pool, str):
        own["global_pool"] = pool
    mean, std = (_three(told.get(key)) for key in ("mean", "std"))
    size = told.get("img_size") or (_three(told.get("input_size")) or (0,))[-1]
    return Architecture(
        model=name,
        model_args=_given(own),
        size=int(size) if isinstance(size, (int, float)) and 0 < size < 1 << 16 else default_size(name),
        mean=mean,
        std=std,
    )


def _given(args: dict[str, Any]) -> dict[str, Any]:
    """Return what is told to the model; what timm would read as told to itself, a file to load say, is left out."""
    left_out = {*DERIVED_ARGS, *signature(create_model).parameters}
    return {key: value for key, value in args.items() if isinstance(key, str) and key not in left_out}


def _three(value: object) -> tuple[float, ...] | None:
    """Return three numbers as such, anything else as None."""
    if not isinstance(value, (list, tuple)) or len(value) != 3:
        return None
    return tuple(map(float, value)) if all(type(part) in (int, float) for part in value) else None
