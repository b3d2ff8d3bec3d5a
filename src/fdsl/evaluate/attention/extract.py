"""The attention matrices of a vision transformer's blocks, by timm's own hooks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from timm.utils.attention_extract import AttentionExtract
from torch import Tensor, nn

from fdsl.errors import InputError

NAMES = ("*attn_drop",)
"""Dropout of the attention matrix, the last thing a module of timm's does to it before it is used."""
ROUNDING = 1e-3
"""By which a row may miss 1, in float32."""
BLOCK = re.compile(r"(.*\bblocks\.\d+)\.")


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """What the tokens of a transformer stand for: first `prefix` of no place, then a grid of patches, row by row."""

    prefix: int
    """Class token, distillation token, registers."""
    grid: int
    """Patches along a side."""
    from_class: bool
    """Whether the classifier reads the class token, which is then the first; otherwise it reads the patches."""


class Attention:
    """The attention of all blocks of a transformer whose tokens cover the image.

    These are timm's ViT, DeiT (distilled or not), DeiT III, BEiT, EVA, DINOv2 with or without registers, SigLIP,
    FlexiViT, NaFlexViT, hybrids and their kin. Windows (Swin), pooled keys (PVT, LeViT), attention between channels
    (XCiT), mixed heads (CaiT), differences of two attentions and convolutional networks have no such matrices.

    Args:
        model: in evaluation mode, on its device; from now on it computes attention in the plain form, since the fused
            one never has the matrix in memory.
        name: what an error calls the weights.
        size: height and width of its images, pixels.
        segments: whether it learned from masks, which never reads the class token.

    Raises:
        InputError: it is another kind of model; the message offers Grad-CAM.
    """

    def __init__(self, model: nn.Module, name: str, size: int, *, segments: bool = False) -> None:
        self._model, self._name = model, name
        for module in model.modules():
            if hasattr(module, "fused_attn"):
                setattr(module, "fused_attn", False)  # noqa: B010 (torch's modules type attributes as tensors)
        device = next(model.parameters()).device
        try:
            self._extract = AttentionExtract(model, names=list(NAMES), method="hook")
        except RuntimeError as error:  # no module is called so
            raise self._refused("it has none") from error
        with torch.inference_mode():
            found = self._extract(torch.zeros(1, 3, size, size, device=device))
        self.tokens = self._tokens(found, size, segments)

    def __call__(self, images: Tensor) -> list[Tensor]:
        """Return the attention of each block, [B, heads, T, T] in the order of the network.

        Entry [b, h, q, k] is how much token q takes from token k; a row adds up to 1. Heads of attentions that a block
        has in parallel follow each other.

        Args:
            images: [B, 3, S, S], standardized.
        """
        with torch.inference_mode():
            found = self._extract(images)
        blocks: dict[str, list[Tensor]] = {}
        for name, matrices in found.items():
            match = BLOCK.match(name)
            blocks.setdefault(match[1] if match else name, []).append(matrices)
        return [torch.cat(parts, dim=1) for parts in blocks.values()]

    def _tokens(self, found: dict[str, Any], size: int, segments: bool) -> Tokens:
        model: Any = self._model
        prefix = int(getattr(model, "num_prefix_tokens", 0))
        stages = getattr(model, "feature_info", None)
        grid = math.ceil(size / list(stages)[-1]["reduction"]) if stages else 0
        tokens = prefix + grid * grid
        for name, matrices in found.items():
            shape = list(matrices.shape)
            heads = getattr(model.get_submodule(name.rpartition(".")[0]), "num_heads", None)
            if shape != [1, heads, tokens, tokens]:
                raise self._refused(
                    f"that of {name} has the shape {shape}, not [1, {heads}, {tokens}, {tokens}] of {prefix} tokens "
                    f"before a grid of {grid} x {grid} patches"
                )
            if not torch.allclose(matrices.sum(-1), torch.ones((), device=matrices.device), atol=ROUNDING):
                raise self._refused(f"the rows of {name} do not add up to 1")
        from_class = getattr(model, "global_pool", None) == "token" and prefix > 0 and not segments
        return Tokens(prefix=prefix, grid=grid, from_class=from_class)

    def _refused(self, reason: str) -> InputError:
        kind = type(self._model).__name__
        return InputError(
            f"weights must have attention between all patches of the image, got {self._name}, a {kind}: {reason}; "
            "--method grad-cam pictures any classifier"
        )
