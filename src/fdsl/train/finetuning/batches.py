"""Batches of real images: square, augmented by address, prepared while the model learns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from fdsl.cores import usable_cores
from fdsl.data.real import RealImages
from fdsl.random import Purpose, blocks, integer, uniform
from fdsl.train.config.finetune import Sampling
from fdsl.train.finetuning.sampling import STREAM, Balanced, Sampler, Shuffled

T = TypeVar("T")
Batch = tuple[Tensor, Tensor]
Method = Literal["pad", "crop", "none"]

MEMORY_LIMIT = 1 << 30  # bytes; more pixels than that are opened again for each use
CROP_SCALE = (0.35, 1.0)
CROP_RATIO = (3 / 4, 4 / 3)
EVAL_CROP = 0.875  # share of the shorter side seen when testing, for models trained on random crops


class SquareImages:
    """Images as uint8 squares; kept in memory if they fit."""

    def __init__(self, images: RealImages, size: int, *, share: float = 1.0) -> None:
        """Prepare the middle of each image, `share` of its shorter side, at `size` pixels.

        Raises:
            DataError: an image is broken (here if all fit in memory, otherwise where it is used).
        """
        self.labels = torch.from_numpy(images.labels)
        self._images, self._size, self._share = images, size, share
        self._stored: NDArray[np.uint8] | None = None
        if len(images) * size * size * 3 <= MEMORY_LIMIT:
            self._stored = self._open(np.arange(len(images)))

    def __len__(self) -> int:
        return len(self.labels)

    def pixels(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images at `indices`, uint8 [B, size, size, 3]."""
        return self._open(indices) if self._stored is None else self._stored[indices]

    def batches(self, batch_size: int, rank: int = 0, world_size: int = 1) -> Iterator[Batch]:
        """Yield all images once, in order: uint8 [B, size, size, 3] and int64 [B]; of several ranks each its share."""
        own = np.arange(rank, len(self), world_size)
        chunks = (own[start : start + batch_size] for start in range(0, len(own), batch_size))
        yield from ahead(lambda chunk: (torch.from_numpy(self.pixels(chunk)), self.labels[chunk]), chunks)

    def _open(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        opened = [middle(self._images[int(index)][0], self._size, self._share) for index in indices]
        return np.stack(opened)


class TrainingBatches:
    """The training stream: sample number n is a function of (images, seed, n), as is its augmentation."""

    def __init__(
        self,
        images: RealImages,
        size: int,
        method: Method,
        *,
        flip: bool,
        seed: int,
        sampling: Sampling = "shuffle",
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        """Prepare to augment `images`.

        Args:
            images: N labelled images.
            size: height and width of what comes out, in pixels.
            method: "pad" shifts by up to an eighth, repeating the edge; "crop" shows a random part of the
                original; "none" does neither.
            flip: mirror half of them.
            seed: of order and augmentation.
            sampling: "shuffle" passes over the images; "balanced" draws each class equally often.
            rank: of this process, 0..world_size-1; of every batch it gets the rank-th part.
            world_size: processes that train together.

        Raises:
            DataError: an image is broken.
        """
        self._rank, self._world_size = rank, world_size
        self._sampler: Sampler = (Balanced if sampling == "balanced" else Shuffled)(images.labels, seed)
        self._images, self._size, self._method = images, size, method
        self._flip, self._seed = flip, seed
        self._squares = SquareImages(images, size) if method != "crop" else None
        self._labels = torch.from_numpy(images.labels)

    def batches(self, batch_size: int, start: int, stop: int) -> Iterator[Batch]:
        """Yield this rank's part of batches `start` to `stop` of the stream.

        Args:
            batch_size: of all ranks together, a multiple of their number W.
            start: first batch.
            stop: batch before which the stream ends.

        Yields:
            uint8 [batch_size / W, size, size, 3] and int64 [batch_size / W].
        """
        part = batch_size // self._world_size

        def samples() -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
            for batch in range(start, stop):
                first = batch * batch_size + self._rank * part
                yield self._sampler(np.arange(first, first + part))

        yield from ahead(lambda sample: (self._augmented(*sample), self._labels[sample[1]]), samples())

    def _augmented(self, passes: NDArray[np.int64], indices: NDArray[np.int64]) -> Tensor:
        words = blocks(self._seed, STREAM, passes[:, None], indices[:, None], Purpose.AUGMENT_VIEW, [0, 1])
        flips = (words[:, 1, 0] >> 31).astype(bool) & self._flip
        if self._squares is None:
            pairs = zip(indices, words[:, 0], strict=True)
            pixels = np.stack([random_crop(self._images[int(n)][0], self._size, word) for n, word in pairs])
            shifts = np.zeros((len(indices), 2), np.int64)
        else:
            pixels = self._squares.pixels(indices)
            reach = self._size // 8 if self._method == "pad" else 0
            shifts = integer(words[:, 0, :2], -reach, reach)
        return torch.from_numpy(shifted(pixels, shifts, flips))


def middle(image: Image.Image, size: int, share: float = 1.0) -> NDArray[np.uint8]:
    """Return the middle square of `image`, `share` of its shorter side, as uint8 [size, size, 3]."""
    side = share * min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    return _resized(image, size, (left, top, left + side, top + side))


def random_crop(image: Image.Image, size: int, words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Return a random part of `image` as uint8 [size, size, 3].

    Args:
        image: the original.
        size: height and width of the result, in pixels.
        words: four random words: area, aspect ratio, left, top.
    """
    area = float(uniform(words[0], *CROP_SCALE)) * image.width * image.height
    ratio = np.exp(float(uniform(words[1], *np.log(CROP_RATIO))))
    width, height = min(image.width, (area * ratio) ** 0.5), min(image.height, (area / ratio) ** 0.5)
    left = float(uniform(words[2])) * (image.width - width)
    top = float(uniform(words[3])) * (image.height - height)
    return _resized(image, size, (left, top, left + width, top + height))


def shifted(
    pixels: NDArray[np.uint8], shifts: NDArray[np.int64], flips: NDArray[np.bool_]
) -> NDArray[np.uint8]:
    """Shift and mirror each image, repeating its edge where it ends.

    Args:
        pixels: uint8 [B, S, S, 3].
        shifts: int64 [B, 2], down and right, in pixels.
        flips: bool [B], which images to mirror left to right.
    """
    size = pixels.shape[1]
    along = np.arange(size)
    rows = np.clip(along - shifts[:, :1], 0, size - 1)
    columns = np.clip(np.where(flips[:, None], size - 1 - along, along) - shifts[:, 1:], 0, size - 1)
    return pixels[np.arange(len(pixels))[:, None, None], rows[:, :, None], columns[:, None, :]]


def ahead(make: Callable[[T], Batch], requests: Iterable[T]) -> Iterator[Batch]:
    """Yield `make(request)` in order, a few requests ahead in threads (Pillow and NumPy release the GIL)."""
    workers = min(8, usable_cores())
    pending: deque[Future[Batch]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="images")
    try:
        for request in requests:
            pending.append(pool.submit(partial(make, request)))
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _resized(image: Image.Image, size: int, box: tuple[float, float, float, float]) -> NDArray[np.uint8]:
    if image.size == (size, size) and box == (0, 0, size, size):
        return np.asarray(image)
    return np.asarray(image.resize((size, size), Image.Resampling.BICUBIC, box))
