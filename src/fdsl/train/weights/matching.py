"""Copying the tensors of a file into a model, and saying what became of every one."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from fdsl.errors import DataError, first_line
from fdsl.train.weights.sources import read_tensors, weights_path


@dataclass(frozen=True, kw_only=True)
class MatchReport:
    """How the tensors of a file met those of a model; every tensor of either is counted once."""

    part: str
    """Key of the file that they lay under, state_dict_ema for example; empty where the file holds nothing else."""
    matched: int
    """Tensors copied as they are, or resized."""
    resized: tuple[str, ...]
    """Position embeddings and patch kernels brought to the new size or form."""
    replaced: tuple[str, ...]
    """Tensors of the head, left at their random start on purpose."""
    missing: tuple[str, ...]
    """Tensors of the model that the file lacks; left at their random start."""
    unexpected: tuple[str, ...]
    """Tensors of the file that the model lacks; not used."""
    mismatched: tuple[str, ...]
    """Tensors of both whose shapes differ, or of which one alone holds fractions, as "name: file [..], model [..]";
    left at their random start."""
    converted: tuple[str, ...]
    """Tensors of the file that timm's filter for old names took apart, renamed or left out."""

    @property
    def complete(self) -> bool:
        """Whether everything but the head was loaded."""
        return not (self.missing or self.unexpected or self.mismatched)

    def lines(self) -> list[str]:
        """Return the report as lines for a person."""
        origin = f" from {self.part}" if self.part else ""
        lines = [f"{self.matched} tensors loaded{origin}, {len(self.replaced)} of the head new"]
        if random := len(self.missing) + len(self.mismatched):
            lines[0] += f", {random} OTHERS NOT LOADED: they stay at their random start"
        for kind in ("resized", "converted", "missing", "unexpected", "mismatched"):
            lines += [f"  {kind}: {name}" for name in getattr(self, kind)]
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in vars(self).items()}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Return the report that `to_json` returned as `content`."""
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        return cls(**fields)


def load_weights(model: nn.Module, source: str | Path) -> MatchReport:
    """Copy the weights at `source` into `model`, except for its head; report every tensor.

    Of a checkpoint with a moving average of the weights that is taken, as timm does; the report says so. Names of old
    versions of timm and of some models' first releases are brought up to date, and position embeddings and patch
    kernels of another size resampled, by timm's filter of the architecture.

    Args:
        model: a timm model; changed in place.
        source: a folder with model.safetensors, a .safetensors file, or a file of torch.save: a state dict, or a
            checkpoint of timm, DeiT, MAE, MoCo or fdsl that holds one.

    Raises:
        InputError: `source` is not such a folder or file.
        DataError: the file is damaged, would run code, holds no state dict, or no tensor of it fits.
    """
    path = weights_path(Path(source))
    stored, part = read_tensors(path)
    heads = _head_prefixes(model)
    own = {name: tensor for name, tensor in model.state_dict().items() if not name.startswith(heads)}
    adapted = _adapt(stored, model, path)
    found = {name: tensor for name, tensor in adapted.items() if not name.startswith(heads)}
    fitting = {name: tensor for name, tensor in found.items() if name in own and _fits(tensor, own[name])}
    if not fitting:
        kind = type(model).__name__
        raise DataError(f"{path} must fit the model {kind}: none of its {len(stored)} tensors does")
    model.load_state_dict(fitting, strict=False)
    as_they_were = {id(tensor) for tensor in stored.values()}
    return MatchReport(
        part=part,
        matched=len(fitting),
        resized=tuple(n for n, t in fitting.items() if id(t) not in as_they_were and n in stored),
        replaced=tuple(name for name in model.state_dict() if name.startswith(heads)),
        missing=tuple(name for name in own if name not in found),
        unexpected=tuple(name for name in found if name not in own),
        mismatched=tuple(
            f"{name}: file {_form(found[name], tensor)}, model {_form(tensor, found[name])}"
            for name, tensor in own.items()
            if name in found and name not in fitting
        ),
        converted=tuple(name for name in stored if name not in adapted and not name.startswith(heads)),
    )


def _fits(tensor: Tensor, own: Tensor) -> bool:
    """Whether `tensor` can take the place of `own`: of integers as weights, say, nothing good would come."""
    return tensor.shape == own.shape and tensor.is_floating_point() == own.is_floating_point()


def _form(tensor: Tensor, other: Tensor) -> str:
    """Return the shape of `tensor`, with its type where `other` has the same shape."""
    kind = f"{str(tensor.dtype).removeprefix('torch.')} " if tensor.shape == other.shape else ""
    return f"{kind}{list(tensor.shape)}"


def _head_prefixes(model: nn.Module) -> tuple[str, ...]:
    names: str | Sequence[str] = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ([names] if isinstance(names, str) else names))


def _adapt(stored: dict[str, Tensor], model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Resample what depends on the image size, and rename, by the filter that timm's architecture file defines."""
    filters: list[Callable[..., dict[str, Tensor]]] = [
        module.checkpoint_filter_fn
        for kind in type(model).__mro__
        if hasattr(module := sys.modules[kind.__module__], "checkpoint_filter_fn")
    ]
    tensors = dict(stored)
    try:
        if "dist_token" in tensors and "pos_embed" in tensors and not hasattr(model, "dist_token"):
            # a distilled DeiT in a plain one: its second token goes, and so does that token's position
            kept = [0, *range(2, tensors["pos_embed"].shape[1])]
            tensors["pos_embed"] = tensors["pos_embed"][:, kept]
        with torch.no_grad(), warnings.catch_warnings():
            # what torch says of how timm (1.0.31) resamples Swin's position biases: slow, and in an older style
            warnings.filterwarnings("ignore", "torch.searchsorted|Using a non-tuple sequence", UserWarning)
            return filters[0](tensors, model) if filters else tensors
    except Exception as error:  # a filter checks little: it takes the file to be of its model
        kind = type(model).__name__
        raise DataError(
            f"{path} must fit the model {kind} as it was asked for, in patches, width and depth: {first_line(error)}"
        ) from error
