"""Noise fields on the CPU.

An image's part of the lattice is drawn first, as gradients at its nodes. Where the view neither turns nor shears, a row
of pixels lies in one row of cells: the upper and the lower node of each column of the lattice make one, once a row, and
a pixel asks two nodes instead of four.

Coordinates are those of the lattice, from a node left of and above all pixels on, so that they are never negative and
stay small, which float32 needs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import float32, int32, uint8, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.geometry.noise import NODES_A_BLOCK, NoiseField, directions, draw_nodes, fade, gray_of, mixed
from fdsl.render.cpu.finish import begin_image, finish_image, finishing
from fdsl.render.cpu.scratch import per_thread
from fdsl.render.frame import COPY, Frame, inverses

MOST_NODES = 1 << 20
"""Of an image. One that shows more has several cells a pixel, whose mean is the noise's: it is drawn flat."""
FARTHEST = 2.0**31
"""Cells from the canvas to what is shown of it; beyond them, too, an image is flat."""


class Lattice(NamedTuple):
    """Which part of the lattice the images show, and how."""

    shown: NDArray[np.bool_]
    """[N], False where an image is flat."""
    first: NDArray[np.int64]
    """[N, 2], the first group of nodes in a row, and the first row."""
    size: NDArray[np.int64]
    """[N, 2], groups in a row, and rows."""
    ways: NDArray[np.float32]
    """[N, 2, 3], from the indices of the drawn canvas's pixels to lattice coordinates less those of the first node."""
    straight: NDArray[np.bool_]
    """[N], whether an image's rows of pixels lie along the lattice's and its columns, too."""


class Work(NamedTuple):
    """Arrays that one image after the other is drawn with."""

    gradient_x_N: NDArray[np.float32]
    gradient_y_N: NDArray[np.float32]
    slope_C: NDArray[np.float32]
    """Of the nodes of one row of cells, upper and lower mixed: noise a cell to the right."""
    level_C: NDArray[np.float32]
    """Noise right below or above the node."""
    node_X: NDArray[np.uint32]
    """The upper left node of the cell that each pixel of a row lies in."""
    part_x_X: NDArray[np.float32]
    """How far into its cell a pixel lies."""
    part_y_X: NDArray[np.float32]
    share_X: NDArray[np.float32]
    """`part_x_X`, faded."""
    corners_4X: NDArray[np.float32]
    """What the corners of each pixel's cell say of it."""
    direction_2D: NDArray[np.float32]


def lattice(cells: NDArray[np.int32], canvas: int, frame: Frame) -> Lattice:
    """Return what a frame shows of lattices of so many cells, int32 [N, 2], a canvas."""
    backs = inverses(frame.places) * (cells / canvas)[:, :, None]
    backs[:, :, 2] += (backs[:, :, 0] + backs[:, :, 1]) / 2  # pixel i has its middle at i + 1/2
    spans = backs[:, :, :2] * (frame.drawn - 1)
    low = backs[:, :, 2] + np.minimum(spans, 0).sum(axis=2)
    high = backs[:, :, 2] + np.maximum(spans, 0).sum(axis=2)
    near = (np.maximum(np.abs(low), np.abs(high)) < FARTHEST).all(axis=1)
    group = np.array([NODES_A_BLOCK, 1])
    first = np.floor(np.where(near[:, None], low, 0) / group).astype(np.int64)
    # two nodes past the last pixel's: its cell's right corner, and one for a coordinate that is rounded up
    size = np.floor(np.where(near[:, None], high, 0) + 2).astype(np.int64) // group + 1 - first
    # a float: up to 2^64 nodes, more than an int64 counts
    shown = near & (size.prod(axis=1, dtype=np.float64) * NODES_A_BLOCK <= MOST_NODES)
    size[~shown] = 0
    backs[:, :, 2] -= first * group
    backs[~shown] = 0
    straight = (backs[:, 0, 1] == 0) & (backs[:, 1, 0] == 0)
    return Lattice(shown, first, size, backs.astype(np.float32), straight)


def _work(size: NDArray[np.int64], side: int) -> Work:
    nodes, columns = int(size.prod(axis=1).max()) * NODES_A_BLOCK, int(size[:, 0].max()) * NODES_A_BLOCK
    gradient, node, pixel = (np.empty(shape, np.float32) for shape in ((2, nodes), (2, columns), (7, side)))
    return Work(
        gradient[0], gradient[1], node[0], node[1], np.empty(side, np.uint32), pixel[0], pixel[1], pixel[2], pixel[3:],
        directions(),
    )  # fmt: skip


@inner
def _find_columns(step, start, node_X, part_X, share_X):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(node_X))):
        place = step * float32(int32(x)) + start
        column = int32(place)
        part = place - float32(column)
        node_X[x], part_X[x], share_X[x] = uint32(column), part, fade(part)


@inlined
def upright(above_x, above_y, below_x, below_y, part, share):  # type: ignore[no-untyped-def]
    """Make one node of two, for pixels `part` of a cell below the upper one: their gradients' x and y in, slope and
    level out."""
    one = float32(1.0)
    return mixed(above_x, below_x, share), mixed(above_y * part, below_y * (part - one), share)


@inlined
def gray_between(slope, level, next_slope, next_level, part, share):  # type: ignore[no-untyped-def]
    """Return the gray of a pixel `part` of a cell to the right of a node made of two; the next is a cell further."""
    left = slope * part + level
    right = next_slope * (part - float32(1.0)) + next_level
    return gray_of(mixed(left, right, share))


@inlined
def said(gradient_x, gradient_y, x, y):  # type: ignore[no-untyped-def]
    """Return what a node says of a pixel that lies (x, y) from it."""
    return gradient_x * x + gradient_y * y


@inlined
def gray_amid(a, b, c, d, x, y):  # type: ignore[no-untyped-def]
    """Return the gray of a pixel (x, y) into its cell, of whose corners the upper two say a and b, the others c, d."""
    share = fade(x)
    return gray_of(mixed(mixed(a, b, share), mixed(c, d, share), fade(y)))


@inner
def _mix_rows(gradient_x_N, gradient_y_N, upper, columns, part, slope_C, level_C):  # type: ignore[no-untyped-def]
    """Make one row of nodes of two, for pixels `part` of a cell below the upper one, whose nodes begin at `upper`."""
    share = fade(part)
    lower = upper + columns
    for column in range(columns):
        above, below = upper + column, lower + column
        slope_C[column], level_C[column] = upright(
            gradient_x_N[above], gradient_y_N[above], gradient_x_N[below], gradient_y_N[below], part, share
        )


@inner
def _draw_line(slope_C, level_C, node_X, part_X, share_X, line):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(line))):
        column, part = uint64(node_X[x]), part_X[x]
        after = column + uint64(1)
        line[x] = uint8(
            gray_between(slope_C[column], level_C[column], slope_C[after], level_C[after], part, share_X[x])
        )


@inner
def _draw_straight(way, columns, canvas, side, work):  # type: ignore[no-untyped-def]
    _find_columns(way[0, 0], way[0, 2], work.node_X, work.part_x_X, work.share_X)
    gradient_x_N, gradient_y_N, slope_C, level_C = (
        work.gradient_x_N, work.gradient_y_N, work.slope_C, work.level_C,
    )  # fmt: skip
    for y in range(side):
        place = way[1, 1] * float32(int32(y)) + way[1, 2]
        row = int32(place)
        upper, part = uint64(row) * columns, place - float32(row)
        _mix_rows(gradient_x_N, gradient_y_N, upper, columns, part, slope_C, level_C)
        line = canvas[y * side : (y + 1) * side]
        _draw_line(slope_C, level_C, work.node_X, work.part_x_X, work.share_X, line)


@inner
def _find_cells(a, d, left, top, columns, work):  # type: ignore[no-untyped-def]
    """Write each pixel's cell, as its upper left node's number, and how far into it the pixel lies."""
    for pixel in range(uint64(len(work.node_X))):
        along = float32(int32(pixel))
        x, y = a * along + left, d * along + top
        column, row = int32(x), int32(y)
        work.node_X[pixel] = uint32(uint32(uint32(row) * columns) + uint32(column))
        work.part_x_X[pixel], work.part_y_X[pixel] = x - float32(column), y - float32(row)


@inner
def _ask_corners(gradient_x_N, gradient_y_N, columns, work):  # type: ignore[no-untyped-def]
    """Write what the corners of each pixel's cell say. Loads from anywhere are no work for vectors: one loop with them
    would do all else without vectors, too, and take 2.4 times as long."""
    one = float32(1.0)
    a_X, b_X, c_X, d_X = work.corners_4X[0], work.corners_4X[1], work.corners_4X[2], work.corners_4X[3]
    node_X, part_X, part_Y = work.node_X, work.part_x_X, work.part_y_X
    for pixel in range(uint64(len(node_X))):
        upper = uint64(node_X[pixel])
        lower = upper + columns
        x, y = part_X[pixel], part_Y[pixel]
        a_X[pixel] = said(gradient_x_N[upper], gradient_y_N[upper], x, y)
        upper += uint64(1)
        b_X[pixel] = said(gradient_x_N[upper], gradient_y_N[upper], x - one, y)
        c_X[pixel] = said(gradient_x_N[lower], gradient_y_N[lower], x, y - one)
        lower += uint64(1)
        d_X[pixel] = said(gradient_x_N[lower], gradient_y_N[lower], x - one, y - one)


@inner
def _mix_corners(work, line):  # type: ignore[no-untyped-def]
    a_X, b_X, c_X, d_X = work.corners_4X[0], work.corners_4X[1], work.corners_4X[2], work.corners_4X[3]
    part_X, part_Y = work.part_x_X, work.part_y_X
    for pixel in range(uint64(len(line))):
        line[pixel] = uint8(
            gray_amid(a_X[pixel], b_X[pixel], c_X[pixel], d_X[pixel], part_X[pixel], part_Y[pixel])
        )


@inner
def _draw_slanted(way, columns, canvas, side, work):  # type: ignore[no-untyped-def]
    for y in range(side):
        down = float32(int32(y))
        left, top = way[0, 1] * down + way[0, 2], way[1, 1] * down + way[1, 2]
        _find_cells(way[0, 0], way[1, 0], left, top, uint32(columns), work)
        _ask_corners(work.gradient_x_N, work.gradient_y_N, columns, work)
        _mix_corners(work, canvas[y * side : (y + 1) * side])


@inner
def _apply_tone(canvas, tone):  # type: ignore[no-untyped-def]
    for pixel in range(uint64(len(canvas))):
        canvas[pixel] = tone[canvas[pixel]]


@kernel
def _draw_rows(begin, end, address, lattice, work, finish):  # type: ignore[no-untyped-def]
    for row in range(begin, end):
        begin_image(finish, row)
        if lattice.shown[row]:
            first, size, way = lattice.first[row], lattice.size[row], lattice.ways[row]
            draw_nodes(
                address[row], first[0], first[1], size[0], size[1], work.direction_2D, work.gradient_x_N,
                work.gradient_y_N,
            )  # fmt: skip
            columns = uint64(size[0]) * uint64(NODES_A_BLOCK)
            if lattice.straight[row]:
                _draw_straight(way, columns, finish.canvas, finish.side, work)
            else:
                _draw_slanted(way, columns, finish.canvas, finish.side, work)
            if finish.way == COPY:
                _apply_tone(finish.canvas[: finish.side * finish.side], finish.ink_tone)
        finish_image(finish, row, 0)


def drawer(table: NoiseField, frame: Frame, images: NDArray[np.uint8]):  # type: ignore[no-untyped-def]
    """Return draw(begin, end), which draws those rows of `table` into `images`, uint8 [N, H, W]."""
    shown = lattice(table.cells, table.canvas, frame)
    work = per_thread(lambda: _work(shown.size, frame.drawn))
    finish = per_thread(lambda: finishing(frame, images, table.background))

    def draw(begin: int, end: int) -> None:
        _draw_rows(begin, end, table.address, shown, work(), finish())

    return draw
