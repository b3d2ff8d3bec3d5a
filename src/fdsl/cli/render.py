"""`fdsl render`: a dataset as files."""

from __future__ import annotations

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Annotated, Self

import tyro

from fdsl.cli.parse import parse
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.exporting import MOST_WORKERS, Engine, Exported, export_dataset
from fdsl.errors import InputError, Stopped, check_int
from fdsl.formulas import family_class
from fdsl.train.progress import Ticker

UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, kw_only=True)
class RenderConfig(ExportConfig):
    """Render a dataset to files; stopped anywhere, the same command goes on, to the same bytes.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
    """Family of formulas to draw from, for example RCDB."""
    out: str
    """Folder to write, or an address that fsspec opens, such as s3://bucket/name."""
    workers: int | None = None
    """Processes that draw and encode; None is one a core."""
    engine: Engine = "local"
    """local: processes of this machine. ray: tasks of Ray Data, here or on a cluster."""
    address: str | None = None
    """Of a Ray cluster, as ray.init takes it, for example auto; None starts Ray here."""
    shard: str | None = None
    """I/N, the I-th of N parts alone, 1/N to N/N: one for each task of a Slurm array."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.out.strip():
            raise InputError(f"out must be a folder or an address, got {self.out!r}")
        if self.workers is not None:
            check_int("workers", self.workers, 1, MOST_WORKERS)
        self.part()

    def part(self) -> tuple[int, int]:
        """Return which part of how many is to be made."""
        if self.shard is None:
            return 1, 1
        found = re.fullmatch(r"(\d{1,9})/(\d{1,9})", self.shard)
        if found is None or not 1 <= int(found[1]) <= int(found[2]):
            raise InputError(f"shard must be I/N, 1/N to N/N, got {self.shard!r}")
        return int(found[1]), int(found[2])

    def export(self) -> ExportConfig:
        """Return what determines the bytes."""
        return ExportConfig(**{name: getattr(self, name) for name in ExportConfig.__dataclass_fields__})


def run(argv: list[str]) -> None:
    """Parse `argv` into a `RenderConfig` and write the files."""
    config = parse(RenderConfig, "render", argv)
    started = time.monotonic()
    title = f"fdsl render {family_class(config.family).name}"
    with stoppable("what is finished is kept, the same command goes on"), _Shown(title) as shown:
        made = export_dataset(
            config.export(),
            config.out,
            workers=config.workers,
            engine=config.engine,
            address=config.address,
            part=config.part(),
            progress=shown,
        )
    print(_summary(config, made, time.monotonic() - started))


@contextmanager
def stoppable(kept: str) -> Iterator[None]:
    """Say after Ctrl-C what is kept, and let SIGTERM, which clusters send at a job's end, stop the block as it does.

    Raises:
        KeyboardInterrupt: it was Ctrl-C.
        Stopped: it was SIGTERM.
    """
    caught = []

    def stop(number: int, _frame: FrameType | None) -> None:
        caught.append(number)
        raise KeyboardInterrupt  # which nothing on the way takes for an error of its own

    here = threading.current_thread() is threading.main_thread()  # others have no signals
    before = signal.signal(signal.SIGTERM, stop) if here else None
    try:
        yield
    except KeyboardInterrupt as error:
        if caught:
            raise Stopped(f"stopped by SIGTERM: {kept}") from error
        raise KeyboardInterrupt(f"interrupted: {kept}") from error
    finally:
        if here:
            signal.signal(signal.SIGTERM, before)


def _summary(config: RenderConfig, made: Exported, seconds: float) -> str:
    what = (
        f"{made.images:,} images of {family_class(config.family).name}, {config.size} px, {config.encoding}"
    )
    shards = f"{counted(made.shards)}, {volume(made.bytes)}"
    rate = f"{seconds:,.0f} s" if made.made else "all there already"
    line = f"{config.out}: {what}, {shards}, {rate}"
    if made.missing:
        return f"{line}; {counted(made.missing)} of other parts not there yet"
    return f"{line}; fdsl verify checks them"


def counted(shards: int) -> str:
    """Return a number of shards in words."""
    return f"{shards:,} shard{'s' * (shards != 1)}"


def volume(size: float) -> str:
    """Return a number of bytes in words."""
    unit = 0
    while size >= 1000 and unit < len(UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:,.1f} {UNITS[unit]}" if unit else f"{size:,.0f} B"


class _Shown:
    """A ticker that begins when it is known how much there is to do."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._ticker: Ticker | None = None
        self._started, self._first = 0.0, 0

    def __enter__(self) -> Self:
        return self

    def __call__(self, images: int, done: int, size: int) -> None:
        now = time.monotonic()
        if self._ticker is None:
            self._ticker = Ticker(self._title, images, done).__enter__()
            self._first = done
        if done > self._first and not self._started:  # what it took to begin would spoil the rate
            self._started, self._first = now, done
        rate = (done - self._first) / max(now - self._started, 1e-9)
        if rate:
            self._ticker.report(done, f"{rate:,.0f} images/s  {volume(size)}", (images - done) / rate)

    def __exit__(self, *error: object) -> None:
        if self._ticker is not None:
            self._ticker.__exit__(*error)
