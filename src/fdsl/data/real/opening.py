"""Opening a labelled set of images by what a person calls it."""

from __future__ import annotations

from pathlib import Path

from fdsl.data.real.digits import Digits
from fdsl.data.real.folders import ClassFolders
from fdsl.data.real.images import RealImages
from fdsl.data.real.named import OPENERS
from fdsl.data.real.parquet import ParquetFolder
from fdsl.data.real.shards import INFO_FILES, Shards, TarFolders
from fdsl.data.real.splits import Source, Split, held_out, split_names, with_classes
from fdsl.errors import DataError, InputError


def open_both(
    source: str | Path,
    *,
    root: Path | None = None,
    train_split: str | None = None,
    test_split: str | None = None,
    download: bool = False,
    skip_broken: bool = False,
) -> tuple[RealImages, RealImages]:
    """Open a labelled set of images to train on and to test on.

    Args:
        source: "digits" (scikit-learn's, no download); a folder of Parquet files named train-* and test-* with
            rows of image {bytes, path} and label, as Hugging Face stores them; a folder of class folders, which
            may lie under train/ and test/ (or val/, validation/); a tar of class folders; a folder of WebDataset
            shards that an _info.json lists; or a name that timm's create_dataset takes: torch/cifar10, hfds/NAME,
            hfids/NAME, tfds/NAME, wds/NAME.
        root: folder of the files of what is named; for wds/ that of the shards.
        train_split: name of the split to train on; None finds it.
        test_split: name of the split to test on; None finds it. Without one a fifth of each class is held out
            (half of the digits).
        download: let what is named be downloaded to `root`.
        skip_broken: leave out images that cannot be read (all are opened once to know). Without it, the first
            broken image raises where it is opened.

    Raises:
        InputError: the source or the split does not exist.
        DataError: it holds no images, labels that are none, an empty class folder, or something unreadable.
    """
    pair = _pair(source, root, train_split, test_split, download=download)
    train, test = (_checked(part, source, skip_broken) for part in pair)
    return train, test


def open_images(source: str | Path, split: Split = "train", *, skip_broken: bool = False) -> RealImages:
    """Open one split of a labelled set of images that needs no `root`.

    Args:
        source: see `open_both`.
        split: "train" or "test".
        skip_broken: see `open_both`.

    Raises:
        InputError, DataError: see `open_both`.
    """
    train, test = _pair(source, None, None, None, download=False)
    return _checked(train if split == "train" else test, source, skip_broken)


def _pair(
    source: str | Path, root: Path | None, train_split: str | None, test_split: str | None, *, download: bool
) -> tuple[RealImages, RealImages]:
    named = train_split is not None or test_split is not None
    found = _find(source, root, named=named, download=download)
    train_name, test_name = split_names(found, train_split, test_split)
    train = found.open(train_name)
    if isinstance(found, ClassFolders):
        found.check_every_class(train, train_name)
    if test_name is None:
        return held_out(train, "train", found.test_share), held_out(train, "test", found.test_share)
    return train, with_classes(found.open(test_name), train.classes)


def _checked(images: RealImages, source: str | Path, skip_broken: bool) -> RealImages:
    if not len(images):
        raise DataError(
            f"{source} must hold three images of a class at least, since a fifth of each becomes the test images where "
            "there is no test split: that leaves none"
        )
    return images.without_broken() if skip_broken else images


def _find(source: str | Path, root: Path | None, *, named: bool, download: bool) -> Source:
    """Return the source that a person calls `source`; `named` is that splits are named too."""
    name = str(source)
    prefix, slash, rest = name.partition("/")
    prefix = prefix.lower()
    if name == "digits":
        return Digits()
    path = Path(source)
    if slash and (root is not None or not path.is_dir()):  # a folder may be called torch/pictures
        if prefix == "wds":
            return Shards(name, _folder(root, name))
        if prefix == "torch" and rest.lower() in ("image_folder", "folder"):
            return ClassFolders(_folder(root, name), named=named)
        if prefix in OPENERS:
            return OPENERS[prefix](name, root, download=download)
    if path.suffix == ".tar" and path.is_file():
        return TarFolders(path)
    if not path.is_dir():
        raise InputError(
            f"data must be 'digits' or an existing folder or .tar file, or a name that begins with torch/, hfds/, "
            f"hfids/, tfds/ or wds/, got {name!r}"
        )
    if any((path / name).is_file() for name in INFO_FILES):
        return Shards(name, path)
    if parquet := sorted([*path.glob("*.parquet"), *path.glob("*/*.parquet")]):
        return ParquetFolder(path, parquet)
    return ClassFolders(path, named=named)


def _folder(root: Path | None, name: str) -> Path:
    if root is None or not root.is_dir():
        raise InputError(f"data_root must be the folder with the files of {name}, got {root}")
    return root
