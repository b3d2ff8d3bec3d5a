"""tyro on a frozen config dataclass, with its boxed errors brought down to one line."""

from __future__ import annotations

import contextlib
import io
import re
from typing import TypeVar

import tyro

from fdsl.errors import FdslError, InputError

Config = TypeVar("Config")


def parse(config: type[Config], command: str, argv: list[str], *, about: str | None = None) -> Config:
    """Read `argv` into a `config`; `--help` prints `about`, or the first lines of its docstring, and exits.

    Raises:
        InputError: an option is unknown, missing or of the wrong form, or `config` refused its value.
    """
    stderr = io.StringIO()
    try:
        with contextlib.redirect_stderr(stderr):
            return tyro.cli(
                config,
                prog=f"fdsl {command}",
                description=about,
                args=argv,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as stop:
        if not stop.code:
            raise
        # tyro exits while it handles what the config's own checks raised: that message is one line already.
        if isinstance(stop.__context__, FdslError):
            raise stop.__context__ from None
        raise InputError(f"{one_line(stderr.getvalue())} (see fdsl {command} --help)") from None


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
