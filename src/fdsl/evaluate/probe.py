"""What frozen features are worth: a linear classifier and nearest neighbours on pre-trained weights as they are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from fdsl.data.standardize import Standardize
from fdsl.errors import DataError, InputError
from fdsl.train.accuracy import BATCH
from fdsl.train.config import FinetuneConfig
from fdsl.train.device import borrowed_state, make_fabric
from fdsl.train.finetuning.batches import SquareImages
from fdsl.train.finetuning.images import open_splits, squares, statistics
from fdsl.train.finetuning.starting import architecture_of, starting_model
from fdsl.train.weights import load_weights

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""What C of the logistic regression may be, on features of deviation 1: at 1 it is hardly restrained any more."""
PLAIN_STRENGTH = 1e-2
"""C where a class has a single labelled image, which leaves nothing to choose by."""
FOLDS, NEIGHBOURS, ITERATIONS = 5, 20, 2000

Numbers = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What a probe came to."""

    linear: float
    """Test accuracy of a logistic regression on the features, in 0..1."""
    strength: float
    """Its C, chosen by cross-validation on the labelled training images alone."""
    knn: float
    """Test accuracy of the nearest neighbours, in 0..1."""
    neighbours: int
    """How many: 20, or as many as the smallest class has labelled images."""
    labels: int
    """Labelled training images used."""
    test_images: int
    features: int
    """Length of a feature vector."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        return dict(vars(self))


@dataclass(frozen=True, kw_only=True)
class Features:
    """Features of labelled images: float64 [N, D], and int64 [N]."""

    train: Numbers
    train_labels: Labels
    test: Numbers
    test_labels: Labels


def probe(
    weights: Path,
    data: str,
    *,
    labels: int | None = None,
    seed: int = 0,
    test_limit: int | None = None,
    skip_broken: bool = False,
    threads: int | None = None,
) -> ProbeResult:
    """Measure what the frozen features of a pre-trained model tell about real images.

    Images are chosen and resized as `finetune` does with the same arguments, and standardized as those the model was
    trained on. Everything is computed in float32 and depends on the arguments alone.

    Args:
        weights: folder of a pre-training run, or a .safetensors file beside its config.json.
        data: the word digits, or a folder: see `FinetuneConfig`.
        labels: labelled training images to use, as many of each class; None uses all.
        seed: chooses them.
        test_limit: test images to use at most; None uses all.
        skip_broken: leave out image files that cannot be read.
        threads: CPU threads; None leaves one core free.

    Raises:
        InputError: weights or data are not there, or have too few images for the labels.
        DataError: an image or the weights are damaged, or do not fill the model their config describes.
    """
    config = FinetuneConfig(
        out=weights,  # nothing is written
        data=data,
        weights=weights,
        labels=labels,
        seed=seed,
        test_limit=test_limit,
        skip_broken=skip_broken,
        threads=threads,
    )
    return judge(extract(config), seed)


def extract(config: FinetuneConfig) -> Features:
    """Return what the frozen weights of `config` make of its training and test images.

    Without weights it is the network that a fine-tuning from scratch starts from, which sees images standardized by
    their own mean and deviation.

    Raises:
        InputError, DataError: see `probe`.
    """
    architecture = architecture_of(config)
    images, test_images = open_splits(config)
    size, fabric = architecture.size, make_fabric("32")
    train, test = (squares(part, config, size) for part in (images, test_images))
    with borrowed_state(fabric.device, config.threads):
        model = starting_model(config, architecture, classes=len(images.classes))
        if config.weights is None:
            standardize = statistics(images, size, fabric.device)
        elif architecture.mean is None or architecture.std is None:
            raise InputError(
                f"weights must come with the mean and deviation of their images, got {config.weights}: "
                "no config.json beside them tells these"
            )
        else:
            standardize = Standardize(architecture.mean, architecture.std, fabric.device)
            match = load_weights(model, config.weights)
            if not match.complete:
                lines = "; ".join(line.strip() for line in match.lines()[1:])
                raise DataError(f"{config.weights} must fill {architecture.model}: {lines}")
        model = fabric.to_device(model.eval())
        features = [_features(model, part, standardize) for part in (train, test)]
    return Features(
        train=features[0], train_labels=images.labels, test=features[1], test_labels=test_images.labels
    )


def judge(features: Features, seed: int) -> ProbeResult:
    """Train both classifiers on the training features, and count what they get right of the others.

    The logistic regression sees features of mean 0 and deviation 1 (by the training images). Neighbours are those of
    the highest cosine, each with a vote of one over its distance.

    Args:
        features: of training and test images.
        seed: divides the training images into the folds that choose C.
    """
    labels = features.train_labels
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=PLAIN_STRENGTH, max_iter=ITERATIONS))
    strength = PLAIN_STRENGTH
    if smallest > 1:
        folds = StratifiedKFold(min(FOLDS, smallest), shuffle=True, random_state=seed)
        search = GridSearchCV(scaled, {"logisticregression__C": STRENGTHS}, cv=folds, refit=False)
        strength = float(search.fit(features.train, labels).best_params_["logisticregression__C"])
    linear = scaled.set_params(logisticregression__C=strength).fit(features.train, labels)
    neighbours = min(NEIGHBOURS, smallest)
    nearest = KNeighborsClassifier(neighbours, metric="cosine", weights="distance")
    nearest.fit(features.train, labels)
    return ProbeResult(
        linear=_accuracy(linear, features),
        strength=strength,
        knn=_accuracy(nearest, features),
        neighbours=neighbours,
        labels=len(labels),
        test_images=len(features.test_labels),
        features=features.train.shape[1],
    )


def _accuracy(classifier: Any, features: Features) -> float:
    return float(np.mean(classifier.predict(features.test) == features.test_labels))


def _features(model: nn.Module, images: SquareImages, standardize: Standardize) -> Numbers:
    """Return what `model` hands its head, float64 [N, D]."""
    batches: list[Tensor] = []
    forward: Any = model  # timm's models have both methods; torch's base class does not say so
    with torch.inference_mode():
        for pixels, _ in images.batches(BATCH):
            seen = standardize(pixels.to(standardize.device))
            features = forward.forward_head(forward.forward_features(seen), pre_logits=True)
            batches.append(features.flatten(1).cpu())
    found = torch.cat(batches).double().numpy()
    if not np.isfinite(found).all():
        raise DataError(
            "the features of the weights must be finite numbers, got others: training went astray"
        )
    return found
