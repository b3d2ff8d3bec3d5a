"""Whether the JSON of a training has the form that a page needs: what is damaged is named before anything is drawn."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

from fdsl.errors import DataError
from fdsl.evaluate.runs import Run
from fdsl.train.run import RESULT_FILE, RUN_FILE

Kind = Literal["pretrain", "finetune"]
KINDS: tuple[Kind, ...] = ("pretrain", "finetune")


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _are_records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, dict) for part in value)


def _are_shares(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_number(part) and 0 <= part <= 1 for part in value.values())


Form = tuple[str, Callable[[Any], bool]]
"""What a value must be, in words and as a test."""
CONFIG_FORMS: dict[str, Form] = {
    "lr": ("a number", _is_number),
    "seed": ("a number of 0 or more", _is_count),
    "classes": ("a number of 0 or more", _is_count),
    "alter": ("a list of texts", _is_texts),
    "weights": ("a path", lambda value: isinstance(value, str)),
}
RECORD_FORMS: dict[str, Form] = {
    "earlier": ("a list of sessions", _are_records),
    "command": ("a list of texts", _is_texts),
    "versions": ("an object", lambda value: isinstance(value, dict)),
}
RESULT_FORMS: dict[str, Form] = {
    "seconds": ("a number", _is_number),
    "labels": ("a number of 0 or more", _is_count),
    "test_images": ("a number of 0 or more", _is_count),
    "per_class": ("an object of numbers in 0..1", _are_shares),
}


def checked(run: Run) -> Run:
    """Return a run whose record holds what the page needs of all, in the form that it needs.

    Raises:
        DataError: something is missing, or of another form.
    """
    kind, path = run.record.get("kind"), run.folder / RUN_FILE
    if kind not in KINDS:
        raise DataError(f"{path} must be of a pretrain or finetune run, got kind {kind!r}")
    if run.finished:
        run.number("accuracy")
    if kind == "finetune":
        for name in ("data", "lr", "seed"):
            if run.config.get(name) is None:
                raise DataError(f"{path} must hold the {name} of the fine-tuning, it has none")
    _check_forms(path, run.config, CONFIG_FORMS)
    _check_forms(path, run.record, RECORD_FORMS)
    _check_forms(run.folder / RESULT_FILE, run.result, RESULT_FORMS)
    return run


def _check_forms(path: Path, content: Mapping[str, Any], forms: Mapping[str, Form]) -> None:
    for name, (words, holds) in forms.items():
        value = content.get(name)
        if value is not None and not holds(value):
            raise DataError(f"{path} must hold {words} as {name}, got {value!r}")
