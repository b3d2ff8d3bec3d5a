"""The noise of `diamond_square` on a GPU, refined in place: the points of a level lie between those before.

All new points of a kind are displaced at once, a thread after the other; a barrier parts the squares' middles from the
edges', which are means of them.
"""

from __future__ import annotations

from numba import cuda, int32, uint32

from fdsl import compiled
from fdsl.compiled import inlined
from fdsl.geometry.diamond_square import BLOCKS, CELLS, FIELD, LEVELS, SIDE, displaced
from fdsl.geometry.maps import orbit_words
from fdsl.render.cuda.compiled import inner
from fdsl.render.cuda.grids import after, apart

POINTS = SIDE * SIDE + SIDE + 1
"""Of a grid: a line and a point follow that lookups between points may touch."""
WORDS = 4 * BLOCKS
"""A point takes half of one."""


@inlined
def _half(words, number):  # type: ignore[no-untyped-def]
    """Return the 16 random bits of the point of that number, uint32."""
    number = uint32(number)
    return uint32(words[number >> uint32(1)] >> uint32(uint32(number & uint32(1)) * uint32(16))) & uint32(
        0xFFFF
    )


@compiled.inner
def _draw_words(address, words, thread, threads):  # type: ignore[no-untyped-def]
    for block in range(thread, BLOCKS, threads):
        a, b, c, d = orbit_words(
            address[0], address[1], address[2], address[3], FIELD, uint32(0), uint32(0), block
        )
        words[block], words[BLOCKS + block] = a, b
        words[2 * BLOCKS + block], words[3 * BLOCKS + block] = c, d


@compiled.inner
def _draw_corners(words, grid):  # type: ignore[no-untyped-def]
    for corner in range(4):
        grid[((corner >> 1) * SIDE + (corner & 1)) * CELLS] = int32(_half(words, corner))


@inlined
def _sum(a, b, c, d):  # type: ignore[no-untyped-def]
    return int32(int32(a + b) + int32(c + d))


@inlined
def _place(line, column):  # type: ignore[no-untyped-def]
    return int32(int32(line * int32(SIDE)) + column)


@compiled.inner
def _draw_middles(words, level, amplitude, grid, thread, threads):  # type: ignore[no-untyped-def]
    """Displace the middles of a level's squares; their numbers are counted from those before."""
    squares, step = int32(1 << level), int32(CELLS >> level)
    first, half = int32((squares + 1) * (squares + 1)), int32(step >> 1)
    for i in range(int32(thread), int32(squares * squares), int32(threads)):
        line, column = int32(i) >> int32(level), int32(i) & int32(squares - 1)
        place = _place(int32(line * step), int32(column * step))
        below = int32(place + int32(step * int32(SIDE)))
        total = _sum(grid[place], grid[place + step], grid[below], grid[below + step])
        grid[place + half * SIDE + half] = displaced(total, _half(words, first + i), int32(amplitude))


@compiled.inner
def _draw_level_edges(words, level, amplitude, grid, thread, threads):  # type: ignore[no-untyped-def]
    """Displace the middles of edges that lie along the lines of old points."""
    squares, step = int32(1 << level), int32(CELLS >> level)
    first, half = int32((squares + 1) * (squares + 1) + squares * squares), int32(step >> 1)
    for i in range(int32(thread), int32(squares * (squares + 1)), int32(threads)):
        line, column = int32(i) >> int32(level), int32(i) & int32(squares - 1)
        above = int32(line - 1 if line > 0 else squares - 1)
        below = int32(line if line < squares else 0)
        place, middle = _place(int32(line * step), int32(column * step)), int32(column * step + half)
        upper, lower = _place(int32(above * step + half), middle), _place(int32(below * step + half), middle)
        total = _sum(grid[upper], grid[lower], grid[place], grid[place + step])
        grid[place + half] = displaced(total, _half(words, first + i), int32(amplitude))


@compiled.inner
def _draw_upright_edges(words, level, amplitude, grid, thread, threads):  # type: ignore[no-untyped-def]
    """Displace the middles of edges that lie between the lines of old points."""
    squares, step = int32(1 << level), int32(CELLS >> level)
    points, half = int32(squares + 1), int32(step >> 1)
    number = int32(points * points + squares * squares + squares * points + thread)
    line, column = apart(thread, points)
    down, along = apart(threads, points)
    while line < squares:
        left = int32(column - 1 if column > 0 else squares - 1)
        right = int32(column if column < squares else 0)
        place, middle = _place(int32(line * step), int32(column * step)), int32(line * step + half)
        before, behind = _place(middle, int32(left * step + half)), _place(middle, int32(right * step + half))
        total = _sum(grid[before], grid[behind], grid[place], grid[place + step * SIDE])
        grid[place + half * SIDE] = displaced(total, _half(words, number), int32(amplitude))
        number = int32(number + threads)
        line, column = after(line, column, down, along, points)


@inner
def draw_field(address, amplitude_K, words, grid):  # type: ignore[no-untyped-def]
    """Draw one image's grid with all threads of the block, which wait for it.

    Args:
        address: uint32 [4].
        amplitude_K: int32 [LEVELS].
        words: uint32 [WORDS], scratch.
        grid: int32 [POINTS], written but for what follows the grid's own points.
    """
    thread, threads = cuda.threadIdx.x, cuda.blockDim.x
    _draw_words(address, words, thread, threads)
    cuda.syncthreads()
    if thread == 0:
        _draw_corners(words, grid)
    for level in range(LEVELS):
        cuda.syncthreads()
        _draw_middles(words, level, amplitude_K[level], grid, thread, threads)
        cuda.syncthreads()
        _draw_level_edges(words, level, amplitude_K[level], grid, thread, threads)
        _draw_upright_edges(words, level, amplitude_K[level], grid, thread, threads)
    cuda.syncthreads()
