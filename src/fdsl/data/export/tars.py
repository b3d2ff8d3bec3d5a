"""Shards as WebDataset reads them: tar files of 00012_000345.png beside 00012_000345.cls."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Sequence

from fdsl.data.export.layouts import OneFile, Stored
from fdsl.data.export.plan import Plan, Sample
from fdsl.data.export.records import Record
from fdsl.data.export.store import Store
from fdsl.errors import DataError

INFO_FILE = "_info.json"


class Tars(OneFile):
    """A tar file a shard: of each image its bytes, its category as text, and as JSON all categories if there are
    several."""

    suffix = ".tar"

    def name(self, shard: int) -> str:
        return f"{self.plan.config.split}-{shard_number(self.plan, shard)}.tar"

    def fill(self, path: str, samples: Iterator[Sample]) -> None:
        with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
            for sample in samples:
                key = self.stored_name(sample)
                _add(tar, f"{key}.{self.plan.encoder.suffix}", sample.content)
                _add(tar, f"{key}.cls", str(sample.category).encode())
                if sample.contents is not None:
                    _add(tar, f"{key}.json", json.dumps({"classes": sample.contents}).encode())

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


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file that says nothing of when and by whom it was made."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
