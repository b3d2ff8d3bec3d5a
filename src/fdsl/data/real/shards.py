"""Images in tar files: WebDataset's shards, and one tar of class folders.

A shard is read once, header by header, to learn where its images lie. That gives any image by its number without
decoding another, which a stream does not, and needs no memory but for the places.
"""

from __future__ import annotations

import contextlib
import io
import json
import re
import tarfile
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from PIL import Image

from fdsl.data.real.folders import SUFFIXES
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
    def _splits(self) -> dict[str, tuple[list[Path], list[int] | None, str]]:
        """The shards of each split, their lengths if known, and the field of its labels (empty for .cls)."""
        for path in (self._folder / name for name in INFO_FILES):
            if path.is_file():
                try:
                    content = json.loads(path.read_text(encoding="utf-8"))["splits"]
                    return {str(name): self._told(split) for name, split in content.items()}
                except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
                    raise DataError(f"{path} must list the filenames of its splits, got {error!r}") from error
        found: dict[str, tuple[list[Path], None, str]] = {}
        for path in sorted(self._folder.glob("*.tar")):
            words = re.findall(r"[A-Za-z]+", path.stem)
            found.setdefault(words[-1] if words else WHOLE, ([], None, ""))[0].append(path)
        if not found:
            raise DataError(f"{self._folder} must hold shards (*.tar), got none")
        return {**found}

    def _told(self, split: dict[str, Any]) -> tuple[list[Path], list[int] | None, str]:
        """Return what _info.json says of a split."""
        files, lengths = list(split["filenames"]), split.get("shard_lengths") or None
        if lengths is not None and len(lengths) != len(files):
            raise ValueError(f"{len(files)} filenames and {len(lengths)} shard_lengths")
        return [self._folder / file for file in files], lengths, split.get("alt_label", "")

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
        if split in self._splits:
            paths, lengths, field = self._splits[split]
        else:
            paths, lengths, field = [self._folder / name for name in _expanded(split)], None, ""
        places: list[Place] = []
        values: list[Any] = []
        for n, path in enumerate(paths):
            before = len(places)
            for key, files in _samples(path):
                place = next((files[suffix] for suffix in IMAGE_SUFFIXES if suffix in files), None)
                if place is None:
                    raise DataError(
                        f"{path} must hold an image of sample {key}, got {', '.join(sorted(files))}"
                    )
                places.append(place)
                values.append(_label(path, key, files, field))
            found = len(places) - before
            if lengths is not None and found != lengths[n]:
                raise DataError(f"{path} must hold {lengths[n]} samples, as the info file says, got {found}")
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
    """One tar of class folders, or of a tar a class."""

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
            DataError: it is damaged or compressed, or holds no images in class folders.
        """
        found = sorted(
            (folder.name, place)
            for place in _images_in(self._path)
            if (folder := PurePosixPath(place.name).parent).name
        )
        classes = sorted({name for name, _ in found})
        if len(classes) < 2:
            raise DataError(
                f"{self._path} must hold at least two class folders of images, got {len(classes)}"
            )
        number = {name: label for label, name in enumerate(classes)}
        places = [place for _, place in found]
        return labelled(
            self.name,
            [number[name] for name, _ in found],
            classes,
            open_image=lambda n: Image.open(io.BytesIO(places[n].read())),
            describe=lambda n: f"{places[n].tar}, {places[n].name}",
        )


def _images_in(path: Path) -> Iterator[Place]:
    """Yield the images in a tar, and in the tars in it, whose names then are folders."""
    with _reading(path), tarfile.open(path, "r:") as tar:
        for member in tar:
            name = PurePosixPath(member.name)
            if not member.isfile() or name.name.startswith("."):
                continue
            if name.suffix.lower() == ".tar":
                with tarfile.open(fileobj=tar.extractfile(member), mode="r:") as inner:
                    for image in inner:
                        if image.isfile() and PurePosixPath(image.name).suffix.lower() in SUFFIXES:
                            start = member.offset_data + image.offset_data
                            yield Place(path, str(name.with_suffix("") / image.name), start, image.size)
            elif name.suffix.lower() in SUFFIXES:
                yield Place(path, member.name, member.offset_data, member.size)


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
    with _reading(path), tarfile.open(path, "r:") as tar:
        yield from tar
        # tarfile takes a header cut short for the end
        if path.stat().st_size % tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it ends within a block")


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
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
