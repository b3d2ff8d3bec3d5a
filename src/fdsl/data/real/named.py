"""Data sets that timm's create_dataset opens by name: torchvision's, Hugging Face's, TensorFlow's.

Those with random access stay as they are. A stream has none, so it is read once, into memory, in its own order.
"""

from __future__ import annotations

import contextlib
import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from fdsl.data.real.images import RealImages, labelled
from fdsl.data.real.parquet import columns_of
from fdsl.data.real.splits import TEST_SHARE
from fdsl.errors import InputError

MEMORY_LIMIT = 8 << 30
"""Bytes of decoded images that a stream may come to."""
TRAIN = ("train", "training")
REST = ("test", "val", "validation", "valid", "eval", "evaluation")
TWO = ("cifar10", "cifar100", "mnist", "kmnist", "fashion_mnist", "qmnist")
"""Names of torchvision with two splits, where timm takes any word but "train" for the other."""
FORMATS = ("arrow", "imagefolder", "parquet", "webdataset")
"""Names of Hugging Face under which it reads whatever lies in the current folder."""
# timm knows which of torchvision's splits "train" and "val" are.
SPLITS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(TWO, ("train", "test")),
    "imagenet": ("train", "val"),
    "places365": ("train", "train-challenge", "val"),
    **dict.fromkeys(("inaturalist", "inat"), ("train", "2021_train_mini", "val")),
}


class Named(ABC):
    """A data set by its name with timm, prefix and all."""

    test_share = TEST_SHARE
    fetches = True
    """Whether the library fetches data sets; torchvision's errors say so themselves."""

    def __init__(self, name: str, root: Path | None, *, download: bool) -> None:
        """Take the data set `name` with its files in `root`; nothing is opened yet."""
        self.name, self._root, self._download = name, root, download

    @abstractmethod
    def splits(self) -> Sequence[str]:
        """Return the names of the splits."""

    def knows(self, split: str) -> bool:
        """Whether it is one of them, or a slice of one: train[:10%]."""
        return split.partition("[")[0] in self.splits()

    @abstractmethod
    def open(self, split: str) -> RealImages:
        """Return one split.

        Raises:
            InputError: it is not there, or too large for a stream.
            DataError: a label is none.
        """

    def _create(self, split: str, **args: Any) -> Any:
        from timm.data.dataset_factory import create_dataset

        root = str(self._root) if self._root is not None else None
        with self._reading():
            return create_dataset(self.name, root=root, split=split, download=self._download, **args)

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turn what the libraries raise, of whatever kind, into one line."""
        try:
            yield
        except Exception as error:
            lines = str(error).strip().splitlines() or [type(error).__name__]
            hint = "" if self._download or not self.fetches else " (download would fetch it)"
            where = self._root if self._root is not None else "their default folder"
            raise InputError(f"data_root must hold {self.name}, got {where}: {lines[0]}{hint}") from error


class Torchvision(Named):
    """torch/NAME; torchvision checks the digests of what it unpickles."""

    fetches = False

    def __init__(self, name: str, root: Path | None, *, download: bool) -> None:
        """Check that timm knows the name.

        Raises:
            InputError: it does not, or `root` is not given.
        """
        super().__init__(name, root, download=download)
        self._known = name.rpartition("/")[2].lower()
        if self._known not in SPLITS:
            raise InputError(
                f"data must be torch/ and one of {', '.join(SPLITS)} or image_folder, got {name!r}"
            )
        if root is None:
            raise InputError(f"data_root must be the folder with the files of {name}, got None")

    def splits(self) -> Sequence[str]:
        """Return what torchvision has of it."""
        return SPLITS[self._known]

    def knows(self, split: str) -> bool:
        """Whether it is one of them, or another word for it with timm."""
        return split in (*self.splits(), *TRAIN, *REST)

    def open(self, split: str) -> RealImages:
        """Open the files of a split."""
        source = self._create(split)
        inaturalist = hasattr(source, "index")
        values: Any = [label for label, _ in source.index] if inaturalist else source.targets
        if getattr(values, "ndim", 1) == 2:  # QMNIST keeps more than the class
            values = values[:, 0]
        names = source.all_categories if inaturalist else source.classes
        return labelled(
            self.name,
            values.tolist() if hasattr(values, "tolist") else values,
            [name if isinstance(name, str) else ", ".join(name) for name in names],
            open_image=lambda n: source[n][0],
            describe=lambda n: f"{self.name}, split {split}, image {n}",
        )


class HuggingFace(Named):
    """hfds/NAME, with random access, and hfids/NAME, a stream; NAME may be a folder."""

    def __init__(self, name: str, root: Path | None, *, download: bool) -> None:
        """Check that the package is there.

        Raises:
            InputError: it is not, or the name is that of a format.
        """
        super().__init__(name, root, download=download)
        self._id = name.partition("/")[2]
        if self._id in FORMATS:
            raise InputError(
                f"data must be hfds/FOLDER or hfds/NAME, got {name!r}: that is a format, of no files"
            )
        self._cache = str(root) if root is not None else None
        self._datasets = package("datasets", name, "datasets")

    @cached_property
    def _splits(self) -> list[str]:
        with self._reading(), self._offline():
            # A copy fetched before tells its splits; a folder of files has to be looked through.
            known = self._datasets.load_dataset_builder(self._id, cache_dir=self._cache).info.splits
            return list(known or self._datasets.get_dataset_split_names(self._id))

    def splits(self) -> Sequence[str]:
        """Return what the data set says."""
        return self._splits

    def open(self, split: str) -> RealImages:
        """Open one split, from the copy in the root folder if there is one."""
        stream = self.name.lower().startswith("hfids/")
        with self._reading(), self._offline():
            whole = self._datasets.load_dataset(
                self._id, split=split, cache_dir=self._cache, streaming=stream
            )
        image, label = columns_of(whole.column_names or (), self.name)
        names = getattr(whole.features[label], "names", None) if whole.features is not None else None
        columns = {"input_key": image, "target_key": label}
        with self._offline():
            if stream:
                # Of the number of samples timm's reader needs to know for training only, not to read them once.
                found = self._create(split, num_samples=1, **columns)
                return streamed(self.name, split, found, names)
            reader = self._create(split, **columns).reader

        def opened(n: int) -> Image.Image:
            with reader[n][0] as file:
                return Image.open(file).convert("RGB")

        return labelled(
            self.name,
            list(reader.iter_targets()),
            names,
            open_image=opened,
            describe=lambda n: f"{self.name}, split {split}, row {n}",
        )

    @contextlib.contextmanager
    def _offline(self) -> Iterator[None]:
        """Keep the library from the network unless downloads are allowed, and from saying that it had to."""
        if self._download:
            yield
            return
        import huggingface_hub.constants

        places: tuple[Any, ...] = (huggingface_hub.constants, self._datasets.config)
        before = [place.HF_HUB_OFFLINE for place in places]
        verbosity = self._datasets.logging.get_verbosity()
        self._datasets.logging.set_verbosity_error()
        for place in places:
            place.HF_HUB_OFFLINE = True
        try:
            yield
        finally:
            self._datasets.logging.set_verbosity(verbosity)
            for place, value in zip(places, before, strict=True):
                place.HF_HUB_OFFLINE = value


class TensorFlow(Named):
    """tfds/NAME, a stream."""

    def __init__(self, name: str, root: Path | None, *, download: bool) -> None:
        """Check that the package is there.

        Raises:
            InputError: it is not.
        """
        super().__init__(name, root, download=download)
        # Triton, which torch brings, and TensorFlow hold an LLVM each; Triton's aborts the process if it comes second.
        with contextlib.suppress(ImportError):
            importlib.import_module("triton._C.libtriton")
        self._tfds = package("tensorflow_datasets", name, "tensorflow-datasets tensorflow")

    @cached_property
    def _builder(self) -> Any:
        with self._reading():
            builder = self._tfds.builder(self.name.partition("/")[2], data_dir=self._root)
            if self._download:
                builder.download_and_prepare()
            return builder

    def splits(self) -> Sequence[str]:
        """Return what the data set says."""
        return list(self._builder.info.splits)

    def open(self, split: str) -> RealImages:
        """Read one split."""
        features = self._builder.info.features
        image, label = columns_of(list(features), self.name)
        names = getattr(features[label], "names", None)
        found = self._create(split, input_key=image, target_key=label)
        return streamed(self.name, split, found, names)


def streamed(name: str, split: str, stream: Any, names: Sequence[str] | None) -> RealImages:
    """Return the images of a stream, which are read into memory.

    Args:
        name: of the data set.
        split: of it.
        stream: timm's IterableImageDataset, not shuffled.
        names: of the classes; None calls them by their numbers.

    Raises:
        InputError: the images come to more than 8 GiB.
        DataError: a label is none.
    """
    # timm's readers give each process a share; here every process has all, and takes its share of each batch.
    stream.reader.dist_rank, stream.reader.dist_num_replicas = 0, 1
    images: list[Image.Image] = []
    values: list[Any] = []
    held = 0
    for image, label in stream:
        held += 3 * image.width * image.height
        if held > MEMORY_LIMIT:
            raise InputError(
                f"data must come to at most {MEMORY_LIMIT / 2**30:g} GiB of decoded images from a stream, got more "
                f"with image {len(images) + 1:,} of {name}, split {split}: take the same data by folder, hfds/ or wds/"
            )
        images.append(image)
        values.append(label)
    return labelled(
        name,
        values,
        names,
        open_image=images.__getitem__,
        describe=lambda n: f"{name}, split {split}, image {n}",
    )


def package(module: str, name: str, distributions: str) -> ModuleType:
    """Return a package that opening `name` needs.

    Raises:
        InputError: it is not installed; the message is the pip command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise InputError(
            f"data {name!r} needs a package that is not installed: pip install {distributions}"
        ) from error


OPENERS: Mapping[str, Callable[..., Named]] = {
    "torch": Torchvision,
    "hfds": HuggingFace,
    "hfids": HuggingFace,
    "tfds": TensorFlow,
}
