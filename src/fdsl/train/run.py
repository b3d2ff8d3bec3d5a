"""The folder of one run: who may write there, run.json, metrics.csv, TensorBoard, result.json.

run.json          kind, config, dataset's digest, versions; device, command, first step, start, end of every session
metrics.csv       a row a report
tensorboard/      the same numbers
checkpoints/      step-00001000.pt ...
model.safetensors, config.json     the weights, for timm
result.json       what the run came to
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import platform
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from torch.utils.tensorboard import SummaryWriter

from fdsl import __version__
from fdsl.errors import DataError, InputError
from fdsl.files import write_json, write_text
from fdsl.train.checkpoint import FOLDER as CHECKPOINTS
from fdsl.train.checkpoint import list_checkpoints
from fdsl.train.config import TrainConfig

RUN_FILE = "run.json"
METRICS_FILE = "metrics.csv"
RESULT_FILE = "result.json"
BOARD = "tensorboard"

SESSION = ("first_step", "started", "finished", "command", "device")

Number = int | float


class RunFolder:
    """The open folder of a run, as a context: leaving it closes the files.

    A new run that fails before its first checkpoint leaves nothing to continue, so its files go and the same command
    can be given again; from the first checkpoint on they stay.
    """

    def __init__(
        self,
        config: TrainConfig,
        kind: str,
        columns: Sequence[str],
        *,
        dataset: str | None = None,
        beside: frozenset[str] = frozenset(),
    ) -> None:
        """Check that the run may start or go on here; nothing is written yet.

        Args:
            config: of the run.
            kind: "pretrain" or "finetune".
            columns: of metrics.csv; one is "step".
            dataset: digest of the images, where they come from formulas.
            beside: names that a new run's folder may hold already.

        Raises:
            InputError: the folder holds something else, or a run of another config or dataset.
            DataError: the run.json there cannot be read.
        """
        self.path = config.out
        self.columns = tuple(columns)
        self._config, self._kind, self._dataset = config, kind, dataset
        self._earlier: list[dict[str, Any]] = _check_folder(config, kind, dataset, beside)
        self._made_folder = False
        self._session: dict[str, Any] = {}
        self._board: SummaryWriter | None = None

    def begin(self, step: int, device: str) -> None:
        """Note the start of this session; drop metrics of later steps, which are about to be made again."""
        self._made_folder = not self.path.exists()
        self.path.mkdir(parents=True, exist_ok=True)
        self._session = {
            "first_step": step,
            "started": _now(),
            "finished": None,
            "command": sys.argv,
            "device": device,
        }
        self._write_run()
        write_text(self.path / METRICS_FILE, _rows_until(self.path / METRICS_FILE, self.columns, step))
        self._board = SummaryWriter(str(self.path / BOARD), purge_step=step + 1)

    def log(self, row: dict[str, Number]) -> None:
        """Append one row to metrics.csv and TensorBoard; columns it lacks stay empty."""
        with (self.path / METRICS_FILE).open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, restval="").writerow(row)
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, int(row["step"]))

    def finish(self, result: dict[str, Any]) -> None:
        """Write result.json and note the end of the session."""
        write_json(self.path / RESULT_FILE, result)
        self._session["finished"] = _now()
        self._write_run()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._board is not None:
            self._board.close()
        new = bool(self._session) and not self._config.resume
        if kind is not None and new and not list_checkpoints(self.path):
            self._remove()

    def _remove(self) -> None:
        """Take away what this session wrote; anything else in the folder stays, and the folder with it."""
        (self.path / RUN_FILE).unlink(missing_ok=True)
        (self.path / METRICS_FILE).unlink(missing_ok=True)
        shutil.rmtree(self.path / BOARD, ignore_errors=True)
        for folder in (self.path / CHECKPOINTS, self.path):
            if folder != self.path or self._made_folder:
                with contextlib.suppress(OSError):  # not there, or not empty
                    folder.rmdir()

    def _write_run(self) -> None:
        content = {
            "kind": self._kind,
            "config": self._config.to_json(),
            "dataset": self._dataset,
            "versions": {
                "fdsl": __version__,
                "python": platform.python_version(),
                **{package: version(package) for package in ("torch", "timm", "lightning")},
            },
            **self._session,
            "earlier": self._earlier,
        }
        write_json(self.path / RUN_FILE, content)


def _check_folder(
    config: TrainConfig, kind: str, dataset: str | None, beside: frozenset[str]
) -> list[dict[str, Any]]:
    """Return the earlier sessions of the run that `config` may continue; none for a new run."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise InputError(f"out must be a folder, got {out}: it is a file")
    if not config.resume:
        if (out / RUN_FILE).exists():
            raise InputError(f"out must be a new folder, got {out}: it holds a run; --resume continues it")
        if out.is_dir() and any(path.name not in beside for path in out.iterdir()):
            raise InputError(f"out must be a new or empty folder, got {out}: it holds other files")
        return []
    if not (out / RUN_FILE).is_file():
        raise InputError(f"resume must find a run in out, got {out}: it holds no {RUN_FILE}")
    try:
        earlier = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
        earlier_kind, stored = earlier["kind"], config.defaults() | dict(earlier["config"])
        earlier_dataset = earlier.get("dataset", dataset)
        session = {name: earlier[name] for name in SESSION}
        sessions = [*earlier["earlier"], session]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{out / RUN_FILE} must describe a run, but cannot be read: {error!r}") from error
    if earlier_kind != kind:
        raise InputError(f"resume must continue a {kind} run, got {out}: it holds a {earlier_kind} run")
    for name, value in config.to_json().items():
        if name not in config.free_on_resume and stored.get(name) != value:
            raise InputError(
                f"{name} must be {stored.get(name)!r} as in the run that --resume continues, got {value!r}"
            )
    if earlier_dataset != dataset:
        raise InputError(
            f"dataset must have digest {earlier_dataset} as in the run that --resume continues, got {dataset}: "
            "its category files or the family's version have changed"
        )
    return sessions


def _rows_until(path: Path, columns: Sequence[str], step: int) -> str:
    """Return the text of the metrics at `path` up to `step`, or a header alone; a row cut short is left out."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    if path.is_file():
        with path.open(newline="", encoding="utf-8", errors="replace") as file:
            lines = file.readlines()
        if lines and not lines[-1].endswith("\n"):
            del lines[-1]  # its last number may lack digits
        for row in csv.DictReader(lines):
            whole = None not in row and None not in row.values()
            if whole and row.get("step", "").isdecimal() and int(row["step"]) <= step:
                writer.writerow(row)
    return text.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
