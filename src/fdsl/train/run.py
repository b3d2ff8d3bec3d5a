"""The folder of one run: who may write there, run.json, metrics.csv, TensorBoard, result.json.

run.json          kind, config, versions; device, command, first step, start, end of this and earlier sessions
metrics.csv       a row a report
tensorboard/      the same numbers
checkpoints/      step-00001000.pt ...
model.safetensors, config.json     the weights, for timm
result.json       what the run came to
"""

from __future__ import annotations

import csv
import io
import json
import platform
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
from fdsl.train.config import TrainConfig

RUN_FILE = "run.json"
METRICS_FILE = "metrics.csv"
RESULT_FILE = "result.json"

SESSION = ("first_step", "started", "finished", "command", "device")

Number = int | float


class RunFolder:
    """The open folder of a run, as a context: leaving it closes the files and notes the end."""

    def __init__(self, config: TrainConfig, kind: str, columns: Sequence[str]) -> None:
        """Check that the run may start or go on here; nothing is written yet.

        Args:
            config: of the run.
            kind: "pretrain" or "finetune".
            columns: of metrics.csv; one is "step".

        Raises:
            InputError: the folder holds something else, or a run of another config.
            DataError: the run.json there cannot be read.
        """
        self.path = config.out
        self.columns = tuple(columns)
        self._config, self._kind = config, kind
        self._earlier: list[dict[str, Any]] = _check_folder(config, kind)
        self._session: dict[str, Any] = {}
        self._board: SummaryWriter | None = None

    def begin(self, step: int, device: str) -> None:
        """Note the start of this session; drop metrics of later steps, which are about to be made again."""
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
        self._board = SummaryWriter(str(self.path / "tensorboard"), purge_step=step + 1)

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

    def __exit__(self, *_: object) -> None:
        if self._board is not None:
            self._board.close()

    def _write_run(self) -> None:
        content = {
            "kind": self._kind,
            "config": self._config.to_json(),
            "versions": {
                "fdsl": __version__,
                "python": platform.python_version(),
                **{package: version(package) for package in ("torch", "timm", "lightning")},
            },
            **self._session,
            "earlier": self._earlier,
        }
        write_json(self.path / RUN_FILE, content)


def _check_folder(config: TrainConfig, kind: str) -> list[dict[str, Any]]:
    """Return the earlier sessions of the run that `config` may continue; none for a new run."""
    out = config.out
    if out.exists() and not out.is_dir():
        raise InputError(f"out must be a folder, got {out}: it is a file")
    if not config.resume:
        if (out / RUN_FILE).exists():
            raise InputError(f"out must be a new folder, got {out}: it holds a run; --resume continues it")
        if out.is_dir() and any(out.iterdir()):
            raise InputError(f"out must be a new or empty folder, got {out}: it holds other files")
        return []
    if not (out / RUN_FILE).is_file():
        raise InputError(f"resume must find a run in out, got {out}: it holds no {RUN_FILE}")
    try:
        earlier = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
        earlier_kind, stored = earlier["kind"], dict(earlier["config"])
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
    return sessions


def _rows_until(path: Path, columns: Sequence[str], step: int) -> str:
    """Return the text of the metrics at `path` up to `step`, or a header alone."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore")
    writer.writeheader()
    if path.is_file():
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        writer.writerows(row for row in rows if row.get("step", "").isdigit() and int(row["step"]) <= step)
    return text.getvalue()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
