"""Files of fields: YAML, or the run.json of an earlier run, which repeats it."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

import yaml

from fdsl.errors import InputError, did_you_mean
from fdsl.train.recipes.registry import KINDS, Kind

NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
NOT_REPEATED = ("out", "resume")  # of an earlier run: where it was, not what was done


PAIRS = ("model_args", "options")
"""Fields of KEY=VALUE texts, which a file may also hold as a mapping."""


def read_fields(file: str | Path, kind: Kind) -> dict[str, Any]:
    """Read fields of a config from a YAML file, or from the `config` in a run.json, without its out and resume.

    Args:
        file: its paths are relative to the current folder.
        kind: of the config.

    Returns:
        The fields in the file, of the types that the config has; their ranges are the config's to check.

    Raises:
        InputError: the file is no YAML mapping, a field is unknown (the nearest is suggested), comes twice or has a
            value of another type, or the run was of another kind.
        OSError: the file cannot be read.
    """
    content = _read_mapping(Path(file))
    if isinstance(content.get("config"), dict):
        if content.get("kind") != kind:
            raise InputError(f"config must be of a {kind} run, got {file}: it is of {content.get('kind')!r}")
        content = {name: value for name, value in content["config"].items() if name not in NOT_REPEATED}
    hints = {name: hint for name, hint in get_type_hints(KINDS[kind]).items() if name != "free_on_resume"}
    fields = {}
    for name, value in content.items():
        if name not in hints:
            raise InputError(f"config must hold fields of fdsl {kind}, got {_short(name)} in {file}"
                             + did_you_mean(str(name), hints))  # fmt: skip
        if name in PAIRS and isinstance(value, dict):  # what one would write in YAML
            value = [f"{key}={json.dumps(given)}" for key, given in value.items()]
        try:
            fields[name] = _typed(value, hints[name])
        except TypeError:
            raise InputError(f"{name} must be {_form(hints[name])}, got {_short(value)} in {file}") from None
    return fields


def _read_mapping(file: Path) -> dict[Any, Any]:
    try:
        content = _parse(file.read_text(encoding="utf-8"), json_text=file.suffix == ".json")
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise InputError(f"config must be a YAML file, got {file}{line}: {error.problem}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # no text, no such date, nested without end
        raise InputError(f"config must be a YAML file, got {file}: {error}") from error
    if not isinstance(content, dict):
        what = "nothing" if content is None else NAMES.get(type(content), f"a {type(content).__name__}")
        raise InputError(f"config must be a file of lines as lr: 0.001, got {file}: it holds {what}")
    return content


def _parse(text: str, *, json_text: bool) -> Any:
    """Read YAML; or JSON, of which PyYAML misreads the characters beyond 16 bits that `json` writes in two halves.

    Raises:
        yaml.YAMLError, ValueError: it is neither, or a name comes twice.
    """
    if json_text:
        return json.loads(text, object_pairs_hook=_mapping)
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if isinstance(node, yaml.MappingNode):
        _mapping([(str(key.value), value) for key, value in node.value])
    return yaml.safe_load(text)


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return `pairs` as a dictionary; ValueError if a name comes twice, of which libraries keep the last."""
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise ValueError(f"{name} comes twice")
        content[name] = value
    return content


def _typed(value: Any, hint: Any) -> Any:
    """Return `value`, which YAML read, as a value of the type `hint`.

    Raises:
        TypeError: it is none.
    """
    options = get_args(hint)
    if get_origin(hint) is tuple:
        each = options[:1] * len(value) if isinstance(value, list) and options[1:] == (...,) else options
        if not isinstance(value, list) or len(value) != len(each):
            raise TypeError
        return tuple(_typed(one, kind) for one, kind in zip(value, each, strict=True))
    if get_origin(hint) is Literal:
        value = str(value) if type(value) is int else value  # precision: 32
        if value not in options:
            raise TypeError
        return value
    if NoneType in options:
        return None if value is None else _typed(value, options[0])
    if hint is float and type(value) in (int, str):
        try:
            return float(value)  # YAML 1.1 reads 1e-3, which has no point, as text
        except (ValueError, OverflowError):
            raise TypeError from None
    if hint is Path and isinstance(value, str):
        return Path(value)
    if type(value) is not hint:
        raise TypeError
    return value


def _form(hint: Any) -> str:
    """Say what values of the type `hint` look like in YAML."""
    options = get_args(hint)
    if get_origin(hint) is Literal:
        return f"one of {', '.join(options)}"
    if get_origin(hint) is tuple:
        count = "" if options[1:] == (...,) else f" of {len(options)}"
        return f"a list{count}, of each {NAMES[options[0]]}"
    return f"{_form(options[0])}, or null" if NoneType in options else NAMES[hint]


def _short(value: Any) -> str:
    shortened = reprlib.Repr()
    shortened.maxlevel = 2  # aliases can make a short file an endless text
    return shortened.repr(value)
