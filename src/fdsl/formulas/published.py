"""Published category files: one CSV a category, a row a map."""

from __future__ import annotations

import csv
import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import DataError, InputError
from fdsl.geometry.maps import MAX_MAPS

LARGEST = 1e6
"""Greatest magnitude of a coefficient: far beyond any attractor's, and small enough for float32."""


@dataclass(frozen=True)
class MapFiles:
    """The categories of a folder of map files.

    Attributes:
        names: file names without suffix, sorted.
        maps: float64 [C, MAX_MAPS, parts], zero beyond a category's maps.
        probability: float64 [C, MAX_MAPS], zero beyond.
        count: int64 [C], maps a category.
        sha256: of all values.
    """

    names: tuple[str, ...]
    maps: NDArray[np.float64]
    probability: NDArray[np.float64]
    count: NDArray[np.int64]
    sha256: str

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MapFiles) and other.sha256 == self.sha256

    def __str__(self) -> str:
        return f"{len(self.names)} category files, sha256 {self.sha256}"


def _read_file(file: Path, columns: int) -> list[list[float]]:
    rows: list[list[float]] = []
    try:
        text = file.read_text()
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file}: cannot be read as text: {error}") from error
    for number, cells in enumerate(csv.reader(text.splitlines()), 1):
        if not cells:
            continue
        if len(cells) != columns:
            raise DataError(f"{file}, line {number}: a map has {columns} columns, got {len(cells)}")
        try:
            row = [float(cell) for cell in cells]
        except ValueError as error:
            raise DataError(f"{file}, line {number}: {error}") from error
        if not all(math.isfinite(value) for value in row):
            raise DataError(f"{file}, line {number}: every value must be finite, got {','.join(cells)}")
        if max(abs(value) for value in row) > LARGEST:
            raise DataError(
                f"{file}, line {number}: every value must be within +-{LARGEST:g}, got {','.join(cells)}"
            )
        if row[-1] < 0:
            raise DataError(f"{file}, line {number}: probability must be >= 0, got {cells[-1]}")
        rows.append(row)
    if not 1 <= len(rows) <= MAX_MAPS:
        raise DataError(f"{file}: a category has 1..{MAX_MAPS} maps, got {len(rows)}")
    if sum(row[-1] for row in rows) <= 0:
        raise DataError(f"{file}: the probabilities sum to 0")
    return rows


def read_map_files(folder: str | Path, parts: int) -> MapFiles:
    """Read a folder of category files.

    Args:
        folder: holds one `*.csv` a category; a row is `parts` coefficients and a probability.
        parts: 6 for maps of the plane, 12 for maps of space.

    Raises:
        InputError: there is no such folder.
        DataError: fewer than two files, a wrong column count, a value that is no finite number: named by file and line.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"category folder must be an existing folder, got {folder}")
    files = sorted(folder.glob("*.csv"))
    if len(files) < 2:
        raise DataError(f"{folder}: needs at least 2 category files (*.csv), found {len(files)}")
    maps = np.zeros((len(files), MAX_MAPS, parts))
    probability = np.zeros((len(files), MAX_MAPS))
    count = np.zeros(len(files), np.int64)
    for k, file in enumerate(files):
        rows = np.array(_read_file(file, parts + 1))
        count[k] = len(rows)
        maps[k, : len(rows)], probability[k, : len(rows)] = rows[:, :parts], rows[:, parts]
    digest = hashlib.sha256(b"".join(values.tobytes() for values in (count, maps, probability))).hexdigest()
    return MapFiles(tuple(file.stem for file in files), maps, probability, count, digest)
