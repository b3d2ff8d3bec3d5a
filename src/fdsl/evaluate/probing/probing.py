"""One probe, from weights to files."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdsl.commands import shell_command
from fdsl.data.real import RealImages
from fdsl.errors import InputError
from fdsl.evaluate.confusion import PICTURE_FILE, picture_confusion
from fdsl.evaluate.probing.changes import CHANGES, EDGES, PLAIN, SHUFFLED, changed, shape_bias
from fdsl.evaluate.probing.classifiers import FOLDS, fewest, neighbours_for
from fdsl.evaluate.probing.config import ProbeConfig
from fdsl.evaluate.probing.features import frozen_weights
from fdsl.evaluate.probing.measuring import Answers, Measured, ProbedImages, measure, notes_on, open_probed
from fdsl.evaluate.probing.pictures import EXAMPLES, picture_calibration, picture_shape
from fdsl.evaluate.probing.result import WHAT, ProbeResult
from fdsl.evaluate.probing.scores import Interval, Score, shape_bias_interval
from fdsl.evaluate.results import check_result_folder, result_folder
from fdsl.files import write_json
from fdsl.train.accuracy import Predictions
from fdsl.train.device import borrowed_state, make_fabric
from fdsl.train.finetuning.answers import CONFUSION_FILE, PREDICTIONS_FILE, write_answers
from fdsl.train.finetuning.images import squares
from fdsl.train.finetuning.starting import architecture_of
from fdsl.train.progress import say
from fdsl.train.weights import Architecture

RESULT_FILE, CALIBRATION_FILE, SHAPE_FILE = f"{WHAT}.json", "calibration.png", "shape.png"
FILES = frozenset({RESULT_FILE, PREDICTIONS_FILE, CONFUSION_FILE, PICTURE_FILE, CALIBRATION_FILE, SHAPE_FILE})
"""All that a probe writes."""


def probe(config: ProbeConfig) -> ProbeResult:
    """Measure what frozen features tell about real images, and write numbers and pictures to `config.out`.

    Images are chosen and resized as `finetune` does with the same arguments, and standardized as those the model was
    trained on. A logistic regression and nearest neighbours learn from the features of the labelled images, once for
    each seed, and are tested on the test images as they are, on their edges alone, blurred, and with shuffled patches.
    Everything is computed in float32 and depends on the arguments alone. predictions.csv, confusion.csv and its picture
    are of the linear classifier of the first seed; of more than 2,000 classes there is no confusion.

    Returns:
        what probe.json holds.

    Raises:
        InputError: weights or data are not there, have too few images, or `out` holds something else.
        DataError: an image or the weights are damaged, do not fill the model, or give features that are no numbers.
    """
    check_result_folder("out", config.out, WHAT, FILES)
    architecture = _architecture(config)
    images = open_probed(config)
    neighbours = neighbours_for(images.first.labels, config.neighbours)
    notes = notes_on(config, images, neighbours)
    for note in notes:
        say(note)
    fabric = make_fabric("32")
    with borrowed_state(fabric.device, config.threads):
        finetuning = config.finetuning(config.seeds[0])
        frozen = frozen_weights(finetuning, config.weights, architecture, fabric)
        measured = measure(config, frozen, architecture.size, images, neighbours)
    result = _result(config, architecture, images, measured, neighbours, notes)
    examples = _examples(config, architecture.size, images.test)
    first = measured.answers[PLAIN]["linear"][config.seeds[0]].predictions
    with result_folder("out", config.out, WHAT, FILES) as folder:
        _write(folder, result, first, images.test, examples)
    return result


def _architecture(config: ProbeConfig) -> Architecture:
    """Return the model of the weights, with mean and deviation of its images.

    Raises:
        InputError: nothing tells these.
    """
    found = architecture_of(config.finetuning(config.seeds[0]))
    if config.mean is not None:
        return replace(found, mean=config.mean, std=config.std)
    if found.mean is None or found.std is None:
        raise InputError(
            f"mean and std must be given, got none: {config.weights} does not come with those of its images"
        )
    return found


def _result(
    config: ProbeConfig,
    architecture: Architecture,
    images: ProbedImages,
    measured: Measured,
    neighbours: int,
    notes: list[str],
) -> ProbeResult:
    scores = {
        version: {name: Score.of(said) for name, said in classifiers.items()}
        for version, classifiers in measured.answers.items()
    }
    chance = float(np.bincount(images.test.labels).max() / len(images.test))
    bias, bias_interval = _shape_bias(scores, measured.answers, chance)
    smallest = fewest(images.first.labels)
    return ProbeResult(
        weights=str(config.weights),
        data=config.data,
        model=architecture.model,
        size=architecture.size,
        classes=images.test.classes,
        seeds=config.seeds,
        labels=len(images.first),
        test_images=len(images.test),
        features=measured.features,
        neighbours=neighbours,
        folds=min(FOLDS, smallest) if smallest > 1 else 0,
        strength=measured.strength,
        chance=chance,
        linear=scores[PLAIN]["linear"],
        knn=scores[PLAIN]["knn"],
        robustness={v: {name: score.accuracy for name, score in of.items()} for v, of in scores.items()},
        robustness_interval={
            v: {name: score.interval for name, score in of.items()} for v, of in scores.items()
        },
        shape_bias=bias,
        shape_bias_interval=bias_interval,
        untested=images.untested,
        skipped=images.skipped,
        notes=notes,
        command=shell_command(f"probe {shlex.quote(str(config.weights))}", config, leave=("weights",)),
    )


def _shape_bias(
    scores: dict[str, dict[str, Score]], answers: Answers, chance: float
) -> tuple[float | None, Interval | None]:
    """Return the linear classifier's shape bias and its interval; None where neither version is above chance."""
    edges, shuffled = scores[EDGES]["linear"], scores[SHUFFLED]["linear"]
    if max(edges.interval[0], shuffled.interval[0]) <= chance:
        return None, None
    by_edges, by_patches = (list(answers[version]["linear"].values()) for version in (EDGES, SHUFFLED))
    bias = shape_bias(edges.accuracy, shuffled.accuracy, chance)
    return bias, shape_bias_interval(by_edges, by_patches, chance)


def _examples(config: ProbeConfig, size: int, test: RealImages) -> NDArray[np.uint8]:
    """Return test images of different classes, evenly chosen, in every version: uint8 [V, E, S, S, 3]."""
    firsts = np.sort(np.unique(test.labels, return_index=True)[1])
    chosen = firsts[np.linspace(0, len(firsts) - 1, min(EXAMPLES, len(firsts))).astype(np.int64)]
    pictured = test.subset(chosen)
    pixels = squares(pictured, config.finetuning(config.seeds[0]), size).pixels(np.arange(len(chosen)))
    return np.stack([changed(pixels, pictured.source_index, version) for version in CHANGES])


def _write(
    folder: Path, result: ProbeResult, first: Predictions, test: RealImages, examples: NDArray[np.uint8]
) -> None:
    write_json(folder / RESULT_FILE, result.to_json())
    write_answers(folder, first, test.describe_each())
    if (folder / CONFUSION_FILE).is_file():
        picture_confusion(folder / CONFUSION_FILE, folder / PICTURE_FILE)
    picture_calibration(result, folder / CALIBRATION_FILE)
    picture_shape(result, examples, folder / SHAPE_FILE)
