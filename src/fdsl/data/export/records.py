"""What is known of a finished shard."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from fdsl.errors import DataError

HEX = set("0123456789abcdef")


@dataclass(frozen=True, kw_only=True)
class Record:
    """A shard that is whole.

    Attributes:
        shard: its number.
        first: position of its first image; it holds those from there on.
        name: of its file; of files in folders the first and the last.
        images: how many it holds.
        bytes: of its files.
        sha256: of its file; of files in folders that of the lines that `sha256sum` prints of them, in order.
    """

    shard: int
    first: int
    name: str
    images: int
    bytes: int
    sha256: str

    def to_json(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any, where: str) -> Self:
        """Return the record of JSON fields.

        Raises:
            DataError: they are none; the message begins with `where`.
        """
        known = {field.name: str if field.name in ("name", "sha256") else int for field in fields(cls)}
        if (
            not isinstance(values, dict)
            or set(values) != set(known)
            or any(type(values[name]) is not kind for name, kind in known.items())
            or len(values["sha256"]) != 64
            or not set(values["sha256"]) <= HEX
        ):
            raise DataError(f"{where} must hold records of {', '.join(known)}, got {values!r:.200}")
        return cls(**values)


def digest_of_file(pieces: Iterable[bytes]) -> tuple[int, str]:
    """Return the bytes and the SHA-256 of a file that comes in pieces."""
    size, sha = 0, hashlib.sha256()
    for piece in pieces:
        size += len(piece)
        sha.update(piece)
    return size, sha.hexdigest()


class FilesDigest:
    """The digest of many files: that of the lines which `sha256sum` prints of them."""

    def __init__(self) -> None:
        self.bytes, self.files, self._sha = 0, 0, hashlib.sha256()

    def add(self, name: str, size: int, sha256: str) -> None:
        """Take the next file."""
        self.bytes += size
        self.files += 1
        self._sha.update(f"{sha256}  {name}\n".encode())

    def hexdigest(self) -> str:
        """Return the digest."""
        return self._sha.hexdigest()
