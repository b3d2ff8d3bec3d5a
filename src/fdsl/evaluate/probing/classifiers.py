"""The two classifiers of a probe, from scikit-learn: a logistic regression, and nearest neighbours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fdsl.errors import InputError
from fdsl.evaluate.probing.features import Features, Labels, Numbers

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""What C of the logistic regression may be, on features of deviation 1: at 1 it is hardly restrained any more."""
PLAIN_STRENGTH = 1e-2
"""C where a class has a single labelled image, which leaves nothing to choose by."""
FOLDS, NEIGHBOURS, ITERATIONS = 5, 20, 2000


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What both classifiers get right."""

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
class Classifiers:
    """Both classifiers, trained."""

    linear: Any
    strength: float
    """C of the linear one."""
    knn: Any

    def named(self) -> dict[str, Any]:
        """Return them by their names in the results."""
        return {"linear": self.linear, "knn": self.knn}


def judge(features: Features, seed: int) -> Judgement:
    """Train both classifiers on the training features, and count what they get right of the others.

    Args:
        features: of training and test images.
        seed: divides the training images into the folds that choose C.
    """
    neighbours = neighbours_for(features.train_labels)
    found = train_classifiers(features.train, features.train_labels, seed, neighbours)
    right = {
        name: float(np.mean(answers(classifier, features.test)[0] == features.test_labels))
        for name, classifier in found.named().items()
    }
    return Judgement(
        **right,
        strength=found.strength,
        neighbours=neighbours,
        labels=len(features.train_labels),
        test_images=len(features.test_labels),
        features=features.train.shape[1],
    )


def neighbours_for(labels: Labels, wanted: int | None = None) -> int:
    """Return how many neighbours vote: 20, or as many as the smallest class has images, or as many as are `wanted`.

    Raises:
        InputError: more are wanted than the smallest class has images: it could not win a vote.
    """
    smallest = fewest(labels)
    if wanted is None:
        return min(NEIGHBOURS, smallest)
    if wanted > smallest:
        raise InputError(
            f"neighbours must be at most {smallest}, as many as the smallest class has labelled images, got {wanted}: "
            "it could not win a vote"
        )
    return wanted


def fewest(labels: Labels) -> int:
    """Return how many images the smallest class has; classes without any do not count."""
    return int(np.unique(labels, return_counts=True)[1].min())


def train_classifiers(train: Numbers, labels: Labels, seed: int, neighbours: int) -> Classifiers:
    """Train both on features.

    The logistic regression sees features of mean 0 and deviation 1 (by the training images); its C is the one that is
    right most often in a stratified cross-validation of five folds, or as many as the smallest class has images.
    Neighbours are those of the highest cosine, each with a vote of one over its distance.

    Args:
        train: float64 [N, D].
        labels: int64 [N], of two classes at least.
        seed: divides the images into the folds.
        neighbours: how many vote.
    """
    smallest = fewest(labels)
    scaled = make_pipeline(StandardScaler(), LogisticRegression(C=PLAIN_STRENGTH, max_iter=ITERATIONS))
    strength = PLAIN_STRENGTH
    if smallest > 1:
        folds = StratifiedKFold(min(FOLDS, smallest), shuffle=True, random_state=seed)
        search = GridSearchCV(scaled, {"logisticregression__C": STRENGTHS}, cv=folds, refit=False)
        strength = float(search.fit(train, labels).best_params_["logisticregression__C"])
    linear = scaled.set_params(logisticregression__C=strength).fit(train, labels)
    nearest = KNeighborsClassifier(neighbours, metric="cosine", weights="distance")
    return Classifiers(linear=linear, strength=strength, knn=nearest.fit(train, labels))


def answers(classifier: Any, features: Numbers) -> tuple[Labels, Numbers, Labels]:
    """Return what a classifier says of features, float64 [T, D].

    Returns:
        the likeliest classes, int64 [T]; the probabilities (votes, of neighbours), float64 [T, K]; and the K classes
        that these are of, int64 [K], those that have training images.
    """
    shares = classifier.predict_proba(features)
    return classifier.classes_[shares.argmax(axis=1)], shares, classifier.classes_
