"""Building a timm model for a square image size, with errors a user can act on."""

from __future__ import annotations

import difflib
from typing import Any

import timm
import torch
from timm.models import is_model
from torch import Tensor, nn

from fdsl.errors import InputError, first_line

# These follow from the data and the other fields of a config.
DERIVED_ARGS = ("num_classes", "img_size", "in_chans", "pretrained", "drop_path_rate")


def build_model(
    name: str, args: dict[str, Any], *, size: int, classes: int, drop_path: float = 0.0
) -> nn.Module:
    """Return timm model `name` with random weights, for [B, 3, size, size] images and `classes` logits.

    With 0 classes it has no head, and gives features.

    Args:
        name: a timm model name.
        args: further arguments of the model.
        size: height and width of the images, in pixels.
        classes: number of logits, or 0.
        drop_path: highest probability of skipping a residual block.

    Raises:
        InputError: the model is unknown, does not take an argument, or cannot take the size.
    """
    _check_name(name)
    for key in DERIVED_ARGS:
        if key in args:
            raise InputError(f"model_args must not hold {key}, got {args[key]!r}: other fields decide it")
    given = dict(args, num_classes=classes)
    if drop_path:
        given["drop_path_rate"] = drop_path
    try:
        model = _create(name, given, size)
    except Exception as error:  # timm checks little: patch_size=0 is divided by, say
        reason = first_line(error)
        raise InputError(f"model_args must suit {name} at {size} pixels, got {args}: {reason}") from error
    _try_forward(model, name, size, classes)
    return model


def default_size(name: str) -> int:
    """Return the image size, in pixels, that timm lists for model `name`.

    Raises:
        InputError: the model is unknown.
    """
    _check_name(name)
    config = timm.get_pretrained_cfg(name)
    return int(config.input_size[-1]) if config is not None else 224


def _check_name(name: str) -> None:
    if is_model(name):
        try:
            timm.get_pretrained_cfg(name)
        except RuntimeError as error:
            tags = timm.list_pretrained(f"{name.partition('.')[0]}.*")
            raise InputError(
                f"model must end in a tag timm knows or in none, got {name!r}: there is {', '.join(tags)}"
            ) from error
        return
    near = difflib.get_close_matches(name, timm.list_models(), n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise InputError(f"model must be a name that timm.list_models() knows, got {name!r}{hint}")


def _create(name: str, args: dict[str, Any], size: int) -> nn.Module:
    """Pass the size to models whose weights depend on it; convolutional ones do not know the argument."""
    try:
        return timm.create_model(name, img_size=size, **args)
    except TypeError as error:
        if "img_size" not in str(error):
            raise
    return timm.create_model(name, **args)


def _try_forward(model: nn.Module, name: str, size: int, classes: int) -> None:
    """Run one blank image: only this shows whether a network survives a small size."""
    was_training = model.training
    try:
        with torch.no_grad():
            logits: Tensor = model.eval()(torch.zeros(1, 3, size, size))
    except Exception as error:  # as above
        raise InputError(f"size must suit {name}, got {size}: {first_line(error)}") from error
    finally:
        model.train(was_training)
    if not isinstance(logits, Tensor) or (classes and logits.shape != (1, classes)):
        raise InputError(f"model must give one vector of {classes} logits an image, got {name}: it does not")
