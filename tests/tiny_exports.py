"""Exports of a dozen images, and the images that they ought to hold: what the tests of readers compare."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fdsl import FormulaDataset
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.exporting import export_dataset
from fdsl.data.order import permuted
from fdsl.formulas import family

CLASSES, INSTANCES, SIZE, SEED = 3, 4, 32, 5
COLOURED = {"family": "FractalDB", "options": ("variant=patch_color",)}
"""A family that draws in colour, one object an image."""
SAVED: dict[str, dict[str, Any]] = {
    "jpeg": {"format": "JPEG", "quality": 90},
    "webp": {"format": "WEBP", "quality": 90, "method": 2},
}
"""How Pillow makes what an encoding with loss makes by default."""
MOST_LOST = 5.0
"""Mean absolute difference of values, 0..255, that this may come to in an image; measured were 4.6, JPEG, and 3.9."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Export:
    """A finished export."""

    folder: Path
    config: ExportConfig

    @cached_property
    def dataset(self) -> FormulaDataset:
        """Return the dataset that the files are of, made without the code that exports."""
        fields = dict(option.split("=") for option in self.config.options)
        drawn = family(self.config.family, classes=CLASSES, **fields)
        return FormulaDataset(drawn, self.config.instances, SIZE, SEED, targets="class")

    @cached_property
    def suffix(self) -> str:
        """Return that of the images' names, without its dot."""
        return self.config.encoder.suffix

    @cached_property
    def indices(self) -> list[int]:
        """Return the images of the dataset in the order of the files."""
        count = len(self.dataset)
        every = np.arange(count)
        return every.tolist() if self.config.format == "folder" else permuted(every, count, SEED, 0).tolist()

    @cached_property
    def images(self) -> list[tuple[Pixels, int]]:
        """Return the images in the order of the files, uint8 [H, W, 3], and their labels."""
        return [(rgb(image), label) for image, label in self.dataset.__getitems__(self.indices)]


def write(folder: Path, **fields: Any) -> Export:
    """Render RCDB, or another family, to a folder, in shards of five images."""
    told: dict[str, Any] = {
        "family": "RCDB",
        "classes": CLASSES,
        "instances": INSTANCES,
        "size": SIZE,
        "seed": SEED,
        "shard_size": 5,
    }
    config = ExportConfig(**(told | fields))
    assert export_dataset(config, folder, workers=1).missing == 0
    return Export(folder, config)


def rgb(image: Any) -> Pixels:
    """Return a picture or an array, [H, W] or [H, W, 3], as uint8 [H, W, 3]."""
    pixels = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    assert pixels.dtype == np.uint8
    return np.repeat(pixels[..., None], 3, axis=-1) if pixels.ndim == 2 else pixels


def check_same(found: Iterable[tuple[Any, Any]], export: Export) -> None:
    """Check that a reader found every image once, in the order of the files, with its pixels and its label."""
    rows = list(found)
    assert len(rows) == len(export.images)
    assert [int(label) for _, label in rows] == [label for _, label in export.images]
    most = MOST_LOST if export.config.encoding in SAVED else 0
    for (image, _), (drawn, _) in zip(rows, export.images, strict=True):
        pixels, kept = rgb(image), _kept(drawn, export)
        assert np.array_equal(pixels, kept)
        assert np.abs(kept.astype(int) - drawn).mean() <= most


def _kept(drawn: Pixels, export: Export) -> Pixels:
    """Return what an encoding leaves of an image, by Pillow alone."""
    if export.config.encoding not in SAVED:
        return drawn
    gray = export.dataset.channels == 1 and export.config.colour != "rgb"
    file = io.BytesIO()
    Image.fromarray(drawn[..., 0] if gray else drawn).save(file, **SAVED[export.config.encoding])
    with Image.open(file) as image:
        return rgb(image)


@contextmanager
def hugging_face_apart(folder: Path) -> Iterator[None]:
    """Keep what Hugging Face's library remembers in a folder, and the library from the network."""
    import datasets
    import huggingface_hub.constants

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets.config, "HF_DATASETS_CACHE", folder / "cache")
        patch.setattr(datasets.config, "HF_MODULES_CACHE", str(folder / "modules"))
        patch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
        datasets.disable_progress_bars()
        yield
