"""tyro on a frozen config dataclass, with its boxed errors brought down to one line.

The fields of a training come from four places, each of which beats those before it: the defaults, a recipe, a file, and
the command line.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import inspect
import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import tyro

from fdsl.errors import FdslError, InputError

if TYPE_CHECKING:
    from fdsl.train.config import TrainConfig
    from fdsl.train.recipes.registry import Kind

Config = TypeVar("Config")
Training = TypeVar("Training", bound="TrainConfig")

TRAINING = """{about}

RECIPE is a name that `fdsl recipes` lists. FILE holds fields as YAML, or is the
run.json of an earlier run, which it repeats. An option beats the file, the file
the recipe, the recipe fdsl's own defaults."""


def parse(config: type[Config], command: str, argv: list[str], *, about: str | None = None) -> Config:
    """Read `argv` into a `config`; `--help` prints `about`, or the first lines of its docstring, and exits.

    Raises:
        InputError: an option is unknown, missing or of the wrong form, or `config` refused its value.
    """
    return _read(config, f"fdsl {command}", argv, about=about, markers=(tyro.conf.FlagCreatePairsOff,))


def parse_training(config: type[Training], kind: Kind, argv: list[str]) -> Training:
    """Read `[RECIPE] [--config FILE] OPTIONS` into a `config`, an option before the file before the recipe.

    Raises:
        InputError: as `parse`; or there is no such recipe, or the file does not hold fields.
        OSError: the file cannot be read.
    """
    from fdsl.train.recipes import find_recipe, read_fields

    name, argv = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--config", action="append", default=[])
    try:
        known, argv = parser.parse_known_args(argv)
    except argparse.ArgumentError:
        raise InputError("config must be followed by a file") from None
    if len(known.config) > 1:
        raise InputError(f"config must be given once, got {' and '.join(known.config)}")
    fields = {} if name is None else find_recipe(name, kind).fields()
    for file in known.config:
        fields |= read_fields(file, kind)
    about = TRAINING.format(about=(inspect.getdoc(config) or "").split("\n")[0])
    title = f"fdsl {kind} [RECIPE] [--config FILE]"
    # with pairs of flags: what a file switches on, an option has to be able to switch off
    return _read(config, title, argv, about=about, default=_unchecked(config, fields))


def _unchecked(config: type[Training], fields: Mapping[str, Any]) -> Training:
    """Return a `config` of `fields` that did not check itself: fields without a value are missing to tyro."""
    made = object.__new__(config)
    for field in dataclasses.fields(config):
        default = tyro.MISSING if field.default is dataclasses.MISSING else field.default
        object.__setattr__(made, field.name, fields.get(field.name, default))
    return made


def _read(
    config: type[Config],
    title: str,
    argv: list[str],
    *,
    about: str | None,
    default: Config | Any = tyro.MISSING_NONPROP,
    markers: tuple[Any, ...] = (),
) -> Config:
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return tyro.cli(config, prog=title, description=about, args=argv, default=default, config=markers)
    except SystemExit as stop:
        if not stop.code:
            raise
        # tyro exits while it handles what the config's own checks raised: that message is one line already.
        if isinstance(stop.__context__, FdslError):
            raise stop.__context__ from None
        command = title.split(" [")[0]
        said = one_line(stderr.getvalue()).replace(title, command)
        raise InputError(f"{said} (see {command} --help)") from None


def one_line(box: str) -> str:
    """Return the first paragraph in a box of tyro's, and the options it suggests, without the help texts."""
    lines = re.sub(r"\x1b\[[0-9;]*m", "", box).splitlines()
    if box.startswith("╭"):
        inside = [line.strip("│").rstrip()[1:] for line in lines if line.startswith("│")]
    else:  # where the terminal is not known to print frames: title, rule, indented lines
        inside = [line[2:].rstrip() for line in lines[2:]]
    paragraphs = re.split(r"\n?[─-]{8,}\n?", "\n".join(inside))
    # Option names are indented by four, their help texts by more.
    message = " ".join(line.strip() for line in paragraphs[0].splitlines() if not line.startswith(" " * 5))
    similar = [part for part in paragraphs[1:] if part.startswith(("Arguments similar", "Perhaps you meant"))]
    names = re.findall(r"^ +(--[\w-]+)", "\n".join(similar), re.MULTILINE)
    return message.strip() + (f"; did you mean {' or '.join(names)}?" if names else "")
