"""Writing weights: a folder that `timm.create_model("local-dir:FOLDER", pretrained=True)` reads."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors import SafetensorError
from timm.models import save_for_hf
from torch import nn

from fdsl.errors import DataError

WEIGHTS_FILE = "model.safetensors"
CONFIG_FILE = "config.json"


def save_weights(
    model: nn.Module,
    folder: Path,
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    classes: Sequence[str],
    share: float = 1.0,
) -> None:
    """Write `model` to `folder` so that timm loads it; each file appears whole or not at all.

    Args:
        model: a timm model; one in channels-last order is put in plain order.
        folder: made if need be; other files in it stay.
        size: height and width of the images it was trained on, in pixels.
        mean: mean of the training pixels a channel, 3 values in 0..1.
        std: standard deviation of the training pixels a channel, 3 values in 0..1.
        classes: names of the classes, one a logit.
        share: of the shorter side of an image, what the model sees of it when it is tested.

    Raises:
        DataError: the weights cannot be written; the disk is full, say.
    """
    preprocessing = {
        "input_size": (3, size, size),
        "mean": tuple(mean),
        "std": tuple(std),
        "crop_pct": share,
        "interpolation": "bicubic",
    }
    folder.mkdir(parents=True, exist_ok=True)
    model.to(memory_format=torch.contiguous_format)  # safetensors has no word for channels-last
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
        # safetensors lets the owner alone read what it writes; the other file is as the user's umask has it
        shutil.copymode(Path(temporary) / CONFIG_FILE, Path(temporary) / WEIGHTS_FILE)
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            (Path(temporary) / name).replace(folder / name)
