"""Grad-CAM: where in its last feature map a classifier finds what its answer hangs on."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from fdsl.errors import InputError, first_line


class GradCam:
    """Grad-CAM of the class that a model takes to be likeliest.

    Selvaraju et al., "Grad-CAM", ICCV 2017, https://arxiv.org/abs/1610.02391. The feature map is what the last stage of
    a timm model puts out. A transformer with a class token hands nothing else to its head: there, and in all whose last
    stage has tokens, it is what the last block takes in.

    Args:
        model: a timm model with a head, in evaluation mode, on its device.
        name: what an error calls the weights.
        size: height and width of its images, pixels.

    Raises:
        InputError: the model has no such feature map.
    """

    def __init__(self, model: nn.Module, name: str, size: int) -> None:
        self._model = model
        stages: Any = getattr(model, "feature_info", None)
        self._channels_last = str(getattr(model, "output_fmt", "NCHW")).endswith("NHWC")
        self._prefix = int(getattr(model, "num_prefix_tokens", 0))
        try:
            self._stage = model.get_submodule(list(stages)[-1]["module"])
            self._tokens = False
            blank = torch.zeros(1, 3, size, size, device=next(model.parameters()).device)
            made = self._features_and_logits(blank)[0]
            if not isinstance(made, Tensor):
                raise TypeError(f"its last stage puts out a {type(made).__name__}, not a feature map")
            self._tokens = made.ndim == 3
            self.grid = self(blank).shape[-1]
        except Exception as error:  # whatever the model raises, it is this one that does not fit
            kind = type(model).__name__
            raise InputError(
                f"weights must have a feature map for grad-cam, got {name}, a {kind}: {first_line(error)}"
            ) from error

    def __call__(self, images: Tensor) -> Tensor:
        """Return the map of each image, float64 [B, g, g], not negative; nothing speaks for the class where all is 0.

        Args:
            images: [B, 3, S, S], standardized.
        """
        features, logits = self._features_and_logits(images)
        likeliest = logits.max(dim=1).values.sum()
        gradient = torch.autograd.grad(likeliest, features)[0]
        maps, slopes = (self._as_map(part.detach().double()) for part in (features, gradient))
        weights = slopes.mean(dim=(2, 3), keepdim=True)
        return (weights * maps).sum(dim=1).relu()

    def _features_and_logits(self, images: Tensor) -> tuple[Tensor, Tensor]:
        seen: list[Tensor] = []
        if self._tokens:
            hook = self._stage.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        else:
            hook = self._stage.register_forward_hook(lambda _, given, made: seen.append(made))
        try:
            with torch.enable_grad():
                logits = self._model(images)
        finally:
            hook.remove()
        return seen[-1], logits

    def _as_map(self, features: Tensor) -> Tensor:
        """Return features as [B, C, g, g]."""
        if features.ndim == 3:
            return self._patches(features)
        one_size = (
            len(set(features.shape[1:])) == 1
        )  # as many channels as places along a side: the shape tells nothing
        square_first = features.shape[-1] == features.shape[-2] and not (one_size and self._channels_last)
        if features.ndim != 4 or not (square_first or features.shape[1] == features.shape[2]):
            raise ValueError(f"its last stage puts out {list(features.shape)}, which is no square map")
        return features if square_first else features.permute(0, 3, 1, 2)

    def _patches(self, features: Tensor) -> Tensor:
        """Return tokens [B, T, C] as a map; some models add the class token after the last block but one."""
        for prefix in (self._prefix, 0):
            patches = features[:, prefix:].transpose(1, 2)
            side = math.isqrt(patches.shape[-1])
            if side > 0 and side * side == patches.shape[-1]:
                return patches.reshape(*patches.shape[:2], side, side)
        raise ValueError(f"the {features.shape[1]} tokens of its last block are no square of patches")
