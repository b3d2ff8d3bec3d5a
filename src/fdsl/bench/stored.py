"""The baseline of a dataset on disk: timm's training loader reads PNGs of the same family."""

from __future__ import annotations

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.bench.cases import identities
from fdsl.bench.timing import Source
from fdsl.formulas import Family
from fdsl.render import Renderer

SIZE = 224
BATCH = 8
"""Images at a time: the fastest of 8, 32 and 128, by 4 and 8%."""
AUTO_AUGMENT = "rand-m9-mstd0.5-inc1"
RANDOM_ERASING = 0.25


def why_not() -> str | None:
    """Return why the baseline cannot be measured here, None if it can."""
    return 'timm is not installed: pip install "fdsl[train]"' if find_spec("timm") is None else None


def write_folder(images: NDArray[np.uint8], labels: NDArray[np.int64], folder: Path) -> None:
    """Store `images`, uint8 [N, H, W] or [N, H, W, 3], as PNGs in one sub-folder a label."""
    for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
        place = folder / f"{label:05d}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number:05d}.png")


@contextmanager
def stored_pictures(drawn: Family, size: int, seed: int, images: int) -> Iterator[Source]:
    """Store `images` pictures drawn at `size` pixels in a temporary folder; yield a source that reads them."""
    categories, instances = identities(drawn.classes, 0, images)
    pictures = Renderer(size)(drawn.table(seed, categories, instances))
    with tempfile.TemporaryDirectory(prefix="fdsl-bench-") as folder:
        write_folder(pictures, categories, Path(folder))
        with timm_reader(Path(folder)) as source:
            yield source


@contextmanager
def timm_reader(folder: Path) -> Iterator[Source]:
    """Yield a source for `timing.measure`: batches read from `folder` by timm's training pipeline, in this process.

    The pipeline is the one of the papers: RandomResizedCrop (bicubic) to 224 pixels, RandAugment
    rand-m9-mstd0.5-inc1, random erasing 0.25; float32 normalized tensors come out. timm's prefetcher makes floats of
    whole batches, on the CPU too, and is a tenth faster than its transforms by themselves. PyTorch keeps to one
    thread meanwhile.
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
        use_prefetcher=True,
        device=torch.device("cpu"),
        no_aug=False,
        hflip=0.0,
        interpolation="bicubic",
        auto_augment=AUTO_AUGMENT,
        re_prob=RANDOM_ERASING,
        re_mode="pixel",
        num_workers=0,
        persistent_workers=False,
        pin_memory=False,
    )

    def read() -> Generator[int, None, None]:
        yield 0
        while True:
            for _images, labels in loader:
                yield len(labels)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield read
    finally:
        torch.set_num_threads(threads)
