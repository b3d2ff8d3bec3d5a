"""Tone curves: what an operation that looks at one gray at a time does to each of the 256, in Pillow's arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.data.randaugment import Operation

GRAYS = np.arange(256)
SOLARIZE_ADD_BELOW = 128


def tone_curves(operations: NDArray[np.uint8], arguments: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the curves of n operations, each one of `TONAL`: uint8 [n, 256].

    Args:
        operations: uint8 [n].
        arguments: float64 [n], as in `Layers`.
    """
    curves = np.empty((len(operations), 256), np.uint8)
    for operation, curve in _CURVES.items():
        rows = np.flatnonzero(operations == operation)
        if rows.size:
            curves[rows] = curve(arguments[rows, None])
    return curves


def _posterize(bits: NDArray[np.float64]) -> NDArray[np.int64]:
    dropped = 8 - np.clip(bits, 0, 8).astype(np.int64)
    return (GRAYS >> dropped) << dropped


def _solarize(threshold: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.where(threshold > GRAYS, GRAYS, 255 - GRAYS)


def _solarize_add(added: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(GRAYS < SOLARIZE_ADD_BELOW, np.minimum(255, GRAYS + added), GRAYS)


def _brightness(factor: NDArray[np.float64]) -> NDArray[np.float32]:
    """Blend with black as Image.blend does: a float32 product, clipped, cut off."""
    return np.clip(factor.astype(np.float32) * GRAYS.astype(np.float32), 0, 255)


_CURVES: dict[Operation, Callable[[NDArray[np.float64]], NDArray[Any]]] = {
    Operation.INVERT: lambda _: 255 - GRAYS,
    Operation.POSTERIZE: _posterize,
    Operation.SOLARIZE: _solarize,
    Operation.SOLARIZE_ADD: _solarize_add,
    Operation.BRIGHTNESS: _brightness,
}
TONAL = tuple(_CURVES)
"""The operations that look at one gray at a time."""
