"""A noise field: 2-D gradient noise, the plane's smooth noise of one frequency (Perlin, SIGGRAPH 1985, 2002).

A lattice of cells lies over the canvas; each corner has a unit vector, and each point is given, by its cell's corners,
what their vectors say of the way from there to it, faded from corner to corner. 0 at the corners, within +-sqrt(1/2).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import float32, int32, int64, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.errors import InputError
from fdsl.geometry.table import check_array, check_grays
from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

FIELD = int(Purpose.FIELD)
DIRECTIONS = 16
"""Of gradients: four bits of a random word."""
NODES_A_BLOCK = 32
"""Neighbours in a row of the lattice that share a block of Philox: its 128 bits, four each."""
MAX_FREQUENCY = 1 << 12
ZERO = 128
GAIN = 180.0
"""Gray = floor(ZERO + 1/2 + GAIN * noise), 1..255: the noise's whole range, with nothing left to clamp."""


@dataclass(frozen=True)
class NoiseField:
    """A parameter table, one row an image.

    Attributes:
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance.
        cells: int32 [N, 2], cells of the lattice across the canvas, and down it.
        canvas: side of the native canvas, pixels.
    """

    address: NDArray[np.uint32]
    cells: NDArray[np.int32]
    canvas: int = 256

    background = ZERO
    channels = 1

    def __post_init__(self) -> None:
        check_array("cells", self.cells, np.int32, ("N", 2))
        check_array("address", self.address, np.uint32, (len(self.cells), 4))
        check_grays(self.canvas)
        if len(self.cells) and (self.cells.min() < 1 or self.cells.max() > MAX_FREQUENCY):
            raise InputError(
                f"cells must be in 1..{MAX_FREQUENCY}, got {self.cells.min()}..{self.cells.max()}"
            )

    def __len__(self) -> int:
        return len(self.cells)

    def mask(self) -> NoiseField:
        """Raise InputError: a noise field fills the image, and has no objects to tell apart."""
        raise InputError(
            "mask must be of images with objects, got a NoiseField: noise is everywhere in its image"
        )


def directions() -> NDArray[np.float32]:
    """Return the gradients, float32 [2, DIRECTIONS]: unit vectors at equal angles from 0 on, rounded from float64."""
    angles = np.arange(DIRECTIONS) * (2 * np.pi / DIRECTIONS)
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


@inlined
def node_block(address, group, row):  # type: ignore[no-untyped-def]
    """Return the words of nodes 32 `group` .. 32 `group` + 31 of a row of the lattice, both int64, and either sign.

    Sixteen bits of each are the address, so that the field repeats after 2^21 cells across and 2^16 down.
    """
    i = uint32((uint32(row & int64(0xFFFF)) << uint32(16)) | uint32(group & int64(0xFFFF)))
    return philox_block(address[2], address[3], uint32(FIELD), i, address[0], address[1])


@inlined
def _write_nodes(word, direction_2D, place, x_N, y_N):  # type: ignore[no-untyped-def]
    """Write the gradients of a word's eight nodes, the lowest four bits' first."""
    for node in range(8):
        way = uint32(uint32(uint32(word) >> uint32(4 * node)) & uint32(15))
        x_N[place + uint64(node)] = direction_2D[0, way]
        y_N[place + uint64(node)] = direction_2D[1, way]


@inner
def draw_nodes(address, group, row, groups, rows, direction_2D, x_N, y_N):  # type: ignore[no-untyped-def]
    """Write the gradients of `rows` rows of 32 `groups` nodes from row `row` and group `group` on, flat, row by row."""
    eight = uint64(NODES_A_BLOCK // 4)
    place = uint64(0)
    for down in range(rows):
        for across in range(groups):
            a, b, c, d = node_block(address, group + across, row + down)
            _write_nodes(a, direction_2D, place, x_N, y_N)
            _write_nodes(b, direction_2D, place + eight, x_N, y_N)
            _write_nodes(c, direction_2D, place + eight + eight, x_N, y_N)
            _write_nodes(d, direction_2D, place + eight + eight + eight, x_N, y_N)
            place += uint64(NODES_A_BLOCK)


@inlined
def fade(u):  # type: ignore[no-untyped-def]
    """Return how much of the farther corner there is at `u` in 0..1: 6 u^5 - 15 u^4 + 10 u^3."""
    return u * u * u * (u * (u * float32(6.0) - float32(15.0)) + float32(10.0))


@inlined
def mixed(first, second, share):  # type: ignore[no-untyped-def]
    """Return the value `share` of the way from `first` to `second`."""
    return first + share * (second - first)


@inlined
def gray_of(noise):  # type: ignore[no-untyped-def]
    """Return the gray of a value of the noise, int32 0..255."""
    return int32(min(max(noise * float32(GAIN) + float32(ZERO + 0.5), float32(0.0)), float32(255.0)))


@kernel
def _lattice(address, group, row, groups, rows, direction_2D, x_N, y_N):  # type: ignore[no-untyped-def]
    draw_nodes(address, group, row, groups, rows, direction_2D, x_N, y_N)


def gradients(
    table: NoiseField, row: int, group: int, line: int, groups: int, lines: int
) -> NDArray[np.float32]:
    """Return gradients of image `row`: `lines` lines of 32 `groups` nodes, from line `line` and node 32 `group` on.

    Returns:
        float32 [2, lines, 32 * groups], x and y; node (0, 0) lies in the canvas's upper left corner.
    """
    nodes_2N = np.empty((2, lines * groups * NODES_A_BLOCK), np.float32)
    _lattice(table.address[row], group, line, groups, lines, directions(), nodes_2N[0], nodes_2N[1])
    return nodes_2N.reshape(2, lines, groups * NODES_A_BLOCK)
