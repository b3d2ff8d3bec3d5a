"""What a run logs its rows to besides metrics.csv: TensorBoard, and Weights & Biases where the config names a project.

tensorboard/      the rows, for `tensorboard --logdir`
wandb.json        the run's id at Weights & Biases, so that a resumed run goes on there; the last update it was sent
wandb/            what wandb keeps: logs, and the rows themselves, which `wandb sync` can send later
"""

from __future__ import annotations

import contextlib
import json
import shutil
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Protocol

from torch.utils.tensorboard import SummaryWriter

from fdsl.errors import DataError, FdslError, InputError, first_line
from fdsl.files import write_json
from fdsl.train.config import TrainConfig
from fdsl.train.progress import say

BOARD = "tensorboard"
WANDB = "wandb"
WANDB_FILE = "wandb.json"

UPLOAD_SECONDS = 60.0
"""How long the end of a run waits for its last rows to be uploaded: less than a scheduler's notice, typically 120."""
OFFLINE = "WANDB_MODE=offline keeps the rows in the run's folder, and `wandb sync` sends them later"

Row = Mapping[str, int | float]


class Tracker(Protocol):
    """Something that shows the rows of a run."""

    def log(self, row: Row) -> None:
        """Take the numbers after update row["step"]."""

    def close(self, finished: bool) -> None:
        """Write what is still held back; no row follows. `finished` tells a whole run from one cut short."""


def check_trackers(config: TrainConfig) -> None:
    """Check that the config's trackers can be opened; to be asked before anything costly is prepared.

    Nobody is prompted for a key: a batch job would wait for an answer until its time is over.

    Raises:
        InputError: wandb is not installed, has no key, or its server does not answer or refuses the key.
    """
    if config.wandb is None:
        return
    try:
        version("wandb")
    except PackageNotFoundError:
        raise InputError(
            f"wandb must be installed to log to project {config.wandb!r}, got no such package: pip install wandb"
        ) from None
    import wandb

    wandb.setup(wandb.Settings(silent=True))  # silent is also what keeps it from prompting
    try:
        wandb.login(verify=True)  # does nothing where WANDB_MODE is offline or disabled
    except wandb.Error as error:
        raise InputError(
            f"wandb must be able to log in for project {config.wandb!r}, got: {first_line(error)} "
            f"(`wandb login` or WANDB_API_KEY gives the key; {OFFLINE})"
        ) from error


def open_trackers(
    config: TrainConfig, out: Path, kind: str, record: Mapping[str, Any], first_step: int
) -> list[Tracker]:
    """Open what the run logs to.

    Of several processes one does so.

    Args:
        config: of the run.
        out: the run's folder, which exists.
        kind: "pretrain" or "finetune".
        record: what run.json says of this session beside the config; plain JSON values.
        first_step: updates done already; rows of later ones that an earlier session logged are not shown twice.

    Raises:
        FdslError: Weights & Biases cannot begin the run.
        DataError: the id of its run cannot be read.
    """
    # first what can fail: TensorBoard's thread would be left behind
    trackers: list[Tracker] = []
    if config.wandb is not None:
        trackers.append(WeightsAndBiases(config, config.wandb, out, kind, record))
    trackers.append(TensorBoard(out, first_step))
    return trackers


def remove_traces(out: Path) -> None:
    """Take away everything that trackers wrote in the folder of a run."""
    shutil.rmtree(out / BOARD, ignore_errors=True)
    shutil.rmtree(out / WANDB, ignore_errors=True)
    (out / WANDB_FILE).unlink(missing_ok=True)


class TensorBoard:
    """Event files in the folder of a run, each column a scalar."""

    def __init__(self, out: Path, first_step: int) -> None:
        """Begin another event file, which takes back what earlier ones say of updates after `first_step`."""
        self._writer = SummaryWriter(str(out / BOARD), purge_step=first_step + 1)

    def log(self, row: Row) -> None:
        """See `Tracker`."""
        for name, value in row.items():
            if name != "step":
                self._writer.add_scalar(name, value, int(row["step"]))

    def close(self, finished: bool) -> None:
        """See `Tracker`."""
        self._writer.close()


class WeightsAndBiases:
    """A run at Weights & Biases, the same one for all sessions of a folder.

    A network that fails holds nothing up: wandb keeps the rows in the folder and sends them when it can. Where wandb
    itself fails in the middle of a run, the run says so and goes on without it; metrics.csv has every row.
    """

    def __init__(
        self, config: TrainConfig, project: str, out: Path, kind: str, record: Mapping[str, Any]
    ) -> None:
        """Begin the run at Weights & Biases, or go on with it."""
        import wandb

        self._file = out / WANDB_FILE
        self._stored: dict[str, Any] = _read(self._file) or {"id": uuid.uuid4().hex[:12], "step": 0}
        extra = {name: value for name, value in record.items() if name not in ("config", "earlier")}
        try:
            self._run: wandb.Run | None = wandb.init(
                project=project,
                name=out.resolve().name,
                id=self._stored["id"],
                resume="allow",
                job_type=kind,
                config={**config.to_json(), "run": extra},
                dir=str(out),
                reinit="create_new",  # a run that the caller may have open is not this one
                settings=wandb.Settings(
                    silent=True,
                    console="off",  # it would record a progress bar line by line
                    finish_timeout=UPLOAD_SECONDS,
                    finish_timeout_raises=True,
                ),
            )
        except Exception as error:  # its errors have no common base
            raise FdslError(
                f"wandb must begin a run in project {project!r}, got: {first_line(error)} ({OFFLINE})"
            ) from error
        write_json(self._file, self._stored)
        # The server knows best what reached it; without it, what this folder has sent to wandb counts.
        self._last: int = self._run.step - 1 if self._run.resumed else self._stored["step"]
        if self._run.url is not None:
            say(f"Weights & Biases: {self._run.url}")

    def log(self, row: Row) -> None:
        """See `Tracker`. Updates that an earlier session logged are left out: wandb takes no step twice."""
        step = int(row["step"])
        if self._run is None or step <= self._last:
            return
        try:
            values = {name: value for name, value in row.items() if name != "step"}
            self._run.log(values, step=step, commit=True)
        except Exception as error:  # noqa: BLE001 (its errors have no common base)
            self._drop(f"no rows from update {step} on", error)
            return
        self._last = self._stored["step"] = step
        write_json(self._file, self._stored)

    def close(self, finished: bool) -> None:
        """See `Tracker`."""
        if self._run is None:
            return
        try:
            self._run.finish(exit_code=0 if finished else 1)
        except Exception as error:  # noqa: BLE001 (as above)
            self._drop("perhaps not the last rows", error)
        self._run = None

    def _drop(self, lacks: str, error: Exception) -> None:
        self._run = None
        say(
            f"Weights & Biases has {lacks}: {first_line(error)}; the run goes on without it. "
            f"metrics.csv has every row, and `wandb sync` sends what lies in {self._file.parent / WANDB}"
        )
        if isinstance(error, ConnectionError):
            import wandb

            # its service is gone; without this, wandb prints a traceback about it when Python ends
            with contextlib.suppress(Exception):
                wandb.teardown()


def _read(path: Path) -> dict[str, Any] | None:
    """Return the id and the last update noted at `path`; None if nothing is."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {"id": str(content["id"]), "step": int(content["step"])}
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} must hold the id of a run at Weights & Biases, but cannot be read: {error!r}; "
            "without the file, a new run begins there"
        ) from error
