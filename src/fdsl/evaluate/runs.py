"""Reading run folders: what was asked for, what was measured on the way, what came out."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import DataError
from fdsl.files import read_object


@dataclass(frozen=True, kw_only=True)
class Run:
    """One training run, as its folder tells it; of one that has not finished, `result` is empty.

    `metrics` maps a column of metrics.csv to float64[rows], NaN where the file leaves a cell empty.
    """

    folder: Path
    record: dict[str, Any]
    result: dict[str, Any]
    metrics: dict[str, NDArray[np.float64]]

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config of the run, as plain JSON values."""
        return dict(self.record["config"])

    @property
    def finished(self) -> bool:
        """Whether it came to its end."""
        return bool(self.result)

    def number(self, key: str) -> float:
        """Return a number of result.json.

        Raises:
            DataError: the result lacks it or holds something else.
        """
        value = self.result.get(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise DataError(f"{self.folder / 'result.json'} must hold a number {key}, got {value!r}")
        return float(value)


def read_run(folder: str | Path, *, unfinished: bool = False) -> Run:
    """Read the folder that `fdsl pretrain` or `fdsl finetune` wrote.

    Args:
        folder: of the run.
        unfinished: take one that has no result yet, too, with the metrics so far; a last row cut short is left out.

    Raises:
        DataError: a file is missing or damaged; the message names it.
    """
    folder = Path(folder)
    record = read_object(folder / "run.json")
    if not isinstance(record.get("config"), dict):
        raise DataError(f"{folder / 'run.json'} must hold the config of the run, it has none")
    running = unfinished and not (folder / "result.json").exists()
    return Run(
        folder=folder,
        record=record,
        result={} if running else read_object(folder / "result.json"),
        metrics=_read_metrics(folder / "metrics.csv", running=running),
    )


def _read_metrics(path: Path, *, running: bool) -> dict[str, NDArray[np.float64]]:
    if running and not path.exists():
        return {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines = file.readlines()
        if running and lines and not lines[-1].endswith("\n"):
            del lines[-1]
        header, *rows = csv.reader(lines)
    except FileNotFoundError as error:
        raise DataError(f"{path} is missing: the run did not finish, or this is not a run folder") from error
    except (OSError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read, or is empty: {error}") from error
    if any(len(row) != len(header) for row in rows):
        raise DataError(f"{path} must have {len(header)} columns in every row")
    return {name: _numbers(path, (row[i] for row in rows)) for i, name in enumerate(header)}


def _numbers(path: Path, cells: Iterable[str]) -> NDArray[np.float64]:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError as error:
        raise DataError(f"{path} must hold numbers below its header: {error}") from error
