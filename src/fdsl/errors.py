"""The errors a user can meet, and the checks that raise them.

Every message names the field, the value it got and what would be right, so that the command line can print it alone.
"""

from __future__ import annotations

import difflib
import math
import sys
from collections.abc import Iterable


class FdslError(Exception):
    """Base of every error this package raises on purpose."""


class InputError(FdslError, ValueError):
    """A value given by the caller is unusable."""


class DataError(FdslError, RuntimeError):
    """A file or dataset is missing, damaged or of the wrong form."""


class Stopped(FdslError):
    """A signal asked a run to stop; it wrote a checkpoint first, and the same command with --resume goes on."""


class LostProcess(FdslError):
    """One of several processes has ended, and the others cannot go on; it has said why, if it could."""


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, or its name."""
    return str(error).strip().partition("\n")[0] or type(error).__name__


def check_int(field: str, value: object, low: int, high: int | None = None) -> int:
    """Return `value` if it is an integer in [low, high].

    Raises:
        InputError: it is not an integer (a bool is not one) or lies outside.
    """
    index = getattr(value, "__index__", None)
    bounds = f">= {low}" if high is None else f"in {low}..{high}"
    if isinstance(value, bool) or index is None:
        raise InputError(f"{field} must be an integer {bounds}, got {value!r}")
    number = int(index())
    if number < low or (high is not None and number > high):
        raise InputError(f"{field} must be {bounds}, got {number}")
    return number


def check_float(field: str, value: object, low: float, high: float = math.inf) -> float:
    """Return `value` as a float if it is finite and in [low, high].

    Raises:
        InputError: it is not a finite number or lies outside.
    """
    bounds = f">= {low:g}" if high == math.inf else f"in [{low:g}, {high:g}]"
    # also an int that no float can hold, of which math.isfinite makes an OverflowError
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= sys.float_info.max:
        raise InputError(f"{field} must be a finite number {bounds}, got {value!r}")
    if not low <= value <= high:
        raise InputError(f"{field} must be {bounds}, got {value!r}")
    return float(value)


def check_range(
    field: str, value: object, low: float, high: float, whole: bool = False
) -> tuple[int, int] | tuple[float, float]:
    """Return `value` as a tuple if it is a list or tuple of two numbers in [low, high], the first no greater.

    They are integers if `whole`.

    Raises:
        InputError: it is not, or a number is not finite or lies outside.
    """
    if not isinstance(value, (list, tuple)) or len(value) != 2:
        raise InputError(f"{field} must be two numbers, the least and the most, got {value!r}")
    names = (f"least of {field}", f"most of {field}")
    least, most = (
        check_int(name, one, int(low), int(high)) if whole else check_float(name, one, low, high)
        for name, one in zip(names, value, strict=True)
    )
    if least > most:
        raise InputError(
            f"{field} must not begin above its end, got {least} and {most}: nothing lies between"
        )
    return least, most


def check_choice(field: str, value: object, choices: Iterable[str]) -> str:
    """Return `value` if it is one of `choices`; the error suggests the nearest one.

    Raises:
        InputError: it is none of them.
    """
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    raise InputError(
        f"{field} must be one of {', '.join(known)}, got {value!r}{did_you_mean(str(value), known)}"
    )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return the end of a message that suggests which of the `known` names was meant; nothing if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
