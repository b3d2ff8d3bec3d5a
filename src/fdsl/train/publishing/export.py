"""A finished run as a folder to share: weights that timm loads, a model card, the recipe, the metrics."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import timm
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but loaded lazily
from torch import nn

from fdsl.errors import DataError, InputError, first_line
from fdsl.files import atomic_folder, check_new_folder, write_json, write_text
from fdsl.train.publishing.card import Weights, model_card
from fdsl.train.publishing.finished import read_finished
from fdsl.train.run import METRICS_FILE
from fdsl.train.segmentation import HEAD_FILE
from fdsl.train.weights import CONFIG_FILE, WEIGHTS_FILE, describe_weights

CARD_FILE = "README.md"
TRAINING_FILE = "training.json"


def export_hf(run: str | Path, out: str | Path, *, name: str | None = None, terms: str | None = None) -> Path:
    """Lay a finished run out as a Hugging Face repository; nothing in it tells of the machine or its user.

    The folder, which appears whole or not at all, holds model.safetensors and config.json, which timm loads by
    "local-dir:" here and by "hf-hub:" from the Hub; README.md, the model card; training.json, the recipe and what it
    came to; metrics.csv; and of a segmentation its head.

    Args:
        run: folder of a pre-training or fine-tuning.
        out: folder to write: new or empty.
        name: of the repository on the Hub, USER/NAME; None leaves USER to be filled in.
        terms: identifier of a licence, as the Hub knows it; None names none.

    Returns:
        the folder.

    Raises:
        InputError: the run has not finished, or an argument is of the wrong form.
        DataError: a file of the run is damaged, or timm does not load the weights.
    """
    source, folder = Path(run), check_new_folder("out", out)
    _check_name(name)
    if terms is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.-]*", terms):
        raise InputError(f"license must be an identifier such as mit or cc-by-4.0, got {terms!r}")
    finished = read_finished(source)
    described = describe_weights(source)
    if described is None:  # a folder is described or refused
        raise DataError(f"{source} must hold {CONFIG_FILE}")
    with atomic_folder(folder) as temporary:
        for file in (WEIGHTS_FILE, CONFIG_FILE, METRICS_FILE, HEAD_FILE):
            if (source / file).is_file():
                shutil.copyfile(source / file, temporary / file)
        model = _load(temporary, source)
        weights = Weights(
            model=described.model,
            parameters=sum(parameter.numel() for parameter in model.parameters()),
            size=described.size,
            head=HEAD_FILE if (temporary / HEAD_FILE).is_file() else None,
        )
        try:
            card = model_card(
                finished, weights, folder=folder.name, name=name or f"USER/{folder.name}", terms=terms
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                f"{source} must hold the files of a run, but lacks something: {error!r}"
            ) from error
        write_text(temporary / CARD_FILE, card)
        write_json(temporary / TRAINING_FILE, finished.to_json())
    return folder


def _check_name(name: str | None) -> None:
    """Check that the Hub would take the name of a repository."""
    if name is None:
        return
    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise InputError(
            f"name must be USER/NAME as the Hub takes it, got {name!r}: {first_line(error)}"
        ) from error
    if "/" not in name:
        raise InputError(f"name must be USER/NAME as the Hub takes it, got {name!r}: it has no user")


def _load(folder: Path, source: Path) -> nn.Module:
    """Load the weights as whoever gets the folder will."""
    try:
        return timm.create_model(f"local-dir:{folder}", pretrained=True)
    except Exception as error:  # of timm, torch or safetensors: whatever it is, the folder would be of no use
        raise DataError(f"{source} must hold weights that timm loads: {first_line(error)}") from error
