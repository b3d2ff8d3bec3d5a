"""Real labelled images to fine-tune on: digits, image folders, Parquet folders; and few labels of them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fdsl.errors import DataError, InputError, check_int
from fdsl.random import Purpose, blocks

Split = Literal["train", "test"]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"})
TEST_NAMES = ("test", "val", "validation")
TEST_SHARE = 0.2  # of a folder that comes without a split
DIGITS_TEST_SHARE = 0.5
SPLIT_SEED = 0  # a split belongs to the data set, not to a run


@dataclass(frozen=True, kw_only=True)
class RealImages:
    """Labelled images, opened when they are asked for.

    `images[n]` is (RGB image, label); `labels` is int64 [N]; `classes` names the labels.
    """

    name: str
    classes: list[str]
    labels: NDArray[np.int64]
    open_image: Callable[[int], Image.Image]
    """Opens image n of the source; where it is broken it raises, as decoders do, any exception."""
    describe: Callable[[int], str]
    """Names image n of the source to a person."""
    source_index: NDArray[np.int64]
    """Where each image lies in the source, [N]."""
    skipped: tuple[str, ...] = ()
    """Broken images left out."""

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Image.Image, int]:
        """Return image `index`, RGB, and its label.

        Raises:
            DataError: the image is broken; the message names its file or row.
        """
        at = int(self.source_index[index])
        try:
            image = self.open_image(at).convert("RGB")
        except Exception as error:
            # A damaged file makes Pillow's decoders fail as it comes: struct.error, EOFError, zlib.error, ...
            unknown = isinstance(error, UnidentifiedImageError)
            reason = "not an image" if unknown else str(error) or type(error).__name__
            raise DataError(f"{self.describe(at)} cannot be read: {reason}") from error
        return image, int(self.labels[index])

    def subset(self, indices: NDArray[np.int64]) -> RealImages:
        """Return the images at `indices`, in that order."""
        return replace(self, labels=self.labels[indices], source_index=self.source_index[indices])

    def without_broken(self) -> RealImages:
        """Open every image and leave out the broken ones; `skipped` names them."""
        good, skipped = [], []
        for index in range(len(self)):
            try:
                self[index]
                good.append(index)
            except DataError as error:
                skipped.append(str(error))
        if not good:
            raise DataError(f"{self.name} must hold readable images, got none among {len(self)}")
        return replace(self.subset(np.array(good, np.int64)), skipped=tuple(skipped))


def open_images(source: str | Path, split: Split = "train", *, skip_broken: bool = False) -> RealImages:
    """Open one split of a labelled set of images.

    Args:
        source: "digits" (scikit-learn's, no download); a folder of Parquet files named train-* and test-* with
            rows of image {bytes, path} and label, as Hugging Face stores them; or a folder of class folders,
            which may lie under train/ and test/ (or val/, validation/). Without those, a fifth of each class
            is the test split.
        split: "train" or "test".
        skip_broken: leave out images that cannot be read (all are opened once to know). Without it, the first
            broken image raises where it is opened.

    Raises:
        InputError: the source does not exist.
        DataError: it holds no images, or something unreadable.
    """
    images = _open(source, split)
    return images.without_broken() if skip_broken else images


def few_labels(images: RealImages, labels: int, seed: int, *, field: str = "labels") -> RealImages:
    """Return `labels` random images, as many of each class (one more of some if it does not divide).

    Args:
        images: what to choose from.
        labels: images to keep in all.
        seed: another seed gives another choice.
        field: what an error calls `labels`.

    Raises:
        InputError: a class has too few images, or there are fewer labels than classes.
    """
    count = len(images.classes)
    check_int(field, labels, count)
    drawn = blocks(seed, "few labels", 0, np.arange(max(len(images), count)), Purpose.FEW_LABELS, 0)
    wanted = np.full(count, labels // count)
    wanted[np.argsort(drawn[:count, 1], kind="stable")[: labels % count]] += 1
    chosen = []
    for label in range(count):
        members = np.flatnonzero(images.labels == label)
        if len(members) < wanted[label]:
            raise InputError(
                f"{field} must be fewer, got {labels}: class {images.classes[label]!r} has "
                f"{len(members)} images of the {wanted[label]} wanted"
            )
        chosen.append(members[np.argsort(drawn[members, 0], kind="stable")[: wanted[label]]])
    return images.subset(np.sort(np.concatenate(chosen)))


def at_most(images: RealImages, count: int, seed: int) -> RealImages:
    """Return `count` random images, or all if there are no more; classes keep their shares as chance has it.

    Args:
        images: what to choose from.
        count: images to keep in all.
        seed: another seed gives another choice.

    Raises:
        InputError: `count` is below one.
    """
    check_int("count", count, 1)
    if len(images) <= count:
        return images
    drawn = blocks(seed, "at most", 0, np.arange(len(images)), Purpose.FEW_LABELS, 0)[:, 0]
    return images.subset(np.sort(np.argsort(drawn, kind="stable")[:count]))


def _open(source: str | Path, split: Split) -> RealImages:
    if str(source) == "digits":
        return _digits(split)
    folder = Path(source)
    if not folder.is_dir():
        raise InputError(f"data must be 'digits' or an existing folder, got {str(source)!r}")
    if parquet := sorted([*folder.glob("*.parquet"), *folder.glob("*/*.parquet")]):
        return _parquet(folder, parquet, split)
    return _class_folders(folder, split)


def _digits(split: Split) -> RealImages:
    """Return scikit-learn's handwritten digits at 32 px: 8 px made 28, a margin of 2, dark on white."""
    from sklearn.datasets import load_digits

    content = load_digits()
    gray = np.round(255 - content.images * (255 / 16)).astype(np.uint8)
    labels = content.target.astype(np.int64)
    return RealImages(
        name="digits",
        classes=[str(name) for name in content.target_names],
        labels=labels,
        open_image=partial(_digit_image, gray),
        describe=lambda n: f"digit {n}",
        source_index=np.arange(len(labels)),
    ).subset(_split_members(labels, split, DIGITS_TEST_SHARE))


def _digit_image(gray: NDArray[np.uint8], n: int) -> Image.Image:
    canvas = Image.new("L", (32, 32), 255)
    canvas.paste(Image.fromarray(gray[n]).resize((28, 28), Image.Resampling.BICUBIC), (2, 2))
    return canvas


def _class_folders(folder: Path, split: Split) -> RealImages:
    test = next((folder / name for name in TEST_NAMES if (folder / name).is_dir()), None)
    presplit = test is not None and (folder / "train").is_dir()
    root = folder if not presplit or test is None else folder / "train" if split == "train" else test
    classes = _class_names(folder / "train" if presplit else folder)
    if unknown := sorted(set(_class_names(root)) - set(classes)):
        raise DataError(f"{root} must hold the classes of the training images, got {unknown[0]!r} too")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(path for path in (root / name).rglob("*") if path.suffix.lower() in SUFFIXES)
        files += found
        labels += [label] * len(found)
    if not files:
        raise DataError(f"{root} must hold class folders of images, got none")
    images = RealImages(
        name=folder.name,
        classes=classes,
        labels=np.array(labels, np.int64),
        open_image=lambda n: Image.open(io.BytesIO(files[n].read_bytes())),
        describe=lambda n: str(files[n]),
        source_index=np.arange(len(files)),
    )
    if not presplit:
        images = images.subset(_split_members(images.labels, split, TEST_SHARE))
    if not len(images):
        raise DataError(
            f"{folder} must hold three images of a class at least, since a fifth of each becomes the test images: "
            "that leaves none"
        )
    return images


def _class_names(root: Path) -> list[str]:
    names = sorted(path.name for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if len(names) < 2:
        raise DataError(f"{root} must hold at least two class folders, got {len(names)}")
    return names


def _split_members(labels: NDArray[np.int64], split: Split, test_share: float) -> NDArray[np.int64]:
    """Return the members of a split that takes the same share of each class, by addressed draws."""
    drawn = blocks(SPLIT_SEED, "test split", 0, np.arange(len(labels)), Purpose.SPLIT, 0)[:, 0]
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        order = members[np.argsort(drawn[members], kind="stable")]
        is_test[order[: round(test_share * len(members))]] = True
    return np.flatnonzero(is_test if split == "test" else ~is_test)


def _parquet(folder: Path, every: list[Path], split: Split) -> RealImages:
    import pyarrow as pa
    import pyarrow.parquet as pq

    names = ("train",) if split == "train" else TEST_NAMES
    files = next((found for name in names if (found := [p for p in every if p.name.startswith(name)])), [])
    if not files:
        raise DataError(f"{folder} must hold {' or '.join(f'{name}-*.parquet' for name in names)}, got none")
    tables = []
    for file in files:
        try:
            tables.append(pq.read_table(file))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{file} cannot be read: {error}") from error
    columns = [_columns(table.column_names, file) for table, file in zip(tables, files, strict=True)]
    rows = [(file, row) for file, table in zip(files, tables, strict=True) for row in range(len(table))]
    images = [
        chunk
        for table, (column, _) in zip(tables, columns, strict=True)
        for chunk in table.column(column).chunks
    ]
    labels = np.concatenate(
        [_labels(t, column, file) for t, (_, column), file in zip(tables, columns, files, strict=True)]
    )
    classes = _parquet_classes(tables[0].schema, columns[0][1], labels, files[0])
    starts = np.cumsum([0] + [len(chunk) for chunk in images])
    return RealImages(
        name=folder.name,
        classes=classes,
        labels=labels,
        open_image=partial(_parquet_image, images, starts),
        describe=lambda n: f"{rows[n][0]}, row {rows[n][1]}",
        source_index=np.arange(len(labels)),
    )


def _columns(names: Sequence[str], file: Path) -> tuple[str, str]:
    image = next((name for name in ("image", "img") if name in names), None)
    label = next((name for name in ("label", "labels", "fine_label") if name in names), None)
    if image is None or label is None:
        raise DataError(f"{file} must have columns image and label, got {', '.join(names)}")
    return image, label


def _labels(table: Any, column: str, file: Path) -> NDArray[np.int64]:
    values = table.column(column).to_numpy()
    if not np.issubdtype(values.dtype, np.integer) or (len(values) and values.min() < 0):
        raise DataError(f"{file} must have labels that are integers >= 0, got {values.dtype}")
    return values.astype(np.int64)


def _parquet_classes(schema: Any, label_column: str, labels: NDArray[np.int64], file: Path) -> list[str]:
    """Return the class names that Hugging Face keeps in the schema's metadata, or numbers."""
    if not len(labels):
        raise DataError(f"{file} must hold rows, got none")
    count = int(labels.max()) + 1
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        names = [str(name) for name in features[label_column]["names"]]
    except (KeyError, ValueError, TypeError):
        names = [str(label) for label in range(count)]
    if len(names) < count:
        raise DataError(f"{file} must have labels below {len(names)}, its number of names, got {count - 1}")
    return names


def _parquet_image(chunks: Sequence[Any], starts: NDArray[np.int64], n: int) -> Image.Image:
    at = int(np.searchsorted(starts, n, side="right")) - 1
    return Image.open(io.BytesIO(chunks[at][n - int(starts[at])].as_py()["bytes"]))
