"""Saving and loading weights: a folder that timm loads by itself, and a loader that hides no mismatch.

The folder holds `model.safetensors` and `config.json`, which `timm.create_model("local-dir:FOLDER",
pretrained=True)` reads. Only safetensors files are read: a pickle can run code.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from timm.models import save_for_hf
from torch import Tensor, nn

from fdsl.errors import DataError, InputError
from fdsl.train.model import DERIVED_ARGS

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


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


@dataclass(frozen=True, kw_only=True)
class MatchReport:
    """How the tensors of a file met those of a model; every tensor of either is counted once."""

    matched: int
    """Tensors copied as they are, or resized."""
    resized: tuple[str, ...]
    """Position embeddings and patch kernels resampled to the new size."""
    replaced: tuple[str, ...]
    """Tensors of the head, left at their random start on purpose."""
    missing: tuple[str, ...]
    """Tensors of the model that the file lacks; left at their random start."""
    unexpected: tuple[str, ...]
    """Tensors of the file that the model lacks; not used."""
    mismatched: tuple[str, ...]
    """Tensors of both whose shapes differ, as "name: file [..], model [..]"; left at their random start."""

    @property
    def complete(self) -> bool:
        """Whether everything but the head was loaded."""
        return not (self.missing or self.unexpected or self.mismatched)

    def lines(self) -> list[str]:
        """Return the report as lines for a person."""
        lines = [f"{self.matched} tensors loaded, {len(self.replaced)} of the head new"]
        for kind in ("resized", "missing", "unexpected", "mismatched"):
            lines += [f"  {kind}: {name}" for name in getattr(self, kind)]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}


def save_weights(
    model: nn.Module,
    folder: Path,
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
) -> None:
    """Write `model` to `folder` so that timm loads it; each file appears whole or not at all.

    Args:
        model: a timm model.
        folder: made if need be; other files in it stay.
        size: height and width of the images it was trained on, in pixels.
        mean: mean of the training pixels a channel, 3 values in 0..1.
        std: standard deviation of the training pixels a channel, 3 values in 0..1.
        classes: names of the classes, one a logit.

    Raises:
        DataError: the weights cannot be written; the disk is full, say.
    """
    preprocessing = {
        "input_size": (3, size, size),
        "mean": tuple(mean),
        "std": tuple(std),
        "crop_pct": 1.0,
        "interpolation": "bicubic",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder, prefix=".weights-") as temporary:
        try:
            save_for_hf(
                model,
                temporary,
                # timm's defaults name the ImageNet weights of this architecture; these are others.
                model_config={
                    "label_names": list(classes),
                    "pretrained_cfg": {"tag": "fdsl", "license": None},
                },
                safe_serialization=True,
                data_config=preprocessing,
            )
        except SafetensorError as error:
            raise DataError(f"{folder / WEIGHTS_FILE} cannot be written: {error}") from error
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            (Path(temporary) / name).replace(folder / name)


def describe_weights(source: Path) -> Architecture | None:
    """Return what the config beside the weights says, or None where a lone file has no config beside it.

    Raises:
        InputError: `source` is neither a folder of weights nor a .safetensors file.
        DataError: the config cannot be read.
    """
    path = _weights_path(source).parent / CONFIG_FILE
    if not path.is_file():
        if source.is_dir():
            raise DataError(f"weights must hold {CONFIG_FILE}, got none in {source}")
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        name, args = str(content["architecture"]), dict(content.get("model_args", {}))
        trained = content["pretrained_cfg"]
        size = int(trained["input_size"][-1])
        mean, std = (tuple(map(float, trained[key])) if key in trained else None for key in ("mean", "std"))
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise DataError(f"{path} must describe a timm model: {error!r}") from error
    kept = {key: value for key, value in args.items() if key not in DERIVED_ARGS}
    return Architecture(model=name, model_args=kept, size=size, mean=mean, std=std)


def load_weights(model: nn.Module, source: str | Path) -> MatchReport:
    """Copy the weights at `source` into `model`, except for its head; report every tensor.

    Position embeddings and patch kernels of another size are resampled by timm's filter of the architecture.

    Args:
        model: a timm model; changed in place.
        source: a folder with model.safetensors, or a .safetensors file.

    Raises:
        InputError: `source` is not such a folder or file.
        DataError: the file is damaged, or no tensor of it fits.
    """
    path = _weights_path(Path(source))
    try:
        stored = load_file(path)
    except (SafetensorError, ValueError) as error:
        raise DataError(f"{path} must be a whole safetensors file: {error}") from error
    heads = _head_prefixes(model)
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(heads)}
    adapted = _adapt(stored, model, path)
    found = {name: tensor for name, tensor in adapted.items() if not name.startswith(heads)}
    fitting = {name: t for name, t in found.items() if name in own and t.shape == own[name].shape}
    if not fitting:
        kind = type(model).__name__
        raise DataError(f"{path} must fit the model {kind}: none of its {len(stored)} tensors does")
    model.load_state_dict(fitting, strict=False)
    return MatchReport(
        matched=len(fitting),
        resized=tuple(n for n, t in fitting.items() if n in stored and stored[n].shape != t.shape),
        replaced=tuple(name for name in model.state_dict() if name.startswith(heads)),
        missing=tuple(name for name in own if name not in found),
        unexpected=tuple(name for name in found if name not in own),
        mismatched=tuple(
            f"{name}: file {list(found[name].shape)}, model {list(tensor.shape)}"
            for name, tensor in own.items()
            if name in found and name not in fitting
        ),
    )


def _weights_path(source: Path) -> Path:
    if source.is_dir():
        path = source / WEIGHTS_FILE
        if not path.is_file():
            raise InputError(f"weights must be a folder with {WEIGHTS_FILE}, got {source}: it has none")
        return path
    if not source.is_file():
        raise InputError(f"weights must be a folder or a .safetensors file, got {source}: it does not exist")
    if source.suffix != ".safetensors":
        raise InputError(f"weights must be a .safetensors file, got {source}: other formats can run code")
    return source


def _head_prefixes(model: nn.Module) -> tuple[str, ...]:
    names: str | Sequence[str] = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _adapt(stored: dict[str, Tensor], model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Resample what depends on the image size, by the filter that timm's architecture file defines."""
    filters: list[Callable[..., dict[str, Tensor]]] = [
        module.checkpoint_filter_fn
        for kind in type(model).__mro__
        if hasattr(module := sys.modules[kind.__module__], "checkpoint_filter_fn")
    ]
    if not filters:
        return stored
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # what torch says of how timm (1.0.31) resamples Swin's position biases: slow, and in an older style
            warnings.filterwarnings("ignore", "torch.searchsorted|Using a non-tuple sequence", UserWarning)
            return filters[0](dict(stored), model)
    except (RuntimeError, ValueError, AssertionError, KeyError, IndexError, AttributeError) as error:
        raise DataError(f"{path} must fit the model {type(model).__name__}: {error}") from error
