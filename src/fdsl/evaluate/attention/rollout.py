"""Attention rollout, and how much of a row of attention lies on each patch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from fdsl.evaluate.attention.extract import Tokens


def rollout(blocks: Sequence[Tensor]) -> Tensor:
    """Return how much each token of the last block comes from each token of the first, float64 [B, T, T].

    Abnar and Zuidema, "Quantifying Attention Flow in Transformers", ACL 2020, https://arxiv.org/abs/2005.00928: the
    mean of a block's heads, with the identity added for the residual connection and rows divided by their sum,
    multiplied from block to block. Rows add up to 1. It follows attention alone: values, MLPs and the size of the
    residual are left out.

    Args:
        blocks: attention of each block, first to last, [B, heads, T, T].
    """
    flow: Tensor | None = None
    for matrices in blocks:
        mean = matrices.double().mean(dim=1)
        step = mean + torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
        step = step / step.sum(dim=-1, keepdim=True)
        flow = step if flow is None else step @ flow
    if flow is None:
        raise ValueError("blocks must hold one at least, got none")
    return flow


def on_patches(attention: Tensor, tokens: Tokens) -> Tensor:
    """Return the mass on each patch, float64 [..., g, g], which adds up to 1.

    It is what the tokens that the classifier reads take from the patches: the class token's row, or the mean of the
    rows of all patches. What goes to class, distillation and register tokens is of no place: it is left out, and the
    rest scaled up to 1.

    Args:
        attention: [..., T, T], of a block or a rollout.
        tokens: what they stand for.
    """
    rows = attention.double()
    read = rows[..., 0, :] if tokens.from_class else rows[..., tokens.prefix :, :].mean(dim=-2)
    patches = read[..., tokens.prefix :]
    patches = patches / patches.sum(dim=-1, keepdim=True)
    return patches.reshape(*patches.shape[:-1], tokens.grid, tokens.grid)
