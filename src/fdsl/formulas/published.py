"""Published category files: a folder of CSV files, one a category; the families that read and write them."""

from __future__ import annotations

import csv
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from fdsl.errors import DataError, InputError, check_int
from fdsl.files import atomic_folder
from fdsl.formulas.base import Family
from fdsl.random import check_seed

Category = TypeVar("Category")

FORMS = {2: "RCDB or SegRCDB", 7: "FractalDB", 13: "ExFractalDB"}
"""Columns of a published file, and families whose files have so many."""
SHOWN = 40
"""Characters of a file that a message repeats."""


@dataclass(frozen=True, eq=False, kw_only=True)
class CategoryFiles:
    """The categories of a folder.

    Attributes:
        names: file names without suffix, sorted.
        sha256: of all values.
    """

    names: tuple[str, ...]
    sha256: str

    def __hash__(self) -> int:
        return hash(self.sha256)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.sha256 == self.sha256

    def __str__(self) -> str:
        return f"{len(self.names)} category files, sha256 {self.sha256}"


class Row(NamedTuple):
    """A row of a category file."""

    place: str
    """File and line, for messages."""
    cells: list[str]


@dataclass(frozen=True, kw_only=True)
class PublishedFamily(Family):
    """A family whose categories have a published form, which it reads and writes.

    Attributes:
        files: categories read from published files instead of drawn ones: see `from_csv`.
    """

    files: CategoryFiles | None = field(default=None, repr=False)

    form: ClassVar[type[CategoryFiles]]
    first_file: ClassVar[int] = 0
    """The number that names the first category's file."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.files is not None:
            if not isinstance(self.files, self.form):
                got = type(self.files).__name__
                raise InputError(f"files must come from {self.name}.from_csv(folder), got {got}")
            check_int("classes", self.classes, 2, len(self.files.names))

    @classmethod
    def from_csv(cls, folder: str | Path, **fields: Any) -> Self:
        """Return the family of a folder of published category files.

        Args:
            folder: one `*.csv` a category, taken in the order of their names, and nothing else.
            fields: other fields; `classes` takes the first so many (default all).

        Raises:
            InputError: there is no such folder, or a field is unknown or out of range.
            DataError: a file is not of this family's form, or there are fewer than two: it is named, and what is right.
        """
        files = cls._read(Path(folder))
        return cls.build(**{"classes": len(files.names), **fields}, files=files)

    def to_csv(self, folder: str | Path, seed: int) -> None:
        """Write the categories of `seed` as published files, from which `from_csv` makes the same images.

        Numbers are written so that reading gives the same bits. Files are named as the published ones, 00000.csv
        or 00001.csv and so on; those of categories that were read from files keep their names.

        Args:
            folder: new or empty; it appears whole or not at all.
            seed: of the dataset.

        Raises:
            InputError: `folder` holds something, or `seed` is out of range.
            OSError: it cannot be written.
        """
        check_seed(seed)
        own = file_names(self.classes, self.first_file) if self.files is None else self.files.names
        names = own[: self.classes]
        with atomic_folder(folder) as temporary:
            for name, rows in zip(names, self._rows(seed), strict=True):
                text = "".join(",".join(map(str, row)) + "\n" for row in rows)
                (temporary / f"{name}.csv").write_text(text, encoding="utf-8")

    @classmethod
    @abstractmethod
    def _read(cls, folder: Path) -> CategoryFiles:
        """Read a folder of this family's files; errors as `from_csv`."""

    @abstractmethod
    def _rows(self, seed: int) -> Iterator[Iterable[Iterable[object]]]:
        """Return the rows of each category's file; the text of a number is that of `str`, which float reads back."""


def file_names(classes: int, first: int = 0) -> tuple[str, ...]:
    """Return the names of `classes` files without suffix: five digits, or as many as sort in order."""
    width = max(5, len(str(first + classes - 1)))
    return tuple(f"{number:0{width}}" for number in range(first, first + classes))


def read_files(
    folder: Path, parse: Callable[[Path, list[Row]], Category]
) -> tuple[tuple[str, ...], list[Category]]:
    """Return the names of a folder's category files, sorted, and what `parse(file, rows)` makes of each.

    Raises:
        InputError: there is no such folder.
        DataError: it holds fewer than two files, or something else; a file is no text; or `parse` refused it.
    """
    if not folder.is_dir():
        raise InputError(f"category folder must be an existing folder, got {folder}")
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = [entry for entry in entries if entry.suffix == ".csv"]
    if len(files) < 2:
        there = f" beside {entries[0].name}" if entries and not files else ""
        raise DataError(f"{folder}: needs at least 2 category files (*.csv), found {len(files)}{there}")
    for entry in entries:
        if entry.suffix != ".csv" or not entry.is_file():
            raise DataError(f"{folder}: must hold category files (*.csv) alone, got {entry.name}")
    seen: dict[str, Path] = {}
    for file in files:
        name = str(int(file.stem)) if file.stem.isdecimal() else file.stem.casefold()
        if name in seen:
            raise DataError(f"{folder}: {seen[name].name} and {file.name} name the same category {name}")
        seen[name] = file
    return tuple(file.stem for file in files), [parse(file, read_rows(file)) for file in files]


def read_rows(file: Path) -> list[Row]:
    """Return the rows of a CSV file that are not blank; DataError if it is no UTF-8 text."""
    try:
        reader = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
        rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{file}: must be CSV in UTF-8: {error}") from error
    return [Row(f"{file}, line {line}", cells) for line, cells in rows if any(cells)]


def check_columns(row: Row, what: str, columns: Iterable[str]) -> None:
    """Raise DataError, saying whose form it looks like, unless `row` has a cell for each of `columns`."""
    names = list(columns)
    if (count := len(row.cells)) != len(names):
        whose = f", as in a file of {FORMS[count]}" if count in FORMS else ""
        raise DataError(f"{row.place}: {what} has {len(names)} columns {','.join(names)}, got {count}{whose}")


def number(place: str, text: str, low: float, high: float) -> float:
    """Return the number that `text` is; DataError if it is none or not in [low, high]."""
    try:
        value = float(text) if _plain(text) else math.nan
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise DataError(f"{place} must be a number in [{low:g}, {high:g}], got {_shown(text)}")
    return value


def whole_number(place: str, text: str, low: int, high: int) -> int:
    """Return the integer that `text` is; DataError if it is none or not in low..high."""
    try:
        value = int(text) if _plain(text) else low - 1
    except ValueError:
        value = low - 1
    if not low <= value <= high:
        raise DataError(f"{place} must be an integer in {low}..{high}, got {_shown(text)}")
    return value


def _plain(text: str) -> bool:
    """Whether `text` has none of the digits and separators that only Python takes for a number's."""
    return text.isascii() and "_" not in text


def _shown(text: str) -> str:
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "...")
