"""Laying objects over the canvas on a GPU: a thread a pixel asks the objects, from the last on, which is on top."""

from __future__ import annotations

from numba import float32, int32, uint32, uint64

from fdsl.compiled import inlined, inner
from fdsl.render.cpu.laying import colour_at, located
from fdsl.render.cuda.grids import after, apart, index_at


@inlined
def _is_covered(covered, line, column):  # type: ignore[no-untyped-def]
    along = (column >= covered[0, 0]) & (column < covered[0, 1])
    return along & (line >= covered[1, 0]) & (line < covered[1, 1])


@inlined
def _colour(cells, cells_side, back, ends, grain, line, column):  # type: ignore[no-untyped-def]
    """Return an object's packed colour at a pixel, 0 for none."""
    pitch, colour = int32(cells_side + 1), uint32(0)
    if grain == 0:
        colour = cells[line * pitch + column]
    else:
        x, y = float32(column), float32(line)
        u, v = index_at(back, 0, x, y), index_at(back, 1, x, y)
        place, right, low = located(u, v, ends[0], ends[1], cells_side)
        colour = colour_at(cells, uint64(pitch), place, right, low)
    return colour


@inner
def _topmost(rows, plans, cells, begins, image, numbered, line, column):  # type: ignore[no-untyped-def]
    """Return what the topmost object at a pixel leaves: its colour or number, 0 if there is none."""
    o, left = int32(rows.count[image] - 1), uint32(0)
    while (o >= 0) & (left == uint32(0)):
        side = plans.cells_1[image, o, 0]
        if (side > 0) and _is_covered(plans.covered_22[image, o], line, column):
            back, ends = plans.back_23[image, o], plans.ends_22[image, o]
            own = cells[begins[image, o] :]
            colour = _colour(own, side, back, ends, rows.grain[image, o], line, column)
            if colour != uint32(0):
                left = uint32(o + 1) if numbered else colour
        o = int32(o - 1)
    return left


@inner
def lay_objects(rows, plans, cells, begins, image, numbered, painted, side, canvas, thread, threads):  # type: ignore[no-untyped-def]
    """Lay an image's objects over one thread's pixels.

    Looking up between cells that are not turned, the CPU resizes whole lines; the arithmetic of a pixel is the same.

    Args:
        rows: the columns of a table.
        plans: of its objects.
        cells: uint32, the packed colours of the image's objects.
        begins: from `density.shares_of`.
        image: row of the table.
        numbered: whether objects leave their numbers.
        painted: whether there is something on the canvas.
        side: of the canvas.
        canvas: uint32 [side^2], written.
        thread: of the block.
        threads: of the block.
    """
    line, column = apart(thread, side)
    down, along = apart(threads, side)
    while line < side:
        pixel = int32(int32(line * int32(side)) + column)
        top = _topmost(rows, plans, cells, begins, image, numbered, line, column)
        if (top != uint32(0)) | (not painted):
            canvas[pixel] = top
        line, column = after(line, column, down, along, side)
