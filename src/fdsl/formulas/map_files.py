"""Category files of affine maps: a row a map, its coefficients and its probability."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import DataError
from fdsl.formulas.published import CategoryFiles, Row, check_columns, number, read_files
from fdsl.geometry.maps import MAX_MAPS

LARGEST = 1e6
"""Greatest magnitude of a coefficient: far beyond any attractor's, and small enough for float32."""
ROUNDING = 1e-3
"""How far probabilities may sum from 1. The published ones do within 1e-15; four decimals a map stay within this."""


@dataclass(frozen=True, eq=False, kw_only=True)
class MapFiles(CategoryFiles):
    """The systems of a folder of map files.

    Attributes:
        maps: float64 [C, MAX_MAPS, parts], zero beyond a category's maps.
        probability: float64 [C, MAX_MAPS], as in the files, zero beyond.
        count: int64 [C], maps a category.
    """

    maps: NDArray[np.float64]
    probability: NDArray[np.float64]
    count: NDArray[np.int64]


def columns(parts: int) -> str:
    """Return the columns' letters: a, b, c ... and p."""
    return "abcdefghijkl"[:parts] + "p"


def read_map_files(folder: Path, parts: int) -> MapFiles:
    """Read a folder of category files.

    Args:
        folder: holds one `*.csv` a category; a row is `parts` coefficients and a probability.
        parts: 6 for maps of the plane, 12 for maps of space.

    Raises:
        InputError, DataError: see `PublishedFamily.from_csv`. The probabilities of a category sum to 1 within
            0.001: more is no rounding, and what the author's program would have drawn is unknown.
    """
    names, categories = read_files(folder, lambda file, rows: _parse(file, rows, parts))
    maps = np.zeros((len(names), MAX_MAPS, parts))
    probability = np.zeros((len(names), MAX_MAPS))
    count = np.array([len(rows) for rows in categories], np.int64)
    for k, rows in enumerate(categories):
        maps[k, : len(rows)], probability[k, : len(rows)] = rows[:, :parts], rows[:, parts]
    digest = hashlib.sha256(b"".join(values.tobytes() for values in (count, maps, probability))).hexdigest()
    return MapFiles(names=names, sha256=digest, maps=maps, probability=probability, count=count)


def _parse(file: Path, rows: list[Row], parts: int) -> NDArray[np.float64]:
    """Return a category's maps, float64 [n, parts + 1]."""
    values = np.array([_parse_map(row, parts) for row in rows])
    if not 1 <= len(rows) <= MAX_MAPS:
        raise DataError(f"{file}: a category has 1..{MAX_MAPS} maps, got {len(rows)}")
    total = math.fsum(values[:, parts])
    if abs(total - 1) > ROUNDING:
        raise DataError(f"{file}: the probabilities p must sum to 1, got {total:g}")
    return values


def _parse_map(row: Row, parts: int) -> list[float]:
    check_columns(row, "a map", columns(parts))
    return [
        number(f"{row.place}, {column}", cell, *((0, 1) if column == "p" else (-LARGEST, LARGEST)))
        for column, cell in zip(columns(parts), row.cells, strict=True)
    ]
