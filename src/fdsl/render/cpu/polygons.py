"""Filled polygons: the pixels whose middles lie within, by the even-odd rule.

Vertices are pixels, as those of strokes are, so that the middles are whole numbers on the same grid and everything is
exact in integers. An edge flips a bit at the first pixel at or right of where it crosses a line of pixels; a pixel lies
within where the number of flips up to it is odd. That holds for polygons that cross themselves, and an edge left of the
canvas flips the line's first pixel. Middles on an edge are for the outline to draw: `fill_polygon` takes those of left
edges and upper ends, and leaves the others.
"""

from __future__ import annotations

from numba import int64, uint8, uint64

from fdsl.compiled import inner
from fdsl.render.cpu.segments import ceil_div


@inner
def _flip(crossings, side, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Flip a bit in each line from the upper end of an edge on, the lower end's line not included."""
    if y0 > y1:
        x0, y0, x1, y1 = x1, y1, x0, y0
    first, last = max(y0, int64(0)), min(y1, int64(side))
    if first >= last:
        return
    high, wide = y1 - y0, x1 - x0
    # the column is the crossing rounded up; `over` / high is by how much
    crossing = x0 * high + (first - y0) * wide
    column = ceil_div(crossing, high)
    over = column * high - crossing
    step = ceil_div(wide, high)
    more = step * high - wide
    for line in range(first, last):
        if column < side:
            cell = uint64(line * side + max(column, int64(0)))
            crossings[cell] = crossings[cell] ^ uint8(1)
        column += step
        over += more
        less = over >= high
        column -= 1 if less else 0
        over -= high if less else 0


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
