"""Class folders of image files, below folders for the splits or by themselves."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from fdsl.data.real.images import RealImages, labelled
from fdsl.data.real.splits import TEST_NAMES, TEST_SHARE, TRAIN_NAMES, WHOLE
from fdsl.errors import DataError

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})


class ClassFolders:
    """A folder of class folders, which may lie under train/ and test/ (or val/, validation/, ...).

    A folder may be a class that is called train: only where another is called test, or the like, do they say splits.
    """

    test_share = TEST_SHARE

    def __init__(self, folder: Path, *, named: bool = False) -> None:
        """Look at the folder's names alone; `named` is that a person names the splits, which then are sub-folders."""
        self.name = folder.name
        self._folder, self._named = folder, named

    @cached_property
    def _inside(self) -> list[str]:
        return _folders(self._folder)

    def splits(self) -> list[str]:
        """Return the sub-folders, if they are splits."""
        inside = set(self._inside)
        trains, tests = inside & set(TRAIN_NAMES), inside & set(TEST_NAMES)
        alone = len(inside) == 1 and trains
        return self._inside if self._named or alone or (trains and tests) else [WHOLE]

    def knows(self, split: str) -> bool:
        """Whether there is such a sub-folder."""
        return split in self.splits()

    def open(self, split: str) -> RealImages:
        """Return the images in the class folders of a split.

        Raises:
            DataError: there are fewer than two class folders, or no images.
        """
        root = self._root(split)
        classes = _folders(root)
        if len(classes) < 2:
            raise DataError(f"{root} must hold at least two class folders, got {len(classes)}")
        files: list[Path] = []
        labels: list[int] = []
        for label, name in enumerate(classes):
            found = sorted(path for path in (root / name).rglob("*") if path.suffix.lower() in SUFFIXES)
            files += found
            labels += [label] * len(found)
        if not files:
            raise DataError(f"{root} must hold class folders of images, got none")
        return labelled(
            self.name,
            labels,
            classes,
            open_image=lambda n: Image.open(io.BytesIO(files[n].read_bytes())),
            describe=lambda n: str(files[n]),
        )

    def check_every_class(self, images: RealImages, split: str) -> None:
        """Check that no class folder of a split to learn from is empty.

        Raises:
            DataError: one is; the message names it.
        """
        counts = np.bincount(images.labels, minlength=len(images.classes))
        if not counts.all():
            folder = self._root(split) / images.classes[int(counts.argmin())]
            raise DataError(f"{folder} must hold images of its class, got none: fill it or take it away")

    def _root(self, split: str) -> Path:
        return self._folder if self.splits() == [WHOLE] else self._folder / split


def _folders(root: Path) -> list[str]:
    return sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
