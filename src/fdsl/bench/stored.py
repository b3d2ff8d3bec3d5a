"""The baseline of a dataset on disk: timm's training loader reads PNGs of the same family."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIZE = 224
BATCH = 32


def write_folder(images: NDArray[np.uint8], labels: NDArray[np.int64], folder: Path) -> None:
    """Store `images`, uint8 [N, H, W] or [N, H, W, 3], as PNGs in one sub-folder a label."""
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        place = folder / f"{label:05d}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:05d}.png")


@contextmanager
def timm_reader(folder: Path) -> Iterator[Callable[[int], int]]:
    """Yield work for `timing.measure`: read `folder` once through timm's training pipeline, in this process.

    The pipeline is the one of the papers: RandomResizedCrop (bicubic) to 224 pixels, RandAugment
    rand-m9-mstd0.5-inc1, random erasing 0.25. PyTorch keeps to one thread meanwhile.
    """
    import torch
    from timm.data.dataset_factory import create_dataset
    from timm.data.loader import create_loader

    dataset = create_dataset("", root=str(folder), split="train", is_training=True)
    loader = create_loader(
        dataset,
        input_size=(3, SIZE, SIZE),
        batch_size=min(BATCH, len(dataset)),
        is_training=True,
        use_prefetcher=False,
        no_aug=False,
        hflip=0.0,
        interpolation="bicubic",
        auto_augment="rand-m9-mstd0.5-inc1",
        re_prob=0.25,
        re_mode="pixel",
        num_workers=0,
        persistent_workers=False,
        pin_memory=False,
    )

    def read(_batch: int) -> int:
        return sum(len(labels) for _images, labels in loader)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield read
    finally:
        torch.set_num_threads(threads)
