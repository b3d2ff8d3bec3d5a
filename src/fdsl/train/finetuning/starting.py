"""What a fine-tuning starts from: the architecture, its weights, and which of them learn."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from fdsl.errors import DataError, InputError, first_line
from fdsl.options import parse_options
from fdsl.train.config import DEFAULT_MODEL, FinetuneConfig
from fdsl.train.device import reseed
from fdsl.train.model import build_model, default_size
from fdsl.train.progress import say
from fdsl.train.weights import WEIGHTS_FILE, Architecture, MatchReport, describe_weights, load_weights


def architecture_of(config: FinetuneConfig) -> Architecture:
    """Return the model asked for: fields of the config first, then what the weights say, then the default.

    Raises:
        InputError: the weights are not there, or nothing says what model they are of.
        DataError: the config beside the weights cannot be read.
    """
    described = describe_weights(config.weights) if config.weights is not None else None
    if config.weights is not None and described is None and config.model is None:
        raise InputError(
            f"model must be given, got None: neither {config.weights} nor a config.json beside it says what it is of"
        )
    args = parse_options("model_args", config.model_args)
    if described is None:
        model = config.model or DEFAULT_MODEL
        return Architecture(model=model, model_args=args, size=config.size or default_size(model))
    if config.model in (None, described.model):
        args = {**described.model_args, **args}
    return replace(
        described,
        model=config.model or described.model,
        model_args=args,
        size=config.size or described.size,
    )


def starting_model(config: FinetuneConfig, architecture: Architecture, *, classes: int) -> nn.Module:
    """Return the model with the random weights that a fine-tuning of this seed starts from."""
    reseed(config.seed, "finetune weights", 0)
    name, args, size = architecture.model, architecture.model_args, architecture.size
    return build_model(name, args, size=size, classes=classes, drop_path=config.drop_path)


def filled_model(
    config: FinetuneConfig, architecture: Architecture, *, classes: int
) -> tuple[nn.Module, MatchReport | None]:
    """Build the model and fill it with the weights; what they did not fill is said aloud."""
    model = starting_model(config, architecture, classes=classes)
    if config.weights is None:
        return model, None
    match = load_weights(model, config.weights)
    for line in (f"weights from {config.weights}:", *match.lines()):
        say(line)
    return model, match


def take_over(model: nn.Module, folder: Path) -> None:
    """Fill `model` with the weights in `folder`, head and all, that the same model was saved to.

    Raises:
        DataError: they are damaged, or of another model.
    """
    path = folder / WEIGHTS_FILE
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} must be what the part before left: {first_line(error)}") from error


def freeze_backbone(model: nn.Module, name: str) -> None:
    """Let the head of `model` alone learn.

    Args:
        model: a timm model; changed in place.
        name: what an error calls it.

    Raises:
        InputError: timm knows no head of it with parameters.
    """
    classifier: Any = getattr(model, "get_classifier", lambda: None)()
    heads: Iterable[Any] = (
        classifier if isinstance(classifier, (tuple, list, nn.ModuleList)) else [classifier]
    )
    learning = [p for head in heads if isinstance(head, nn.Module) for p in head.parameters()]
    if not learning:
        raise InputError(f"freeze must be off for {name}, got on: timm knows no head of it that could learn")
    model.requires_grad_(False)
    for parameter in learning:
        parameter.requires_grad_(True)
