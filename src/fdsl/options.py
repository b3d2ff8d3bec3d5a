"""KEY=VALUE pairs, as the command line has them."""

from __future__ import annotations

import json
from typing import Any

from fdsl.errors import InputError


def parse_options(field: str, options: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE pairs: a value is JSON where it parses as such (4, 0.5, false, null), otherwise text.

    Raises:
        InputError: a pair lacks its key or its "=", or a key comes twice.
    """
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"{field} must be KEY=VALUE pairs, got {option!r}")
        if key in parsed:
            raise InputError(f"{field} must name each key once, got {key!r} twice")
        try:
            parsed[key] = json.loads(text)
        except (ValueError, RecursionError):  # also of thousands of digits, or of brackets
            parsed[key] = text
    return parsed


def family_fields(classes: int | None, options: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a family from the number of its classes, None for its own, and KEY=VALUE pairs.

    Raises:
        InputError: see `parse_options`; or a pair is of the classes.
    """
    fields = parse_options("options", options)
    if "classes" in fields:
        raise InputError("options must not hold classes: it is a field of its own")
    return fields if classes is None else {"classes": classes, **fields}
