"""Filled polygons: the pixels whose middles lie within, by the even-odd rule.

Vertices are pixels, as those of strokes are, so that the middles are whole numbers on the same grid and everything is
exact in integers. An edge flips a bit at the first pixel at or right of where it crosses a line of pixels; a pixel lies
within where the number of flips up to it is odd. That holds for polygons that cross themselves, and an edge left of the
canvas flips the line's first pixel. Middles on an edge are for the outline to draw: `fill_polygon` takes those of left
edges and upper ends, and leaves the others.
"""

from __future__ import annotations

from numba import int64, uint8, uint64

from fdsl.compiled import inlined, inner
from fdsl.render.cpu.segments import ceil_div


@inlined
def lines_crossed(y0, y1, side):  # type: ignore[no-untyped-def]
    """Return the first and one past the last line of the canvas that an edge crosses: its lower end's is not one."""
    return max(min(y0, y1), int64(0)), min(max(y0, y1), int64(side))


@inlined
def crossing_at(line, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Say where an edge crosses a line that it does cross, all int64, and how it goes on from line to line.

    Returns:
        The column, which is the crossing rounded up; by how much, times the height; what either grows by a line; and
        the height.
    """
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    high, wide = y1 - y0, x1 - x0
    crossing = x0 * high + (line - y0) * wide
    column, step = ceil_div(crossing, high), ceil_div(wide, high)
    return column, column * high - crossing, step, step * high - wide, high


@inlined
def next_crossing(column, over, step, more, high):  # type: ignore[no-untyped-def]
    """Return the column of the next line, and by how much it is rounded up, times the height."""
    over += more
    less = over >= high
    return column + step - (1 if less else 0), over - (high if less else 0)


@inner
def _flip(crossings, side, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Flip a bit in each line that an edge crosses."""
    first, last = lines_crossed(y0, y1, side)
    if first >= last:
        return
    column, over, step, more, high = crossing_at(first, x0, y0, x1, y1)
    for line in range(first, last):
        if column < side:
            cell = uint64(line * side + max(column, int64(0)))
            crossings[cell] = crossings[cell] ^ uint8(1)
        column, over = next_crossing(column, over, step, more, high)


@inner
def fill_polygon(canvas, side, x_V, y_V, vertices, crossings, value):  # type: ignore[no-untyped-def]
    """Fill a polygon with `value`, on a canvas of side^2 cells or more.

    Its vertices are int32 [V + 1] pixels within +-2^30, the one past the last being the first; `crossings` is uint8
    [side^2], zeros before and after.
    """
    left, right = int64(x_V[0]), int64(x_V[0])
    top, bottom = int64(y_V[0]), int64(y_V[0])
    for vertex in range(vertices):
        x, y = int64(x_V[vertex]), int64(y_V[vertex])
        left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
        _flip(crossings, side, x, y, int64(x_V[vertex + 1]), int64(y_V[vertex + 1]))
    left, right = max(left, int64(0)), min(right + 1, int64(side))
    for line in range(max(top, int64(0)), min(bottom, int64(side))):
        inside = uint8(0)
        for cell in range(uint64(line * side + left), uint64(line * side + max(left, right))):
            inside = inside ^ crossings[cell]
            crossings[cell] = uint8(0)
            if inside:
                canvas[cell] = value
