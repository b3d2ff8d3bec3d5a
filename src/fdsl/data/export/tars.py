"""Shards as WebDataset reads them: tar files of 00012_000345.png beside 00012_000345.cls."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator, Sequence

from fdsl.data.export.layouts import OneFile, Stored
from fdsl.data.export.plan import Plan, Sample
from fdsl.data.export.records import Record
from fdsl.data.export.stores import Store
from fdsl.errors import DataError

INFO_FILE = "_info.json"
AT_ONCE = 1 << 20
"""Bytes that are written at a time."""


class Tars(OneFile):
    """A tar file a shard: of each image its bytes, its category as text, and as JSON all categories if there are
    several."""

    suffix = ".tar"

    def name(self, shard: int) -> str:
        return f"{self.plan.config.split}-{shard_number(self.plan, shard)}.tar"

    def fill(self, path: str, samples: Iterator[Sample]) -> None:
        with open(path, "wb", AT_ONCE) as tar:
            for sample in samples:
                key = self.stored_name(sample)
                tar.write(_member(f"{key}.{self.plan.encoder.suffix}", sample.content))
                tar.write(_member(f"{key}.cls", str(sample.category).encode()))
                if sample.contents is not None:
                    contents = json.dumps({"classes": sample.contents}).encode()
                    tar.write(_member(f"{key}.json", contents))
            tar.write(bytes(2 * tarfile.BLOCKSIZE))
            tar.write(bytes(-tar.tell() % tarfile.RECORDSIZE))

    def read(self, shard: int, store: Store, rows: Sequence[int]) -> Iterator[Stored]:
        wanted, row, held = set(rows), -1, {}
        name = self.name(shard)
        with store.open(name) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                key, _, suffix = member.name.partition(".")
                if suffix == self.plan.encoder.suffix:
                    row += 1
                if row not in wanted:
                    continue
                part = tar.extractfile(member)
                held[suffix] = b"" if part is None else part.read()
                if suffix == "cls":
                    yield Stored(key, int(held["cls"]), held[self.plan.encoder.suffix])
        if row + 1 != len(self.plan.positions(shard)):
            raise DataError(
                f"{store.describe(name)} must hold {len(self.plan.positions(shard))} images, got {row + 1}"
            )

    def extras(self, records: Sequence[Record]) -> dict[str, str]:
        """Return the list of shards that timm wants."""
        split = self.plan.config.split
        content = {
            "splits": {
                split: {
                    "name": split,
                    "num_samples": self.plan.images,
                    "filenames": [record.name for record in records],
                    "shard_lengths": [record.images for record in records],
                }
            }
        }
        return {INFO_FILE: json.dumps(content, indent=1) + "\n"}


def shard_number(plan: Plan, shard: int) -> str:
    """Return a shard's number as its name has it: names sort as numbers do."""
    return f"{shard:0{max(5, len(str(plan.shards - 1)))}}"


def _member(name: str, content: bytes) -> bytes:
    """Return a file of a tar file that says nothing of when and by whom it was made, as `tarfile` writes it.

    `tarfile` takes 40 microseconds a header, two of which an image has. All of it but name, size and a checksum, the
    sum of its bytes, are the same.
    """
    stored, size = name.encode("ascii"), b"%011o" % len(content)  # of 100 letters and 8 GiB at most
    checksum = b"%06o" % (_HEADER_SUM + sum(stored) + sum(size))
    padding = bytes(-len(content) % tarfile.BLOCKSIZE)
    parts = [
        stored,
        _HEADER[len(stored) : 124],
        size,
        _HEADER[135:148],
        checksum,
        _HEADER[154:],
        content,
        padding,
    ]
    return b"".join(parts)


_HEADER = tarfile.TarInfo().tobuf(tarfile.USTAR_FORMAT)
_HEADER_SUM = sum(_HEADER[:124]) + sum(_HEADER[135:148]) + sum(b" " * 8) + sum(_HEADER[156:])
