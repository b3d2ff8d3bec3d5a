"""Altered drawings: another table's images, each changed in one way once it is drawn.

With them Kataoka et al. (CVPR 2022) ask what pre-training on formulas learns from: contours are broken, dissolved into
points, filled, or left alone. The table says what is done and under which address its random numbers lie.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import float64, int32, uint32
from numpy.typing import NDArray

from fdsl.compiled import inlined
from fdsl.errors import InputError, check_choice, check_int
from fdsl.geometry.table import MAX_CANVAS, Table, check_array
from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

ALTERATION = int(Purpose.ALTERATION)
INDEX_BITS = 24
"""Of a draw's number; the bits above hold the layer: an alteration of an alteration has random numbers of its own."""
CELL_BITS = INDEX_BITS // 2
"""Of each coordinate of a native pixel, which is the number of the offset that is drawn for it."""
MOST_LAYERS = 16
FARTHEST = 2.0**29
"""Coordinates of the native canvas are held within: a view that is nearly singular shows places far off."""


class Limits(NamedTuple):
    """What a kind's strength may be."""

    low: int
    high: int


KINDS = {
    "broken": Limits(0, 100_000),
    "scattered": Limits(0, MAX_CANVAS),
    "filled": Limits(0, 256),
    "outline": Limits(1, 256),
    "width": Limits(1, 64),
}
BROKEN, SCATTERED, FILLED, OUTLINE, WIDTH = range(len(KINDS))


@dataclass(frozen=True)
class Altered:
    """A parameter table, one row an image.

    Attributes:
        base: the table that is drawn first, N rows.
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance.
        kind: "broken", "scattered", "filled", "outline" or "width".
        strength: segments; native canvas pixels; or pixels of the drawn canvas, for the last three.
    """

    base: Table
    address: NDArray[np.uint32]
    kind: str
    strength: int

    def __post_init__(self) -> None:
        check_array("address", self.address, np.uint32, (len(self.base), 4))
        limits = KINDS[check_choice("kind", self.kind, KINDS)]
        check_int("strength", self.strength, *limits)
        if self.layer >= MOST_LAYERS:
            raise InputError(
                f"base must have fewer than {MOST_LAYERS} alterations, got {self.layer}: "
                "their random numbers have no more addresses"
            )

    def __len__(self) -> int:
        return len(self.base)

    @property
    def canvas(self) -> int:
        return self.base.canvas

    @property
    def channels(self) -> int:
        return self.base.channels

    @property
    def background(self) -> int:
        return self.base.background

    @property
    def layer(self) -> int:
        """How many alterations lie beneath this one."""
        return self.base.layer + 1 if isinstance(self.base, Altered) else 0

    def mask(self) -> Table:
        raise InputError(
            "mask must be asked of the base table, got one of altered images: objects lie where they lay"
        )


@inlined
def words(address, layer, index):  # type: ignore[no-untyped-def]
    """Return the four random words of a segment, or of the offset of a native pixel."""
    i = uint32(uint32(uint32(layer) << uint32(INDEX_BITS)) | uint32(index))
    return philox_block(address[2], address[3], uint32(ALTERATION), i, address[0], address[1])


@inlined
def unit(word):  # type: ignore[no-untyped-def]
    """Return U(0, 1), the middle of one of 2^32 cells."""
    return (float64(word) + 0.5) * 2.0**-32


@inlined
def native_pixel(x, y):  # type: ignore[no-untyped-def]
    """Return the number of the native pixel at (x, y); beyond 4,096 pixels from the canvas numbers come again."""
    low = int32((1 << CELL_BITS) - 1)
    u, v = (
        int32(_held(x) + FARTHEST),
        int32(_held(y) + FARTHEST),
    )  # of positive numbers the integer part is the floor
    return uint32(int32(int32(v & low) << int32(CELL_BITS)) | int32(u & low))


@inlined
def _held(value):  # type: ignore[no-untyped-def]
    value = value if value > -FARTHEST else -FARTHEST
    return value if value < FARTHEST else FARTHEST
