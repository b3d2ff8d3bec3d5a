"""From folders to what a page shows: trainings, with the seeds of one together, and results of other commands."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePath
from typing import Any, Literal

from fdsl.errors import DataError, InputError
from fdsl.evaluate.figures import Look, look
from fdsl.evaluate.reporting.forms import Kind, checked
from fdsl.evaluate.runs import Run, read_run
from fdsl.files import read_object
from fdsl.train.finetuning.seeds import PART
from fdsl.train.run import RESULT_FILE, RUN_FILE

What = Literal["probe", "attention", "inspect"]
WHATS: tuple[What, ...] = ("probe", "attention", "inspect")
KEPT = frozenset(
    {
        "out",
        "resume",
        "seed",
        "seeds",
        "log_every",
        "eval_every",
        "checkpoint_every",
        "keep_last",
        "keep_every",
        "threads",
        "wandb",
        "explode",
        "data_root",
        "download",
        "skip_broken",
        "renderer",
    }
)
"""Fields of a config that say which seed, and where and how a run was kept, not what was done."""
HINTS = 3
"""Folders that a message suggests at most."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """A pre-training, or fine-tunings that differ in their seeds alone: a row, a colour and a curve of the page."""

    name: str
    kind: Kind
    runs: tuple[Run, ...]
    """A seed each."""
    folders: tuple[str, ...]
    """The RUNs of the command line that these are."""
    whole: dict[str, Any]
    """Config of the folder of several seeds, which the seeds' own do not show; otherwise that of the only run."""
    look: Look

    @property
    def config(self) -> dict[str, Any]:
        """Config of the first run."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seed of each run."""
        return tuple(int(run.config.get("seed", 0)) for run in self.runs)

    @property
    def finished(self) -> tuple[Run, ...]:
        """The runs that came to their end."""
        return tuple(run for run in self.runs if run.finished)

    def shares(self, key: str) -> list[float]:
        """Return a number of each finished run's result, which lies in 0..1.

        Raises:
            DataError: a result lacks it, or it does not.
        """
        values = [run.number(key) for run in self.finished]
        for run, value in zip(self.finished, values, strict=True):
            if not 0 <= value <= 1:
                raise DataError(f"{run.folder / RESULT_FILE} must hold {key} in 0..1, got {value!r}")
        return values

    @cached_property
    def architecture(self) -> dict[str, Any]:
        """What its model is, whether the config said so or the weights it started from did."""
        config = self.config
        for run in self.finished:
            path = run.folder / "config.json"
            if path.is_file():
                return _architecture(path) | {"drop_path": config.get("drop_path")}
        named = ("model", "model_args", "size", "drop_path")
        return {name: config.get(name) for name in named}


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What another command than a training wrote."""

    name: str
    what: What
    folder: Path
    content: dict[str, Any]


@contextmanager
def read_as_written(outcome: Outcome) -> Iterator[None]:
    """Name the file where something in it is not as its command writes it.

    Raises:
        DataError: that is so.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        path = outcome.folder / f"{outcome.what}.json"
        raise DataError(
            f"{path} must be as fdsl {outcome.what} writes it, but cannot be read: {error!r}"
        ) from error


@dataclass(frozen=True, kw_only=True)
class Entries:
    """All that a page shows, in the order of the command line."""

    trainings: tuple[Training, ...]
    outcomes: tuple[Outcome, ...]

    def of(self, kind: Kind) -> tuple[Training, ...]:
        """Return the trainings of a kind."""
        return tuple(training for training in self.trainings if training.kind == kind)

    def where(self, weights: str | None) -> str:
        """Return what a person calls the weights that something started from: a run of the page by its name."""
        if weights is None:
            return "none, from scratch"
        path = Path(weights)
        for training in self.trainings:
            homes = {run.folder.resolve() for run in training.runs}
            if {path.resolve(), path.parent.resolve()} & homes:
                return training.name
        return printable(str(PurePath(*path.parts[-2:])))


def read_entries(folders: Sequence[Path]) -> Entries:
    """Read what lies in the folders.

    Raises:
        InputError: a folder is none of a run, or comes twice.
        DataError: a file is missing or damaged; the message names it.
    """
    names = distinct(folders)
    found = [_read(folder) for folder in folders]
    _check_once(folders, found)
    outcomes = [
        Outcome(name=name, what=one[0], folder=folder, content=one[1])
        for name, folder, one in zip(names, folders, found, strict=True)
        if isinstance(one, tuple)
    ]
    given = [(name, one) for name, one in zip(names, found, strict=True) if not isinstance(one, tuple)]
    return Entries(trainings=tuple(_trainings(given)), outcomes=tuple(outcomes))


@dataclass(frozen=True, kw_only=True)
class _Given:
    """The training in one folder."""

    runs: tuple[Run, ...]
    whole: dict[str, Any]
    single: bool


def printable(text: str) -> str:
    """Return `text` with a mark in place of what cannot be shown: control characters, bytes of no character."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)


def distinct(folders: Sequence[Path]) -> list[str]:
    """Return names of folders, as few of their last parts as tell them apart.

    Raises:
        InputError: one comes twice.
    """
    paths = [folder.resolve() for folder in folders]
    for number, path in enumerate(paths):
        if path in paths[:number]:
            raise InputError(f"runs must differ, got {folders[number]} twice")
    lengths = [1] * len(paths)
    while True:
        names = ["/".join(path.parts[-length:]) for path, length in zip(paths, lengths, strict=True)]
        shared = [n for n, name in enumerate(names) if names.count(name) > 1]
        if not shared:
            return [printable(name) for name in names]
        for n in shared:
            lengths[n] = min(lengths[n] + 1, len(paths[n].parts))


def _read(folder: Path) -> _Given | tuple[What, dict[str, Any]]:
    """Return what lies in a folder: a training, or the result of another command."""
    if not folder.is_dir():
        missing = "it is a file" if folder.exists() else "there is none"
        raise InputError(f"runs must be folders of runs, got {folder}: {missing}")
    parts = sorted(folder.glob(f"{PART}*/{RUN_FILE}"), key=_seed_of)
    if (folder / RUN_FILE).is_file() or parts:
        return _read_training(folder, parts)
    for what in WHATS:
        path = folder / f"{what}.json"
        if path.is_file():
            content = read_object(path)
            if content.get("what") != what:
                raise DataError(f"{path} must say what {what!r}, got {content.get('what')!r}")
            return what, content
    raise InputError(f"runs must be folders of runs, got {folder}: it holds none{_hint(folder)}")


def _hint(folder: Path) -> str:
    """Return the end of a message that names folders within which are of runs."""
    files = (RUN_FILE, *(f"{what}.json" for what in WHATS))
    inside = {
        path.parent
        for name in files
        for depth in ("*", "*/*", "*/*/*")
        for path in folder.glob(f"{depth}/{name}")
    }
    # the seeds of one run are best shown as one
    runs = sorted(
        {path.parent if path.name.startswith(PART) and path.parent != folder else path for path in inside}
    )
    if not runs:
        return ""
    more = f" or {len(runs) - HINTS} more" if len(runs) > HINTS else ""
    return f" (did you mean {', '.join(str(path) for path in runs[:HINTS])}{more}?)"


def _seed_of(file: Path) -> tuple[int, str]:
    number = file.parent.name.removeprefix(PART)
    return int(number) if number.isdecimal() else -1, number


def _read_training(folder: Path, parts: Sequence[Path]) -> _Given:
    if not parts:
        run = read_run(folder, unfinished=True)
        return _Given(runs=(checked(run),), whole=run.config, single=True)
    runs = tuple(checked(read_run(file.parent, unfinished=True)) for file in parts)
    whole = read_run(folder, unfinished=True).config if (folder / RUN_FILE).is_file() else None
    seeds = [int(run.config.get("seed", 0)) for run in runs]
    config = {**runs[0].config, "out": str(folder), "seed": 0, "seeds": seeds}
    return _Given(runs=runs, whole=whole or config, single=False)


def _check_once(folders: Sequence[Path], found: Sequence[object]) -> None:
    seen: dict[Path, Path] = {}
    for folder, one in zip(folders, found, strict=True):
        for run in one.runs if isinstance(one, _Given) else ():
            other = seen.setdefault(run.folder.resolve(), folder)
            if other != folder:
                raise InputError(
                    f"runs must differ, got {run.folder} twice: it is part of {os.fspath(other)} too"
                )


def _trainings(given: Sequence[tuple[str, _Given]]) -> Iterator[Training]:
    """Yield the trainings; fine-tunings that were given one by one, but differ in their seeds alone, become one."""
    groups: list[list[tuple[str, _Given]]] = []
    for name, one in given:
        group = next((group for group in groups if one.single and _same_but_seed(group, one)), None)
        if group is None:
            groups.append([(name, one)])
        else:
            group.append((name, one))
    for number, group in enumerate(groups):
        names = [name for name, _ in group]
        runs = [run for _, one in group for run in one.runs]
        yield Training(
            name=names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more",
            kind=runs[0].record["kind"],
            runs=tuple(runs),
            folders=tuple(names),
            whole=group[0][1].whole,
            look=look(number),
        )


def _same_but_seed(group: Sequence[tuple[str, _Given]], one: _Given) -> bool:
    """Whether a single fine-tuning is another seed of what the group holds."""
    run, others = one.runs[0], [run for _, given in group for run in given.runs]
    if run.record["kind"] != "finetune" or not group[0][1].single:
        return False
    seeds = [other.config.get("seed") for other in others]
    return run.config.get("seed") not in seeds and done(run.config) == done(others[0].config)


def done(config: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a config that say what was done, with any seed."""
    return {name: value for name, value in config.items() if name not in KEPT}


def _architecture(path: Path) -> dict[str, Any]:
    """Return the model that timm's config.json describes, in the words of a config."""
    content = read_object(path)
    try:
        made = dict(content.get("model_args") or {})
        size = content["pretrained_cfg"]["input_size"][-1]
        own = sorted(
            f"{key}={value}"
            for key, value in made.items()
            if key not in ("img_size", "num_classes", "in_chans")
        )
        return {"model": content["architecture"], "model_args": own, "size": size}
    except (KeyError, TypeError, IndexError, ValueError) as error:
        raise DataError(f"{path} must describe a timm model, but cannot be read: {error!r}") from error
