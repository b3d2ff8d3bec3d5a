"""How an export's files lie, one class a format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from fdsl.data.export.plan import Plan, Sample
from fdsl.data.export.records import FilesDigest, Record, digest_of_file
from fdsl.data.export.stores import Store

SHOWN = 3
PICTURES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""What torchvision takes for an image by its name."""

Told = Callable[[int, int], None]
"""Is told of images that were written, and their bytes; what it raises ends the work."""


class Stored(NamedTuple):
    """An image as it was found in a shard."""

    name: str
    """As the format has it."""
    label: int
    content: bytes
    """The encoded image."""


class Layout(ABC):
    """The files of one export.

    Args:
        plan: what lies in them.
    """

    is_one_file: bool
    """Whether a shard is one file."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    @abstractmethod
    def name(self, shard: int) -> str:
        """Return what a shard is called."""

    @abstractmethod
    def files(self, shard: int) -> list[str]:
        """Return the names of a shard's files."""

    @abstractmethod
    def holds(self, name: str) -> bool:
        """Whether readers would take a file of that name for a part of the dataset."""

    @abstractmethod
    def lists(self, name: str) -> bool:
        """Whether a file of that name is one of the dataset's."""

    @abstractmethod
    def write(self, shard: int, store: Store, told: Told) -> Record:
        """Draw a shard and write its files."""

    @abstractmethod
    def read(self, shard: int, store: Store, rows: Sequence[int]) -> Iterator[Stored]:
        """Yield images of a shard by their place in it, ascending; what readers of its kind raise if it is damaged."""

    @abstractmethod
    def sizes(self, shard: int, store: Store) -> int | None:
        """Return the bytes of a shard's files, None if one is not there."""

    @abstractmethod
    def digest(self, shard: int, store: Store) -> tuple[int, str]:
        """Return the bytes and the digest of a shard's files; FileNotFoundError if one is not there."""

    def details(self, shard: int, store: Store) -> str:
        """Return what there is to add on a damaged shard."""
        return ""

    def extras(self, records: Sequence[Record]) -> dict[str, str]:
        """Return further files that readers want, text by name."""
        return {}

    def stored_name(self, sample: Sample | tuple[int, int]) -> str:
        """Return what an image (category, instance) is called where its category does not name a folder."""
        return f"{self.plan.class_name(sample[0])}_{self.plan.instance_name(sample[1])}"


class OneFile(Layout):
    """A shard is one file."""

    is_one_file = True
    suffix: str

    def files(self, shard: int) -> list[str]:
        return [self.name(shard)]

    def holds(self, name: str) -> bool:
        return name.endswith(self.suffix)

    def lists(self, name: str) -> bool:
        return name in self._names

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.name(shard) for shard in range(self.plan.shards))

    def write(self, shard: int, store: Store, told: Told) -> Record:
        name, positions = self.name(shard), self.plan.positions(shard)
        with store.writing(name) as path:
            self.fill(str(path), self._counted(positions, told))
            with path.open("rb") as file:
                size, sha256 = digest_of_file(iter(lambda: file.read(1 << 20), b""))
        return Record(
            shard=shard, first=positions.start, name=name, images=len(positions), bytes=size, sha256=sha256
        )

    @abstractmethod
    def fill(self, path: str, samples: Iterator[Sample]) -> None:
        """Write the file at `path`."""

    def _counted(self, positions: range, told: Told) -> Iterator[Sample]:
        for sample in self.plan.samples(positions):
            yield sample
            told(1, len(sample.content))

    def sizes(self, shard: int, store: Store) -> int | None:
        return store.size(self.name(shard))

    def digest(self, shard: int, store: Store) -> tuple[int, str]:
        return digest_of_file(store.pieces(self.name(shard)))


class Folders(Layout):
    """An image file in a folder a category: 00012/000345.png."""

    is_one_file = False

    def name(self, shard: int) -> str:
        names = self.files(shard)
        return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"

    def files(self, shard: int) -> list[str]:
        identity = self.plan.identify(self.plan.positions(shard))
        return [self._file(k, i) for k, i in zip(*(column.tolist() for column in identity), strict=True)]

    def _file(self, category: int, instance: int) -> str:
        plan = self.plan
        return f"{plan.class_name(category)}/{plan.instance_name(instance)}.{plan.encoder.suffix}"

    def holds(self, name: str) -> bool:
        return name.lower().endswith((*PICTURES, f".{self.plan.encoder.suffix}"))

    def lists(self, name: str) -> bool:
        folder, _, file = name.partition("/")
        stem = file.partition(".")[0]
        if not (folder.isdecimal() and stem.isdecimal()) or name != self._file(int(folder), int(stem)):
            return False
        first, config = self.plan.config.first_instance, self.plan.config
        return int(folder) < self.plan.family.classes and first <= int(stem) < first + config.instances

    def details(self, shard: int, store: Store) -> str:
        """Return which files differ from those drawn now."""
        samples = self.plan.samples(self.plan.positions(shard))
        files = ((self._file(sample.category, sample.instance), sample.content) for sample in samples)
        damaged = [name for name, content in files if store.read(name) != content]
        shown = ", ".join(damaged[:SHOWN])
        return (
            f" ({shown}{f' and {len(damaged) - SHOWN} more' if len(damaged) > SHOWN else ''})"
            if damaged
            else ""
        )

    def write(self, shard: int, store: Store, told: Told) -> Record:
        found = FilesDigest()
        for sample in self.plan.samples(self.plan.positions(shard)):
            name = self._file(sample.category, sample.instance)
            store.write(name, sample.content)
            found.add(name, *digest_of_file([sample.content]))
            told(1, len(sample.content))
        return Record(
            shard=shard,
            first=self.plan.positions(shard).start,
            name=self.name(shard),
            images=found.files,
            bytes=found.bytes,
            sha256=found.hexdigest(),
        )

    def read(self, shard: int, store: Store, rows: Sequence[int]) -> Iterator[Stored]:
        names = self.files(shard)
        for row in rows:
            yield Stored(names[row], int(names[row].partition("/")[0]), store.read(names[row]))

    def sizes(self, shard: int, store: Store) -> int | None:
        sizes = [store.size(name) for name in self.files(shard)]
        present = [size for size in sizes if size is not None]
        return sum(present) if len(present) == len(sizes) else None

    def digest(self, shard: int, store: Store) -> tuple[int, str]:
        found = FilesDigest()
        for name in self.files(shard):
            found.add(name, *digest_of_file(store.pieces(name)))
        return found.bytes, found.hexdigest()
