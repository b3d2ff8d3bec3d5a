"""Images in tar files: WebDataset's shards, and one tar of class folders.

A shard is read once, header by header, to learn where its images lie. That gives any image by its number without
decoding another, which a stream does not, and needs no memory but for the places.
"""

from __future__ import annotations

import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from fdsl.data.real.images import RealImages, labelled
from fdsl.data.real.splits import TEST_SHARE, WHOLE
from fdsl.errors import DataError, InputError

INFO_FILES = ("_info.json", "info.json")
IMAGE_SUFFIXES = ("jpg", "jpeg", "png", "webp")
KEY = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")  # WebDataset's: the name up to its first dot, and the rest


class Place(NamedTuple):
    """Where the bytes of a file lie in a tar."""

    tar: Path
    name: str
    start: int
    """Bytes before it."""
    size: int

    def read(self) -> bytes:
        """Return the bytes."""
        with self.tar.open("rb") as file:
            file.seek(self.start)
            content = file.read(self.size)
        if len(content) < self.size:
            raise DataError(f"{self.tar} must not change while it is in use, but ends within {self.name}")
        return content


class Shards:
    """A folder of WebDataset shards: the splits of its _info.json, as timm reads it, or of the shards' names.

    A sample is an image beside its label: a file .cls, or the field of a file .json that _info.json calls alt_label.
    """

    test_share = TEST_SHARE

    def __init__(self, name: str, folder: Path) -> None:
        """Take the shards in `folder`."""
        self.name, self._folder = name, folder

    @cached_property
    def _splits(self) -> dict[str, tuple[list[Path], str]]:
        """The shards of each split, and the field of its labels (empty for .cls)."""
        for path in (self._folder / name for name in INFO_FILES):
            if path.is_file():
                try:
                    content = json.loads(path.read_text(encoding="utf-8"))["splits"]
                    return {
                        str(name): (
                            [self._folder / file for file in split["filenames"]],
                            split.get("alt_label", ""),
                        )
                        for name, split in content.items()
                    }
                except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                    raise DataError(f"{path} must list the filenames of its splits, got {error!r}") from error
        found: dict[str, tuple[list[Path], str]] = {}
        for path in sorted(self._folder.glob("*.tar")):
            words = re.findall(r"[A-Za-z]+", path.stem)
            found.setdefault(words[-1] if words else WHOLE, ([], ""))[0].append(path)
        if not found:
            raise DataError(f"{self._folder} must hold shards (*.tar), got none")
        return found

    def splits(self) -> list[str]:
        """Return those of _info.json, or the last word in the names of the shards."""
        return list(self._splits)

    def knows(self, split: str) -> bool:
        """Whether it is one of them, or names shards: photos-{000..009}.tar."""
        return split in self._splits or ".tar" in split

    def open(self, split: str) -> RealImages:
        """Find the images in the shards of a split.

        Raises:
            DataError: a shard is missing, damaged or compressed, or a sample lacks its image or label.
        """
        paths, field = self._splits.get(split) or ([self._folder / name for name in _expanded(split)], "")
        places: list[Place] = []
        values: list[Any] = []
        for path in paths:
            for key, files in _samples(path):
                place = next((files[suffix] for suffix in IMAGE_SUFFIXES if suffix in files), None)
                if place is None:
                    raise DataError(
                        f"{path} must hold an image of sample {key}, got {', '.join(sorted(files))}"
                    )
                places.append(place)
                values.append(_label(path, key, files, field))
        if not places:
            raise DataError(f"{self._folder} must hold images in split {split}, got none")
        return labelled(
            self.name,
            values,
            None,
            open_image=lambda n: Image.open(io.BytesIO(places[n].read())),
            describe=lambda n: f"{places[n].tar}, {places[n].name}",
        )


class TarFolders:
    """One tar of class folders, or of a tar a class, as timm reads it."""

    test_share = TEST_SHARE

    def __init__(self, path: Path) -> None:
        """Take the tar at `path`."""
        self.name, self._path = path.stem, path

    def splits(self) -> tuple[str, ...]:
        """Return the one split there is."""
        return (WHOLE,)

    def knows(self, split: str) -> bool:
        """Whether it is that one."""
        return split == WHOLE

    def open(self, split: str) -> RealImages:
        """Find the images in the tar.

        Raises:
            DataError: it is damaged, or holds no images.
        """
        from timm.data.dataset_factory import create_dataset

        try:
            # its cache of places would be a pickle, written beside the tar
            reader = create_dataset("", root=str(self._path), cache_tarinfo=False).reader
        except (tarfile.TarError, OSError, RuntimeError) as error:
            raise DataError(f"{self._path} must be a tar of class folders: {error}") from error
        lock = threading.Lock()  # the reader's open tar has one position in the file

        def image(n: int) -> Image.Image:
            with lock:
                content = reader[n][0].read()
            return Image.open(io.BytesIO(content))

        classes = sorted(reader.class_name_to_idx, key=reader.class_name_to_idx.__getitem__)
        return labelled(
            self.name,
            reader.targets,
            classes,
            open_image=image,
            describe=lambda n: f"{self._path}, {reader.filename(n)}",
        )


def _samples(path: Path) -> Iterator[tuple[str, dict[str, Place]]]:
    """Yield each sample of a shard: its key and its files by suffix; neighbours of one key are one sample."""
    key, files = "", dict[str, Place]()
    for member in _members(path):
        found = KEY.fullmatch(member.name)
        if not member.isfile() or found is None or re.fullmatch("__[^/]*__", member.name):
            continue
        if found[1] != key:
            if files:
                yield key, files
            key, files = found[1], {}
        if (suffix := found[2].lower()) in files:
            raise DataError(f"{path} must hold each file of a sample once, got {member.name} twice")
        files[suffix] = Place(path, member.name, member.offset_data, member.size)
    if files:
        yield key, files


def _members(path: Path) -> Iterator[tarfile.TarInfo]:
    try:
        with tarfile.open(path, "r:") as tar:
            yield from tar
    except FileNotFoundError as error:
        raise DataError(f"{path} must be a shard, but is missing") from error
    except (tarfile.TarError, OSError) as error:
        raise DataError(f"{path} must be a whole tar file, not compressed: {error}") from error


def _label(path: Path, key: str, files: dict[str, Place], field: str) -> Any:
    suffix = "json" if field else "cls"
    if suffix not in files:
        raise DataError(f"{path} must hold {key}.{suffix} with the label, got {', '.join(sorted(files))}")
    content = files[suffix].read()
    try:
        return json.loads(content)[field] if field else int(content)
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} must hold the label of {key} in .{suffix}, got {content[:40]!r}") from error


def _expanded(split: str) -> Sequence[str]:
    """Return the shards that a split written in braces names, as WebDataset does."""
    try:
        from webdataset.shardlists import expand_urls
    except ImportError as error:
        raise InputError(
            f"train_split and test_split {split!r} need a package: pip install webdataset"
        ) from error
    names: list[str] = expand_urls(split.split("|")[0])
    return names
