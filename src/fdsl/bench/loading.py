"""A training's batches as a source to time: drawn ahead by the loader's thread, with the recipe of DeiT."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager

from torch import Tensor

from fdsl.bench.stored import AUTO_AUGMENT, RANDOM_ERASING, SIZE
from fdsl.bench.timing import Source
from fdsl.data.augment import Augmentation
from fdsl.data.dataset import FormulaDataset
from fdsl.data.loader import Loader
from fdsl.formulas import Family

RECIPE = Augmentation(crop_scale=(0.08, 1.0), auto_augment=AUTO_AUGMENT, random_erasing=RANDOM_ERASING)
"""What the timm loader of `bench.stored` does to stored images."""


def open_loader(
    drawn: Family,
    batch_size: int,
    seed: int,
    *,
    threads: int | None,
    device: str = "cpu",
    size: int = SIZE,
    renderer: str = "auto",
) -> Loader:
    """Return a loader of images that are never shown twice, with mean and deviation measured already."""
    dataset = FormulaDataset(drawn, instances=None, size=size, seed=seed, threads=threads)
    loader = Loader(dataset, batch_size, seed=seed, augment=RECIPE, device=device, renderer=renderer)
    _ = loader.standardize
    return loader


@contextmanager
def flowing(loader: Loader) -> Iterator[Iterator[tuple[Tensor, Tensor]]]:
    """Yield batches of a training under way: all the memory it uses is there, and no batch is waiting.

    The consumer takes the first batches at once, so that the next has just been begun. Each batch it then waits for has
    been drawn meanwhile. At the end the loader's thread is stopped: it would draw ahead at the cost of others.
    """
    batches = _endless(loader)
    try:
        for _ in range(
            loader.ahead + 2
        ):  # those drawn ahead, the one being drawn, the one in the consumer's hands
            next(batches)
        yield batches
    finally:
        batches.close()


def loaded(loader: Loader) -> Source:
    """Make a source of the loader's batches, held one at a time as by a training that does nothing with them."""

    def source() -> Generator[int, None, None]:
        with flowing(loader) as batches:
            yield 0
            for images, _targets in batches:
                yield len(images)

    return source


def _endless(loader: Loader) -> Generator[tuple[Tensor, Tensor], None, None]:
    """Yield batches epoch after epoch; closed, it closes the iteration it is in."""
    while True:
        yield from loader
