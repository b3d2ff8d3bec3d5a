"""Cells of a grid, line by line, shared among a block's threads without a division a cell."""

from __future__ import annotations

from numba import int32, uint32

from fdsl.compiled import inlined, inner


@inlined
def apart(cell, wide):  # type: ignore[no-untyped-def]
    """Return (line, column), int32, of a cell of a grid that is so wide."""
    line = int32(uint32(cell) // uint32(wide))
    return line, int32(int32(cell) - int32(line * int32(wide)))


@inlined
def after(line, column, down, along, wide):  # type: ignore[no-untyped-def]
    """Return the place of the cell that lies `down` lines and `along` columns, fewer than `wide`, further on."""
    line, column = int32(line + down), int32(column + along)
    over = column >= int32(wide)
    return int32(line + int32(1)) if over else line, int32(column - int32(wide)) if over else column


@inlined
def index_at(back, axis, x, y):  # type: ignore[no-untyped-def]
    """Return where a pixel lies along an axis of what is looked up; `back` is float32 [2, 3]."""
    return back[axis, 0] * x + (back[axis, 1] * y + back[axis, 2])


@inner
def clear(cells, thread, threads):  # type: ignore[no-untyped-def]
    """Write 0 to one thread's cells."""
    for cell in range(thread, len(cells), threads):
        cells[cell] = 0
