"""The folder of one run: who may write there, run.json, metrics.csv, result.json.

run.json          kind, config, dataset's digest, versions; of each session device, processes, command, times
metrics.csv       a row a report
tensorboard/      the same numbers; see trackers
checkpoints/      step-00001000.pt and its checksum ...
.lock             held by the process that writes here
model.safetensors, config.json     the weights, for timm
result.json       what the run came to
"""

from __future__ import annotations

import contextlib
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

import torch.distributed as dist
from torch import Tensor

from fdsl import __version__
from fdsl.errors import DataError, InputError, LostProcess
from fdsl.files import is_leftover, locked, names_file, write_json, write_text
from fdsl.processes import processes
from fdsl.train.checkpoint import FOLDER as CHECKPOINTS
from fdsl.train.checkpoint import (
    DamagedError,
    check_shapes,
    checkpoint_path,
    list_checkpoints,
    load_checkpoint,
    prune_checkpoints,
    save_checkpoint,
    sweep_leftovers,
)
from fdsl.train.config import TrainConfig
from fdsl.train.device import lost
from fdsl.train.progress import say
from fdsl.train.stopping import Stopping
from fdsl.train.trackers import Tracker, check_trackers, open_trackers, remove_traces

RUN_FILE = "run.json"
METRICS_FILE = "metrics.csv"
RESULT_FILE = "result.json"

SESSION = ("first_step", "started", "finished", "command", "device")
LOCK_FILE = ".lock"

Number = int | float


class RunFolder:
    """The open folder of a run, as a context that holds it for this process and catches the signals that stop a run.

    A new run that fails before its first checkpoint leaves nothing to continue, so its files go and the same command
    can be given again; from the first checkpoint on they stay. Of several processes all enter it, and number 0 writes.
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
            InputError: the folder holds something else, or a run of another config or dataset, or what the config
                logs to is not at hand.
            DataError: the run.json there cannot be read.
        """
        self.path = config.out
        self.columns = tuple(columns)
        self.stopping = Stopping()
        self.newest: Path | None = None
        """Checkpoint from which the run would go on now."""
        self._config, self._kind, self._dataset = config, kind, dataset
        self._beside = beside | {LOCK_FILE}
        self._earlier: list[dict[str, Any]] = _check_folder(config, kind, dataset, self._beside)
        self._processes = processes()
        self._writes = self._processes.rank == 0
        if self._writes:
            check_trackers(config)
        self._made_folder = False
        self._session: dict[str, Any] = {}
        self._trackers: list[Tracker] = []
        self._open = contextlib.ExitStack()

    def begin(self, step: int, device: str) -> None:
        """Note the start of this session; drop metrics of later steps, which are about to be made again."""
        self._session = {
            "first_step": step,
            "started": _now(),
            "finished": None,
            "command": sys.argv,
            "device": device,
            "processes": self._processes.size,
        }
        if not self._writes:
            return
        sweep_leftovers(self.path)
        self._prune(step)
        # That of a shorter run: where a result lies, the run counts as done.
        (self.path / RESULT_FILE).unlink(missing_ok=True)
        self._write_run()
        write_text(self.path / METRICS_FILE, _rows_until(self.path / METRICS_FILE, self.columns, step))
        self._trackers = open_trackers(self._config, self.path, self._kind, self._record(), step)

    def log(self, row: dict[str, Number]) -> None:
        """Append one row to metrics.csv and hand it to the trackers; columns it lacks stay empty."""
        if not self._writes:
            return
        with (
            names_file(self.path / METRICS_FILE),
            (self.path / METRICS_FILE).open("a", newline="", encoding="utf-8") as file,
        ):
            csv.DictWriter(file, self.columns, restval="").writerow(row)
        for tracker in self._trackers:
            tracker.log(row)

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints there are, oldest first."""
        return list_checkpoints(self.path)

    def save(self, step: int, content: dict[str, Any]) -> None:
        """Write `content` as the checkpoint after `step` updates; drop those that need not stay."""
        if self._writes:
            about = {"run": self._identity(), "versions": _versions()}
            save_checkpoint(self.path, step, {**content, **about})
            self._prune(step)
        self.newest = checkpoint_path(self.path, step)

    def load(self, own: dict[str, Tensor]) -> dict[str, Any] | None:
        """Return the newest whole checkpoint, if there is any; what is damaged is named and passed over.

        Args:
            own: state of the model to be filled.

        Raises:
            DataError: all are damaged, or it is of another run, model or version.
        """
        found = self.checkpoints()
        for path in reversed(found):
            try:
                content = load_checkpoint(path)
            except DamagedError as error:
                say(f"{error}; the one before it is used")
                continue
            self._check_identity(path, content["run"])
            check_shapes(path, content["model"], own)
            self.newest = path
            return content
        if found:
            raise DataError(
                f"{self.path / CHECKPOINTS} must hold a whole checkpoint, got {len(found)} damaged"
            )
        return None

    def say_differences(self, content: dict[str, Any]) -> None:
        """Say what keeps the continuation from being the same bit for bit."""
        size, before = self._processes.size, content["world_size"]
        if size != before:
            pairs = (
                " and mixup and CutMix mix other pairs" if self._config.mixup or self._config.cutmix else ""
            )
            say(f"{before} processes before, {size} now: the same samples, but sums in another order{pairs}")
        for package, version_now in _versions().items():
            if content["versions"].get(package) != version_now:
                say(
                    f"{package} {content['versions'].get(package)} before, {version_now} now: rounding may differ"
                )

    def leave(self, signal: int, step: int, steps: int) -> None:
        """Leave after the checkpoint of `step`, because of a signal.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            Stopped: it was another.
        """
        where = f"after update {step} of {steps}, which {self.newest} holds; --resume goes on from there"
        self.stopping.leave(signal, where)

    def finish(self, result: dict[str, Any]) -> None:
        """Write result.json and note the end of the session."""
        if not self._writes:
            return
        write_json(self.path / RESULT_FILE, result)
        self._session["finished"] = _now()
        self._write_run()

    def __enter__(self) -> Self:
        """Hold the folder and catch signals.

        Raises:
            InputError: another process holds it, or has begun a run in it meanwhile.
        """
        if dist.is_available() and dist.is_initialized():
            dist.barrier()  # all have looked at the folder: now it may change
        if self._writes:
            self._made_folder = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._open.enter_context(locked(self.path / LOCK_FILE, "out"))
            try:
                self._earlier = _check_folder(self._config, self._kind, self._dataset, self._beside)
            except BaseException:
                self._open.close()
                raise
        self._open.enter_context(self.stopping)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, *_: object) -> None:
        for tracker in self._trackers:
            tracker.close(finished=kind is None)
        if kind is not None and self._writes and not self._config.resume and not self.checkpoints():
            self._remove()
        self._open.close()
        if lost(error):
            raise LostProcess(
                "another process has ended before this one: what it said last is the reason"
            ) from error

    def _prune(self, step: int) -> None:
        every = self._config.keep_every * self._config.checkpoint_every
        prune_checkpoints(self.path, step, self._config.keep_last, every)

    def _identity(self) -> dict[str, Any]:
        """Return what a checkpoint must agree with: all that decides weights but the number of processes."""
        config = self._config.to_json()
        fixed = {name: value for name, value in config.items() if name not in self._config.free_on_resume}
        return {"kind": self._kind, "dataset": self._dataset, **fixed}

    def _check_identity(self, path: Path, stored: dict[str, Any]) -> None:
        stored = self._config.defaults() | stored
        for name, value in self._identity().items():
            if stored.get(name) != value:
                raise DataError(
                    f"{path} must be of this run: {name} is {stored.get(name)!r} there, {value!r} here"
                )

    def _remove(self) -> None:
        """Take away what this session wrote; anything else in the folder stays, and the folder with it."""
        (self.path / RUN_FILE).unlink(missing_ok=True)
        (self.path / METRICS_FILE).unlink(missing_ok=True)
        remove_traces(self.path)
        (self.path / LOCK_FILE).unlink(missing_ok=True)  # last: until then nobody else begins here
        for folder in (self.path / CHECKPOINTS, self.path):
            if folder != self.path or self._made_folder:
                with contextlib.suppress(OSError):  # not there, or not empty
                    folder.rmdir()

    def _write_run(self) -> None:
        write_json(self.path / RUN_FILE, self._record())

    def _record(self) -> dict[str, Any]:
        return {
            "kind": self._kind,
            "config": self._config.to_json(),
            "dataset": self._dataset,
            "versions": _versions(),
            **self._session,
            "earlier": self._earlier,
        }


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
        if out.is_dir() and any(path.name not in beside and not is_leftover(path) for path in out.iterdir()):
            raise InputError(f"out must be a new or empty folder, got {out}: it holds other files")
        return []
    if not (out / RUN_FILE).is_file():
        raise InputError(f"resume must find a run in out, got {out}: it holds no {RUN_FILE}")
    try:
        earlier = json.loads((out / RUN_FILE).read_text(encoding="utf-8"))
        earlier_kind, stored = earlier["kind"], config.defaults() | dict(earlier["config"])
        earlier_dataset = earlier.get("dataset", dataset)
        session = {name: earlier[name] for name in SESSION} | {"processes": earlier.get("processes", 1)}
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


def _versions() -> dict[str, str]:
    packages = {package: version(package) for package in ("torch", "timm", "lightning")}
    return {"fdsl": __version__, "python": platform.python_version(), **packages}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
