"""The models whose attention is looked at: built, filled with their weights, and told what they see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import timm
import torch
from torch import Tensor, nn

from fdsl.data.standardize import Standardize
from fdsl.errors import DataError, InputError
from fdsl.evaluate.attention.config import AttentionConfig
from fdsl.evaluate.attention.images import Images
from fdsl.evaluate.attention.origins import SCRATCH, Origin, distinct_names
from fdsl.render.renderer import MAX_SIZE, MIN_SIZE
from fdsl.train.device import reseed
from fdsl.train.model import build_model
from fdsl.train.weights import Architecture, describe_weights, load_weights
from fdsl.train.weights.sources import read_tensors, weights_path

STATISTICS_IMAGES = 256


@dataclass(frozen=True, kw_only=True)
class Looker:
    """A model in evaluation mode, of weights or untrained."""

    name: str
    weights: Path | None
    """None is untrained."""
    architecture: Architecture
    model: nn.Module
    segments: bool
    """Whether it learned from masks."""
    standardize: Standardize
    standardized_by: str
    """Where mean and deviation come from: "weights", "rendered images" or "real images"."""

    @property
    def size(self) -> int:
        """Height and width of the images it takes, pixels."""
        return self.architecture.size


def load_lookers(
    config: AttentionConfig,
    origins: Sequence[Origin],
    architectures: Sequence[Architecture],
    rendered: Images,
    real: Images | None,
    device: torch.device,
) -> list[Looker]:
    """Return the untrained model, if asked for, and those of the weights in their order.

    All see images standardized as those that the weights were trained on, the untrained one as the first weights.
    Where nothing tells mean and deviation (a checkpoint of a run that has not finished, say) they are those of images
    that are shown: real ones for a fine-tuning where there are any, otherwise rendered ones.

    Args:
        config: says with which method, and whether an untrained model is wanted.
        origins: of the weights.
        architectures: of each, as `architecture_of` returns them.
        rendered: images, of which some may tell mean and deviation.
        real: the same, if there are any.
        device: where to compute.

    Raises:
        InputError: weights have no head where Grad-CAM needs one.
        DataError: weights are damaged, or do not fill the model.
    """
    names = distinct_names(origins)
    with_head = config.method == "grad-cam"
    lookers: list[Looker] = []
    for name, origin, architecture in zip(names, origins, architectures, strict=True):
        model = _filled(origin.weights, architecture, with_head)
        standardize, told_by = _standardize(origin, architecture, rendered, real, device)
        lookers.append(
            Looker(
                name=name,
                weights=origin.weights,
                architecture=architecture,
                model=model.to(device).eval(),
                segments=origin.segments,
                standardize=standardize,
                standardized_by=told_by,
            )
        )
    if not config.scratch:
        return lookers
    first = lookers[0]
    classes = _logits(first.weights, first.architecture) if with_head and first.weights else 0
    reseed(config.seed, "attention weights", 0)
    untrained = _built(first.architecture, classes).to(device).eval()
    return [replace(first, name=SCRATCH, weights=None, model=untrained), *lookers]


def architecture_of(origin: Origin) -> Architecture:
    """Return what model the weights are of.

    Raises:
        InputError: nothing says so, or it takes images of a size that no formula is drawn at.
        DataError: what says so cannot be read.
    """
    architecture = describe_weights(origin.weights)
    if architecture is None:
        raise InputError(
            f"weights must say what model they are of, got {origin.weights}: neither the file nor a config.json beside "
            "it does"
        )
    if not MIN_SIZE <= architecture.size <= MAX_SIZE:
        raise InputError(
            f"weights must take images of {MIN_SIZE} to {MAX_SIZE} pixels, which formulas are drawn at, "
            f"got {origin.weights} of {architecture.size}"
        )
    return architecture


def _built(architecture: Architecture, classes: int) -> nn.Module:
    return build_model(architecture.model, architecture.model_args, size=architecture.size, classes=classes)


def _filled(weights: Path, architecture: Architecture, with_head: bool) -> nn.Module:
    """Return the model with its weights, and with the head of them if asked for."""
    classes = _logits(weights, architecture) if with_head else 0
    model = _built(architecture, classes)
    match = load_weights(model, weights)
    if not match.complete:
        lines = "; ".join(line.strip() for line in match.lines()[1:])
        raise DataError(f"{weights} must fill {architecture.model}: {lines}")
    if with_head:
        model.load_state_dict(_head(weights, architecture), strict=False)
    return model


def _logits(weights: Path, architecture: Architecture) -> int:
    """Return how many classes the head of the weights tells apart."""
    return next(len(tensor) for name, tensor in _head(weights, architecture).items() if tensor.ndim > 1)


def _head(weights: Path, architecture: Architecture) -> dict[str, Tensor]:
    """Return the tensors of the head that lie in a file of weights.

    Raises:
        InputError: there are none.
    """
    known = timm.get_pretrained_cfg(architecture.model)
    classifier = known.classifier if known is not None else None
    names = [classifier] if isinstance(classifier, str) else list(classifier or ())
    stored, _ = read_tensors(weights_path(weights))
    head = {name: tensor for name, tensor in stored.items() if name.rpartition(".")[0] in names}
    if not any(tensor.ndim > 1 for tensor in head.values()):
        raise InputError(
            f"method must be rollout for weights without a classifier, got grad-cam and {weights}: "
            "Grad-CAM asks what a class hangs on"
        )
    return head


def _standardize(
    origin: Origin, architecture: Architecture, rendered: Images, real: Images | None, device: torch.device
) -> tuple[Standardize, str]:
    """Return the standardization for a model's images, and what it was told by."""
    if architecture.mean is not None and architecture.std is not None:
        return Standardize(architecture.mean, architecture.std, device), "weights"
    by_real = origin.kind == "finetune" and real is not None
    shown = real if by_real and real is not None else rendered
    some = np.arange(min(len(shown), STATISTICS_IMAGES))
    pixels = shown.pixels(some, architecture.size)
    return Standardize.of([pixels], device), "real images" if by_real else "rendered images"
