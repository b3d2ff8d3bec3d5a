"""Batches for training: drawn ahead by a thread while the model works."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import torch
from torch import Tensor

from fdsl.data.crop import random_resized_crops
from fdsl.data.dataset import FormulaDataset
from fdsl.data.order import permuted
from fdsl.errors import InputError, check_float, check_int
from fdsl.random import check_seed


class Loader:
    """Iterates over shuffled, randomly cropped batches of a `FormulaDataset`.

    Sample n of a training, n = 0, 1, 2 ... over all epochs, is a pure function of (dataset, seed, n): a resumed
    training passes the number of samples it has consumed as `start` and sees what it would have seen.

    Args:
        dataset: what to draw.
        batch_size: B.
        seed: of order and crops, 0..2^32-1.
        crop_scale: share of the canvas's area that a random resized crop shows; None for the whole canvas.
        start: samples already consumed.
        samples: where the training ends, counted from its beginning; default one epoch past `start`.
        prefetch: batches drawn ahead by a thread; 0 draws each when it is asked for.

    Yields:
        (images, labels): uint8 [B, H, W], or [B, H, W, 3] from a colour family; int64 [B]. Full batches only.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(
        self,
        dataset: FormulaDataset,
        batch_size: int,
        *,
        seed: int = 0,
        crop_scale: tuple[float, float] | None = (0.35, 1.0),
        start: int = 0,
        samples: int | None = None,
        prefetch: int = 2,
    ) -> None:
        self.dataset = dataset
        self.batch_size = check_int("batch_size", batch_size, 1)
        self.seed = check_seed(seed)
        self.crop_scale = crop_scale
        self.start = check_int("start", start, 0)
        self.samples = start + len(dataset) if samples is None else check_int("samples", samples, 1)
        if self.samples < self.batch_size:
            raise InputError(
                f"batch_size must be <= samples ({self.samples}), got {batch_size}: no batch would be full"
            )
        self.prefetch = check_int("prefetch", prefetch, 0, 64)
        if crop_scale is not None:
            low = check_float("crop_scale[0]", crop_scale[0], 1e-3, 1.0)
            if check_float("crop_scale[1]", crop_scale[1], 1e-3, 1.0) < low:
                raise InputError(f"crop_scale must be (least, most), got {crop_scale}")

    def __len__(self) -> int:
        """Batches left."""
        return max(0, self.samples - self.start) // self.batch_size

    def batch(self, first: int) -> tuple[Tensor, Tensor]:
        """Draw the batch that begins with sample number `first`."""
        number = np.arange(first, first + self.batch_size)
        epochs, positions = np.divmod(number, len(self.dataset))
        indices = np.empty_like(positions)
        for epoch in np.unique(epochs):
            here = epochs == epoch
            indices[here] = permuted(positions[here], len(self.dataset), self.seed, int(epoch))
        categories, instances = self.dataset.identify(indices, epochs)
        view = None
        if self.crop_scale is not None:
            canvas = self.dataset.family.native_size
            view = random_resized_crops(self.seed, categories, instances, epochs, canvas, self.crop_scale)
        images = self.dataset.draw(categories, instances, view)
        return torch.from_numpy(images), torch.from_numpy(categories)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        starts = range(self.start, self.start + len(self) * self.batch_size, self.batch_size)
        if self.prefetch == 0:
            yield from map(self.batch, starts)
            return
        with ThreadPoolExecutor(1, thread_name_prefix="fdsl-ahead") as pool:
            ahead: deque[Future[tuple[Tensor, Tensor]]] = deque()
            try:
                for first in starts:
                    ahead.append(pool.submit(self.batch, first))
                    if len(ahead) > self.prefetch:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for waiting in ahead:
                    waiting.cancel()
