"""A formula-driven dataset as PyTorch sees it: a drop-in for torchvision's ImageFolder with no files behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset, get_worker_info

from fdsl.data.targets import FreeLabels, check_targets
from fdsl.errors import InputError, check_int
from fdsl.formulas import Family
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.random import check_seed
from fdsl.render import Renderer
from fdsl.render.retouch import Retouch

UNLIMITED = 1000
"""Instances a category that make an epoch when `instances` is None."""


class FormulaDataset(Dataset[tuple[Any, Any]]):
    """Images of a family by index, category after category as a folder would list them.

    An image depends on (family, seed, index) and, for unlimited instances, the epoch: not on workers, threads, batch
    size, order or machine.

    Args:
        family: what to draw.
        instances: images a category; None for new ones every epoch, 1,000 a category each.
        size: side of the images, 32..1024 pixels.
        seed: the dataset's, 0..2^32-1. Another seed is another dataset, other categories included.
        transform: applied to each PIL image of `dataset[i]`; one that moves pixels does not move targets with them, a
            `view` does.
        targets: what `dataset[i]` hands out beside the image: one of the labels of `fdsl.data.targets` by name, or
            several as a dict; None is the family's own: "class", or SegRCDB's "mask" and MultiFractal's "classes".
        lines: "auto", "crisp", "area" or "native"; see `fdsl.Renderer`.
        threads: how many threads draw a batch; None for all cores, one inside a DataLoader worker.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        family: Family,
        instances: int | None = 1000,
        size: int = 224,
        seed: int = 0,
        transform: Callable[[Image.Image], Any] | None = None,
        *,
        targets: str | Sequence[str] | None = None,
        lines: str = "auto",
        threads: int | None = None,
    ) -> None:
        if not isinstance(family, Family):
            raise InputError(f"family must be a Family such as fdsl.RCDB(), got {family!r}")
        self.family = family
        self.instances = None if instances is None else check_int("instances", instances, 1, MAX_INSTANCE)
        self.seed = check_seed(seed)
        self.transform = transform
        self.target_names = check_targets(family, targets)
        self.lines, self.threads = lines, threads
        self.size = Renderer(size, lines, threads).size
        self.classes = [f"{k:05d}" for k in range(family.classes)]
        self.class_to_idx = {name: k for k, name in enumerate(self.classes)}
        # shared memory, so that persistent DataLoader workers see the epoch change
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    @property
    def instances_per_epoch(self) -> int:
        """Images a category that one pass over the dataset holds."""
        return UNLIMITED if self.instances is None else self.instances

    @property
    def channels(self) -> int:
        """1 if `render` gives [N, H, W], 3 if it gives [N, H, W, 3]."""
        return self.family.channels

    def __len__(self) -> int:
        return self.family.classes * self.instances_per_epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose which instances an unlimited dataset shows; a limited one is the same every epoch."""
        self._epoch[0] = check_int("epoch", epoch, 0, MAX_INSTANCE // UNLIMITED - 1)

    def identify(
        self, indices: ArrayLike, epochs: ArrayLike | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the categories and instances of `indices`, each int64 [N].

        Args:
            indices: in -len..len-1.
            epochs: of each index, for unlimited instances; default the one `set_epoch` chose.

        Raises:
            IndexError: an index is out of range (an IndexError, so that iteration ends as Python expects).
        """
        index = np.asarray(indices, np.int64).reshape(-1)
        if index.size and (index.min() < -len(self) or index.max() >= len(self)):
            raise IndexError(
                f"index must be in {-len(self)}..{len(self) - 1}, got {index.min()}..{index.max()}"
            )
        categories, instances = np.divmod(index % len(self), self.instances_per_epoch)
        if self.instances is None:
            epoch = np.asarray(int(self._epoch[0]) if epochs is None else epochs, np.int64)
            instances = instances + epoch * UNLIMITED
        return categories, instances

    def labels(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Return the categories of `indices`, int64 [N]."""
        return self.identify(indices)[0]

    def render(
        self, indices: ArrayLike, view: ArrayLike | None = None, tone: ArrayLike | None = None
    ) -> NDArray[np.uint8]:
        """Draw the images at `indices`: uint8 [N, size, size], or [N, size, size, 3] from a colour family.

        `view` and `tone` are as in `fdsl.Renderer`.
        """
        return self.draw(*self.identify(indices), view, tone)

    def draw(
        self,
        categories: ArrayLike,
        instances: ArrayLike,
        view: ArrayLike | None = None,
        tone: ArrayLike | None = None,
        retouch: Retouch | None = None,
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Draw images by identity, whatever `instances` is: for held-out ones, say.

        `view`, `tone`, `retouch` and `out` are as in `fdsl.Renderer`.
        """
        table = self.family.table(self.seed, categories, instances)
        return self._renderer()(table, view, tone, retouch, out)

    def draw_targets(
        self, categories: ArrayLike, instances: ArrayLike, view: ArrayLike | None = None
    ) -> dict[str, NDArray[Any]]:
        """Return the targets of images by identity, a row each; see `fdsl.data.targets` for shapes and units.

        Args:
            categories: int [N].
            instances: int [N].
            view: with which the images are drawn, as in `fdsl.Renderer`.
        """
        names = (self.target_names,) if isinstance(self.target_names, str) else self.target_names
        free = FreeLabels(self.family, self.seed, categories, instances, self._renderer(), view)
        return {name: free[name] for name in names}

    def _renderer(self) -> Renderer:
        threads = 1 if self.threads is None and get_worker_info() is not None else self.threads
        return Renderer(self.size, self.lines, threads)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        """Return (image, target): the transform's output, or an RGB PIL image as ImageFolder gives.

        The target is an int for "class", a tensor for other labels, a dict of them where there are several.
        """
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Draw a batch at once; a DataLoader's fetcher calls this."""
        identity = self.identify(indices)
        images, labels = self.draw(*identity), self.draw_targets(*identity)
        rows = [
            {name: _value(name, column[row]) for name, column in labels.items()} for row in range(len(images))
        ]
        targets = [row[self.target_names] for row in rows] if isinstance(self.target_names, str) else rows
        return [(self._finished(image), target) for image, target in zip(images, targets, strict=True)]

    def _finished(self, image: NDArray[np.uint8]) -> Any:
        picture = Image.fromarray(image).convert("RGB")
        return picture if self.transform is None else self.transform(picture)


def _value(name: str, row: NDArray[Any]) -> int | Tensor:
    """Return one image's label as a DataLoader collates it."""
    return int(row) if name == "class" else torch.from_numpy(np.ascontiguousarray(row))
