"""`fdsl verify` and `fdsl repair`: a dataset's files against their manifest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress

from fdsl.cli.parse import parse
from fdsl.cli.render import counted, stoppable
from fdsl.data.export.checking import Progress as Told
from fdsl.data.export.checking import repair as repair_files
from fdsl.data.export.checking import verify as verify_files
from fdsl.errors import DataError, check_float, check_int

Target = Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Check the files that fdsl render wrote: the digest of every shard, and that nothing else is there.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    folder: Target
    """Folder or address of the dataset."""
    redraw: float = 0.0
    """Share of the images to draw again and compare pixel by pixel, 0..1."""
    seed: int = 0
    """Chooses which images."""

    def __post_init__(self) -> None:
        check_float("redraw", self.redraw, 0, 1)
        check_int("seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True, kw_only=True)
class RepairConfig:
    """Make again the shards that are missing or damaged, and nothing else.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    folder: Target
    """Folder or address of the dataset."""
    workers: int | None = None
    """Processes that draw and encode; None is one a core."""

    def __post_init__(self) -> None:
        if self.workers is not None:
            check_int("workers", self.workers, 1)


def run(argv: list[str]) -> None:
    """Parse `argv` into a `VerifyConfig`, check the files, and name what is wrong."""
    config = parse(VerifyConfig, "verify", argv)
    with _bar("checking") as told:
        found = verify_files(config.folder, redraw=config.redraw, seed=config.seed, progress=told)
    for problem in found.problems:
        print(f"{problem.name}: {problem.what}")
    if found.problems:
        if found.redrawn:
            print(f"{found.redrawn:,} images of shards with the right digest were drawn again")
        count = len(found.problems)
        differ = "1 thing differs" if count == 1 else f"{count:,} things differ"
        mendable = sum(problem.mendable for problem in found.problems)
        mend = (
            f": fdsl repair mends {'all' if mendable == count else f'{mendable:,}'} of it" if mendable else ""
        )
        raise DataError(f"{config.folder} must be as its manifest says, but {differ}{mend}")
    redrawn = f", {found.redrawn:,} drawn again alike" if found.redrawn else ""
    print(
        f"{config.folder}: {found.images:,} images in {counted(found.shards)} as the manifest says{redrawn}"
    )


def repair(argv: list[str]) -> None:
    """Parse `argv` into a `RepairConfig` and mend the files."""
    config = parse(RepairConfig, "repair", argv)
    with stoppable("the same command goes on"), _bar("repairing") as told:
        found = repair_files(config.folder, workers=config.workers, progress=told)
    for problem in found:
        print(f"{problem.name}: {problem.what}; {'mended' if problem.mendable else 'left as it is'}")
    mended = sum(problem.mendable for problem in found)
    print(f"{config.folder}: {mended:,} mended" if mended else f"{config.folder}: nothing to mend")
    if left := len(found) - mended:
        raise DataError(
            f"{config.folder} is not as its manifest says yet: {left:,} left, which are not repair's to mend"
        )


@contextmanager
def _bar(title: str) -> Iterator[Told]:
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda images: bar.update(task, advance=images)
