"""Showing images to a model: its maps, and what each of its heads looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fdsl.errors import DataError
from fdsl.evaluate.attention.config import Method
from fdsl.evaluate.attention.contours import densities
from fdsl.evaluate.attention.extract import Attention
from fdsl.evaluate.attention.gradcam import GradCam
from fdsl.evaluate.attention.images import Images
from fdsl.evaluate.attention.measures import Measures, lifts, measure, spread_of
from fdsl.evaluate.attention.models import Looker
from fdsl.evaluate.attention.rollout import on_patches, rollout

MATRIX_BYTES = 1 << 28
"""Attention matrices of all blocks that are kept at once, at most."""
MOST_AT_ONCE = 32

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Looked:
    """What one model made of one set of images, N of them."""

    maps: Numbers
    """Mass of each cell of each image, float64 [N, g, g]; NaN where Grad-CAM finds nothing."""
    heads: Numbers | None
    """Mass of each head of the first image, float64 [blocks, heads, g, g]; None of Grad-CAM."""
    measures: Measures
    """Of the first `measured` images."""
    head_lifts: list[list[float | None]] | None
    """Mean lift of each head of each block over them; None of Grad-CAM."""


class Look:
    """A model with a method to look into it.

    Raises:
        InputError: the method does not suit the model.
    """

    def __init__(self, looker: Looker, method: Method) -> None:
        self.looker, self.method = looker, method
        called = str(looker.weights or looker.name)
        self._see: Attention | GradCam
        if method == "rollout":
            self._see = Attention(looker.model, called, looker.size, segments=looker.segments)
            self.grid = self._see.tokens.grid
        else:
            self._see = GradCam(looker.model, called, looker.size)
            self.grid = self._see.grid

    @property
    def reads(self) -> str:
        """Whose attention a map shows, in words."""
        if isinstance(self._see, GradCam):
            return "likeliest class"
        return "class token" if self._see.tokens.from_class else "mean over patches"

    def at(self, images: Images, measured: int) -> Looked:
        """Show all images to the model, and measure the first `measured`.

        Raises:
            DataError: an image is broken, or the weights make something other than finite numbers of it.
        """
        maps: list[Numbers] = []
        shares: list[Numbers] = []
        marked: list[Numbers] = []
        first: Numbers | None = None
        step = self._at_once()
        for begin in range(0, len(images), step):
            numbers = np.arange(begin, min(begin + step, len(images)))
            seen, heads = self._maps(images, numbers)
            part = densities(images.marks(numbers), self.grid)
            maps.append(seen)
            marked.append(part)
            if heads is not None:
                shares.append((heads * part[:, None, None]).sum(axis=(-2, -1)))
                first = heads[0] if first is None else first
        all_maps, all_marked = np.concatenate(maps), np.concatenate(marked)[:measured]
        return Looked(
            maps=all_maps,
            heads=first,
            measures=measure(all_maps[:measured], all_marked),
            head_lifts=_head_lifts(np.concatenate(shares)[:measured], all_marked) if shares else None,
        )

    def _maps(self, images: Images, numbers: NDArray[np.int64]) -> tuple[Numbers, Numbers | None]:
        """Return maps [B, g, g], and those of all heads, [B, blocks, heads, g, g]."""
        standardize = self.looker.standardize
        pixels = torch.from_numpy(images.pixels(numbers, self.looker.size)).to(standardize.device)
        seen = standardize(pixels)
        if isinstance(self._see, GradCam):
            found = self._see(seen)
            total = found.sum(dim=(1, 2), keepdim=True)
            return _finite(torch.where(total == 0, 0.0, found / total), self.looker, total == 0), None
        blocks = self._see(seen)
        heads = torch.stack([on_patches(matrices, self._see.tokens) for matrices in blocks], dim=1)
        whole = on_patches(rollout(blocks), self._see.tokens)
        return _finite(whole, self.looker), _finite(heads, self.looker)

    def _at_once(self) -> int:
        """Return how many images to show at once."""
        if isinstance(self._see, GradCam):
            return MOST_AT_ONCE
        tokens = self._see.tokens
        model: Any = self.looker.model
        heads = sum(getattr(module, "num_heads", 0) for module in model.modules())
        bytes_an_image = 4 * max(1, heads) * (tokens.prefix + tokens.grid**2) ** 2
        return max(1, min(MOST_AT_ONCE, MATRIX_BYTES // bytes_an_image))


def _finite(masses: Tensor, looker: Looker, nothing: Tensor | None = None) -> Numbers:
    """Return masses on the CPU, NaN where there is `nothing` to see."""
    found: Numbers = masses.cpu().numpy()
    if not np.isfinite(found).all():
        raise DataError(
            f"the attention of {looker.weights or looker.name} must be finite numbers, got others: training went astray"
        )
    return found if nothing is None else np.where(nothing.cpu().numpy(), np.nan, found)


def _head_lifts(shares: Numbers, marked: Numbers) -> list[list[float | None]]:
    """Return the mean lift of each head, of shares [N, blocks, heads]."""
    lifted = lifts(shares, marked.reshape(len(marked), -1))
    return [
        [spread_of(lifted[:, block, head]).mean for head in range(lifted.shape[2])]
        for block in range(lifted.shape[1])
    ]
