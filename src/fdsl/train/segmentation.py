"""Semantic segmentation on a timm backbone: a class for every pixel."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from fdsl.errors import InputError, first_line
from fdsl.files import atomic_path
from fdsl.train.model import build_model
from fdsl.train.weights.saving import CONFIG_FILE

HEAD_FILE = "segmentation_head.safetensors"


class Segmenter(nn.Module):
    """A timm backbone whose last feature map a 1 x 1 convolution turns into logits a pixel, resized bilinearly.

    The linear decoder of Strudel et al., "Segmenter", ICCV 2021: nearly all there is to learn is in the backbone, which
    is what pre-training is for.

    Args:
        backbone: a timm model that has `forward_intermediates`.
        name: of the model, for messages.
        classes: logits a pixel, the background included.
        size: height and width of the images, pixels.

    Raises:
        InputError: the backbone gives no feature map.
    """

    def __init__(self, backbone: nn.Module, name: str, classes: int, size: int) -> None:
        super().__init__()
        self.backbone = backbone
        was_training = backbone.training
        backbone.eval()
        try:
            features = self.features(torch.zeros(1, 3, size, size))
        except (
            Exception
        ) as error:  # as in `build_model`: whatever a model raises, it is this one that does not fit
            reason = first_line(error)
            raise InputError(f"model must give feature maps to segment with, got {name}: {reason}") from error
        finally:
            backbone.train(was_training)
        self.head = nn.Conv2d(features.shape[1], classes, 1)
        names, tensors = zip(*backbone.named_parameters(), strict=True)
        used = torch.autograd.grad(features.sum(), tensors, allow_unused=True)
        self.untrained: tuple[str, ...] = tuple(n for n, g in zip(names, used, strict=True) if g is None)
        """Parameters of the backbone behind its last feature map, which stay at their random start."""
        for name in self.untrained:
            backbone.get_parameter(name).requires_grad_(False)

    def features(self, images: Tensor) -> Tensor:
        """Return the backbone's last feature map, [B, D, h, w].

        Where timm norms tokens only after they are pooled (`fc_norm`), they are normed here as they are.
        """
        forward: Any = self.backbone.forward_intermediates
        maps: list[Tensor] = forward(images, indices=1, norm=True, output_fmt="NCHW", intermediates_only=True)
        norm = getattr(self.backbone, "fc_norm", None)
        return (
            norm(maps[-1].permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
            if isinstance(norm, nn.LayerNorm)
            else maps[-1]
        )

    def forward(self, images: Tensor) -> Tensor:
        """Return logits, [B, classes, H, W], of images [B, 3, H, W]."""
        logits = self.head(self.features(images))
        return functional.interpolate(logits, size=images.shape[-2:], mode="bilinear", align_corners=False)


def build_segmenter(
    name: str, args: dict[str, Any], *, size: int, classes: int, drop_path: float = 0.0
) -> Segmenter:
    """Return a segmenter on timm model `name` with random weights; see `build_model` for arguments and errors.

    Args:
        classes: logits a pixel, the background included.
    """
    backbone = build_model(name, args, size=size, classes=0, drop_path=drop_path)
    return Segmenter(backbone, name, classes, size)


def save_head(model: Segmenter, folder: Path) -> None:
    """Write the head's `weight` and `bias` beside the backbone's weights, which are there already."""
    with atomic_path(folder / HEAD_FILE) as temporary:
        save_file(
            {name: tensor.contiguous().cpu() for name, tensor in model.head.state_dict().items()}, temporary
        )
        shutil.copymode(
            folder / CONFIG_FILE, temporary
        )  # safetensors lets the owner alone read what it writes
