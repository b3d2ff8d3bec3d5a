"""What every geometry's parameter table has, and the checks that keep kernels within their arrays."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from fdsl.errors import InputError, check_int

MIN_CANVAS, MAX_CANVAS = 32, 1024
MAX_POINTS = (1 << 23) - 1
"""A point's mark on the canvas has 23 bits for its number."""


class Table(Protocol):
    """Parameters of a batch, one row an image, for one geometry kind."""

    @property
    def canvas(self) -> int:
        """Side of the native canvas, pixels."""
        ...

    @property
    def channels(self) -> int:
        """1 for gray images, 3 for colour."""
        ...

    @property
    def background(self) -> int:
        """Gray of the empty canvas, and of what lies off it."""
        ...

    def __len__(self) -> int: ...

    def mask(self) -> Table:
        """Return the table that draws each object in its number, from 1 on, where this one draws it in its grays.

        The background is 0. Draw it crisp and without tones: numbers do not mix.

        Raises:
            InputError: there are no objects in these images.
        """
        ...


def check_array(field: str, value: object, dtype: type, shape: tuple[int | str, ...]) -> None:
    """Raise InputError unless `value` is an array of this dtype and shape; a letter stands for any length."""
    kind, lengths = getattr(value, "dtype", type(value).__name__), getattr(value, "shape", ())
    fits = len(lengths) == len(shape) and all(
        isinstance(want, str) or want == got for want, got in zip(shape, lengths, strict=True)
    )
    if not (isinstance(value, np.ndarray) and kind == dtype and fits):
        wanted = ", ".join(map(str, shape))
        raise InputError(f"{field} must be {np.dtype(dtype)} [{wanted}], got {kind} {list(lengths)}")


def check_grays(canvas: int, **grays: int) -> None:
    """Raise InputError for a canvas that cannot be drawn, or a gray outside 0..255."""
    check_int("canvas", canvas, MIN_CANVAS, MAX_CANVAS)
    for field, gray in grays.items():
        check_int(field, gray, 0, 255)
