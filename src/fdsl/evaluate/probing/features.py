"""What frozen weights make of images: the vectors that a model hands its head."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor, nn

from fdsl.data.standardize import Standardize
from fdsl.errors import DataError, FdslError, InputError
from fdsl.train.accuracy import BATCH
from fdsl.train.config import FinetuneConfig
from fdsl.train.device import borrowed_state, make_fabric
from fdsl.train.finetuning.batches import Batch
from fdsl.train.finetuning.images import open_splits, squares, statistics
from fdsl.train.finetuning.starting import architecture_of, starting_model
from fdsl.train.weights import Architecture, MatchReport, describe_weights, load_weights

NAMED = 3
"""Tensors that a message names at most."""

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of labelled images: float64 [N, D], and int64 [N]."""

    train: Numbers
    train_labels: Labels
    test: Numbers
    test_labels: Labels


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """A model on its device that learns no more."""

    name: str
    """What an error calls its weights."""
    model: nn.Module
    standardize: Standardize

    def features(self, batches: Iterable[Batch]) -> Numbers:
        """Return what the model hands its head, float64 [N, D].

        Args:
            batches: uint8 [B, S, S, 3] and labels, which are not used.

        Raises:
            DataError: a feature is no finite number.
        """
        found: list[Tensor] = []
        forward: Any = self.model  # timm's models have both methods; torch's base class does not say so
        with torch.inference_mode():
            for pixels, _ in batches:
                seen = self.standardize(pixels.to(self.standardize.device))
                features = forward.forward_head(forward.forward_features(seen), pre_logits=True)
                found.append(features.flatten(1).cpu())
        features = torch.cat(found).double().numpy()
        if not np.isfinite(features).all():
            raise DataError(
                f"the features of {self.name} must be finite numbers, got others: training went astray"
            )
        return features


def extract(config: FinetuneConfig) -> Features:
    """Return what the frozen weights of `config` make of its training and test images.

    Images are chosen and resized as a fine-tuning does, and standardized as those the model was trained on. Without
    weights it is the network that a fine-tuning from scratch starts from, which sees images standardized by their own
    mean and deviation.

    Raises:
        InputError: weights or data are not there, or have too few images for the labels.
        DataError: an image or the weights are damaged, or do not fill the model their config describes.
    """
    architecture = architecture_of(config)
    images, test_images = open_splits(config)
    fabric = make_fabric("32")
    train, test = (squares(part, config, architecture.size) for part in (images, test_images))
    with borrowed_state(fabric.device, config.threads):
        if config.weights is None:
            model = starting_model(config, architecture, classes=len(images.classes))
            standardize = statistics(images, architecture.size, fabric.device)
            frozen = Frozen(
                name="random weights", model=fabric.to_device(model.eval()), standardize=standardize
            )
        else:
            frozen = frozen_weights(config, config.weights, architecture, fabric)
        features = [frozen.features(part.batches(BATCH)) for part in (train, test)]
    return Features(
        train=features[0], train_labels=images.labels, test=features[1], test_labels=test_images.labels
    )


def frozen_weights(
    config: FinetuneConfig, weights: Path, architecture: Architecture, fabric: Fabric
) -> Frozen:
    """Return the model of `architecture` without a head, filled with `weights`.

    Raises:
        InputError: the mean and deviation of the weights' images are not known, or their size cannot change.
        DataError: the weights are damaged, or do not fill the model.
    """
    if architecture.mean is None or architecture.std is None:
        raise InputError(
            f"weights must come with the mean and deviation of their images, got {weights}: "
            "no config.json beside them tells these"
        )
    standardize = Standardize(architecture.mean, architecture.std, fabric.device)
    model = starting_model(config, architecture, classes=0)
    match = load_weights(model, weights)
    if not match.complete:
        raise _incomplete(weights, architecture, match)
    return Frozen(name=str(weights), model=fabric.to_device(model.eval()), standardize=standardize)


def _incomplete(weights: Path, architecture: Architecture, match: MatchReport) -> FdslError:
    """Return the error that says which tensors do not fill the model, and whether another size would do."""
    kinds = ("missing", "unexpected", "mismatched")
    lines = [f"{kind}: {name}" for kind in kinds for name in getattr(match, kind)]
    listed = "; ".join(lines[:NAMED]) + (f"; and {len(lines) - NAMED} more" if len(lines) > NAMED else "")
    own = describe_weights(weights)
    if own is not None and own.size != architecture.size:
        return InputError(
            f"size must be {own.size}, as {weights} has it, got {architecture.size}: what {architecture.model} has "
            f"learned cannot be brought to another size ({listed})"
        )
    return DataError(f"{weights} must fill {architecture.model}: {listed}")
