"""The shell command that does what a config says, so that a report can tell how to repeat what it shows."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from typing import Any

WIDTH = 88
"""Characters after which a command goes on in the next line."""


def shell_command(
    command: str, config: Any, *, leave: Sequence[str] = (), more: str = "", **instead: str
) -> str:
    """Return `fdsl COMMAND` with every field of the dataclass `config` that differs from its default.

    Args:
        command: name of the subcommand.
        config: instance of the dataclass its options are made from.
        leave: fields to leave out.
        more: further options.
        instead: text to put, unquoted, in place of a field's value: a shell variable such as $seed.

    Raises:
        KeyError: `instead` names no field.
    """
    words = [f"fdsl {command}"]
    fields = {field.name: field for field in dataclasses.fields(config)}
    if unknown := set(instead) - set(fields):
        raise KeyError(f"{type(config).__name__} has no field {sorted(unknown)[0]}")
    for name, field in fields.items():
        value = getattr(config, name)
        if name in leave:
            continue
        if name in instead:
            words.append(f"{_flag(name)} {instead[name]}")
        elif value != field.default:
            # A plain switch is off by default and takes no value; what may also be None takes True or False.
            words.append(_flag(name) if value is True and field.default is False else _option(name, value))
    return _fold([*words, more] if more else words)


def _option(name: str, value: Any) -> str:
    parts = value if isinstance(value, tuple) else (value,)
    return " ".join([_flag(name), *(shlex.quote(str(part)) for part in parts)])


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _fold(words: list[str]) -> str:
    """Join words with spaces, or with a backslash and a new line where it would get too wide."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + len(word) > WIDTH:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)
