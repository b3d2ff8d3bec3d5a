"""RandAugment as timm draws it: the string that describes it, and each sample's operations.

Cubuk et al., "RandAugment: Practical automated data augmentation with a reduced search space" (CVPRW 2020), with timm's
additions: a probability a layer, magnitudes that vary, operations that all grow stronger with the magnitude ("inc").
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError
from fdsl.random import uniform

FULL = 10.0
"""The magnitude at which an operation has its published strength."""
SHEAR_AT_FULL = 0.3
MOST_LAYERS = 16
UNIFORM_ABOVE = 100.0
"""A deviation above this means a magnitude uniform in 0..m."""


class Operation(IntEnum):
    """The operations a layer chooses from, in timm's order."""

    AUTO_CONTRAST = 0
    EQUALIZE = 1
    INVERT = 2
    ROTATE = 3
    POSTERIZE = 4
    SOLARIZE = 5
    SOLARIZE_ADD = 6
    COLOR = 7
    CONTRAST = 8
    BRIGHTNESS = 9
    SHARPNESS = 10
    SHEAR_X = 11
    SHEAR_Y = 12
    TRANSLATE_X = 13
    TRANSLATE_Y = 14


@dataclass(frozen=True)
class Layers:
    """The operations of N samples, L one after the other.

    Attributes:
        operations: uint8 [N, L], values of `Operation`.
        applied: bool [N, L], whether the operation was drawn to happen.
        arguments: float64 [N, L]: degrees of a rotation, counter-clockwise; x per y of a shear; share of the side of a
            translation; bits kept by posterize; the gray from which solarize inverts; what solarize-add adds; the
            factor of color, contrast, brightness and sharpness, 1 for no change.
    """

    operations: NDArray[np.uint8]
    applied: NDArray[np.bool_]
    arguments: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RandAugment:
    """What a timm string such as "rand-m9-mstd0.5-inc1" says.

    Attributes:
        magnitude: m, 0..10, or 0..mmax.
        deviation: mstd, of the magnitude; infinite for a magnitude uniform in 0..m.
        limit: mmax, where magnitudes are cut off.
        increasing: inc, whether every operation grows stronger with the magnitude.
        layers: n, operations a sample.
        probability: p, of each to be applied.
    """

    magnitude: float = FULL
    deviation: float = 0.0
    limit: float = FULL
    increasing: bool = False
    layers: int = 2
    probability: float = 0.5

    def draw(self, words: NDArray[np.uint32]) -> Layers:
        """Return the operations that random words, uint32 [N, L, 4], choose."""
        operations = ((words[..., 0] * np.uint64(len(Operation))) >> np.uint64(32)).astype(np.uint8)
        applied = uniform(words[..., 1]) < self.probability
        # the half of the circle that the normal's angle lies in says nothing about its cosine: a sign for free
        sign = np.where(words[..., 3] >> np.uint32(31) == 0, 1.0, -1.0)
        level = np.clip(self._magnitudes(words), 0.0, self.limit) / FULL
        return Layers(operations, applied, self._arguments(operations, level, sign))

    def _magnitudes(self, words: NDArray[np.uint32]) -> NDArray[np.float64]:
        chance = uniform(words[..., 2])
        if self.deviation == math.inf:
            return chance * self.magnitude
        if self.deviation == 0:
            return np.full(chance.shape, float(self.magnitude))
        normal = np.sqrt(-2 * np.log(chance)) * np.cos(2 * np.pi * uniform(words[..., 3]))
        return self.magnitude + self.deviation * settled(normal)

    def _arguments(
        self, operations: NDArray[np.uint8], level: NDArray[np.float64], sign: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if self.increasing:
            factor = np.maximum(0.1, 1.0 + sign * (level * 0.9))
            bits, threshold = 4 - np.trunc(level * 4), 256 - np.minimum(256, np.trunc(level * 256))
        else:
            factor = level * 1.8 + 0.1
            bits, threshold = np.trunc(level * 4), np.minimum(256, np.trunc(level * 256))
        shear, shift = sign * (level * SHEAR_AT_FULL), sign * (level * 0.45)
        added = np.minimum(128, np.trunc(level * 110))
        columns = {
            Operation.ROTATE: sign * (level * 30.0),
            Operation.POSTERIZE: bits,
            Operation.SOLARIZE: threshold,
            Operation.SOLARIZE_ADD: added,
            Operation.COLOR: factor,
            Operation.CONTRAST: factor,
            Operation.BRIGHTNESS: factor,
            Operation.SHARPNESS: factor,
            Operation.SHEAR_X: shear,
            Operation.SHEAR_Y: shear,
            Operation.TRANSLATE_X: shift,
            Operation.TRANSLATE_Y: shift,
        }
        arguments = np.zeros(level.shape)
        for operation, column in columns.items():
            np.copyto(arguments, column, where=operations == operation)
        return arguments


def settled(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `values` in steps of 2^-32: the last bits of log and cos are not every processor's, these are."""
    return np.rint(values * 2.0**32) * 2.0**-32


_SECTIONS: dict[str, tuple[str, Callable[[str], float]]] = {
    "m": ("magnitude", int),
    "mstd": ("deviation", float),
    "mmax": ("limit", int),
    "inc": ("increasing", int),
    "n": ("layers", int),
    "p": ("probability", float),
}


@lru_cache(maxsize=64)
def parse(text: str) -> RandAugment:
    """Return what a timm string describes; InputError if it describes nothing this package draws."""
    policy, *sections = text.split("-")
    if policy != "rand":
        raise _unusable(text, f"only RandAugment is drawn, not {policy!r}: begin with 'rand'")
    values: dict[str, float] = {}
    for section in sections:
        found = re.fullmatch(r"([a-z]+?)(\d+(?:\.\d+)?)", section)
        if section.startswith("t"):
            raise _unusable(
                text, f"{section!r} asks for another set of operations or weighted choice, not drawn here"
            )
        if section.startswith("w"):
            raise _unusable(text, f"{section!r} asks for weighted choice, not drawn here")
        if found is None or found[1] not in _SECTIONS:
            raise _unusable(text, f"{section!r} is none of {', '.join(_SECTIONS)} with a number")
        name, convert = _SECTIONS[found[1]]
        if name in values:
            raise _unusable(text, f"{found[1]} is given twice")
        try:
            values[name] = convert(found[2])
        except ValueError:
            raise _unusable(text, f"{found[1]} takes a whole number, got {found[2]}") from None
    return _checked(text, values)


def _checked(text: str, values: dict[str, float]) -> RandAugment:
    """Return the values in range, with timm's defaults for the others."""
    limit = values.setdefault("limit", FULL)
    ranges = {"limit": (1, 100), "magnitude": (0, limit), "increasing": (0, 1), "layers": (1, MOST_LAYERS)}
    ranges |= {"probability": (0, 1)}
    keys = {name: key for key, (name, _) in _SECTIONS.items()}
    values.setdefault("magnitude", min(FULL, limit))
    for name, (low, high) in ranges.items():
        if name in values and not low <= values[name] <= high:
            raise _unusable(text, f"{keys[name]} must be in {low:g}..{high:g}, got {values[name]:g}")
    deviation = values.get("deviation", 0.0)
    if not math.isfinite(deviation):
        raise _unusable(text, "mstd must be finite; above 100 it means a magnitude uniform in 0..m")
    return RandAugment(
        magnitude=values["magnitude"],
        deviation=math.inf if deviation > UNIFORM_ABOVE else deviation,
        limit=limit,
        increasing=bool(values.get("increasing", 0)),
        layers=int(values.get("layers", 2)),
        probability=values.get("probability", 0.5),
    )


def _unusable(text: str, why: str) -> InputError:
    return InputError(f"auto_augment must be a string such as 'rand-m9-mstd0.5-inc1', got {text!r}: {why}")
