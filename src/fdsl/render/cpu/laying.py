"""Laying an object, drawn in cells of its own, over the canvas: in place, or looked up between cells."""

from __future__ import annotations

from numba import float32, int32, uint32, uint64

from fdsl.compiled import inlined, inner
from fdsl.render.cpu.packed import mixed


@inner
def lay(cells, cells_side, ink, side, canvas):  # type: ignore[no-untyped-def]
    """Lay cells that are pixels over the canvas: their colours, or `ink` where it is not 0."""
    for line in range(side):
        cells_W = cells[line * (cells_side + 1) : line * (cells_side + 1) + side]
        out_W = canvas[line * side : (line + 1) * side]
        for x in range(uint64(len(out_W))):
            colour = cells_W[x]
            shown = ink if ink != uint32(0) else colour
            out_W[x] = shown if colour != uint32(0) else out_W[x]


@inlined
def _held(place, first, last, cells_side):  # type: ignore[no-untyped-def]
    """Return (cell, share of the next one of 256, whether inside the object) of a coordinate, held among the cells."""
    half = float32(0.5)
    low, high = max(first, float32(0.0)), min(last, float32(cells_side - 1))
    inside = (place >= first - half) & (place < last + half)
    place = place if place > low else low
    place = place if place < high else high
    cell = int32(place)
    return cell, int32((place - float32(cell)) * float32(256.0)), inside


@inlined
def located(u, v, first, last, cells_side):  # type: ignore[no-untyped-def]
    """Return (place of the upper left of the four cells around, share of the right ones, of the lower ones).

    A point outside the object is given the empty cells past their end. `first` and `last` are those of `lay_resized`.
    """
    pitch = int32(cells_side + 1)
    left, right, within_u = _held(u, first[0], last[0], cells_side)
    top, low, within_v = _held(v, first[1], last[1], cells_side)
    place = int32(int32(top * pitch) + left)
    return uint32(place if within_u & within_v else int32(pitch * int32(pitch - 1))), right, low


@inlined
def colour_at(cells, pitch, place, right, low):  # type: ignore[no-untyped-def]
    """Return the packed colour at a point that was located, 0 for none; the pitch of the cells is uint64."""
    place, one, right = uint64(place), uint64(1), uint32(right)
    c00, c10 = cells[place], cells[place + one]
    c01, c11 = cells[place + pitch], cells[place + pitch + one]
    colour = uint32(0)
    if (c00 | c10 | c01 | c11) != uint32(0):
        colour = mixed(mixed(c00, c10, right), mixed(c01, c11, right), uint32(low))
    return colour


@inner
def _locate(back, line, first, last, cells_side, columns, lookup):  # type: ignore[no-untyped-def]
    """Find each pixel of part of a line in an object's cells; one outside is given the empty ones past their end."""
    begin_u = back[0, 1] * float32(line) + back[0, 2]
    begin_v = back[1, 1] * float32(line) + back[1, 2]
    a, d = back[0, 0], back[1, 0]
    place_W, right_W, low_W = lookup.place_W, lookup.right_W, lookup.low_W
    begin = uint64(columns[0])
    for x in range(uint64(columns[1]) - begin):
        along = float32(int32(x + begin))
        u, v = a * along + begin_u, d * along + begin_v
        place_W[x], right_W[x], low_W[x] = located(u, v, first, last, cells_side)


@inner
def _lay_turned(cells, cells_side, back, first, last, ink, lines, columns, side, canvas, lookup):  # type: ignore[no-untyped-def]
    """Lay an object over part of the canvas. Arguments are those of `lay_resized`."""
    pitch, begin = uint64(cells_side + 1), uint64(columns[0])
    place_W, right_W, low_W = lookup.place_W, lookup.right_W, lookup.low_W
    for line in range(lines[0], lines[1]):
        _locate(back, line, first, last, cells_side, columns, lookup)
        out_W = canvas[line * side : (line + 1) * side]
        for x in range(uint64(columns[1]) - begin):
            colour = colour_at(cells, pitch, place_W[x], right_W[x], low_W[x])
            if colour != uint32(0):
                out_W[begin + x] = ink if ink != uint32(0) else colour


@inner
def _mix_line(lookup, out_W):  # type: ignore[no-untyped-def]
    left_W, next_W, right_W = lookup.left_W, lookup.next_W, lookup.right_W
    for x in range(uint64(len(out_W))):
        out_W[x] = mixed(left_W[x], next_W[x], uint32(right_W[x]))


@inner
def _resize_line(cells_W, wide, lookup, out_W):  # type: ignore[no-untyped-def]
    """Write a line of cells, looked up between cells at the places found."""
    place_W, left_W, next_W = lookup.place_W, lookup.left_W, lookup.next_W
    for x in range(uint64(wide)):
        place = uint64(place_W[x])
        left_W[x], next_W[x] = cells_W[place], cells_W[place + uint64(1)]
    _mix_line(lookup, out_W)


@inner
def _lay_between(upper_W, lower_W, low, ink, out_W):  # type: ignore[no-untyped-def]
    """Lay the mixture of two lines over a third, `low` of 256 of the lower one."""
    share = uint32(low)
    for x in range(uint64(len(out_W))):
        colour = mixed(upper_W[x], lower_W[x], share)
        shown = ink if ink != uint32(0) else colour
        out_W[x] = shown if colour != uint32(0) else out_W[x]


@inner
def _lay_upright(cells, cells_side, back, first, last, ink, lines, columns, side, canvas, lookup):  # type: ignore[no-untyped-def]
    """Lay an object that is not turned, each line of cells resized once. Arguments are those of `lay_resized`."""
    pitch, begin, wide = cells_side + 1, uint64(columns[0]), columns[1] - columns[0]
    place_W, right_W = lookup.place_W, lookup.right_W
    for x in range(uint64(wide)):
        u = back[0, 0] * float32(int32(x + begin)) + back[0, 2]
        left, right, inside = _held(u, first[0], last[0], cells_side)
        # outside, the empty column past the last, and nothing of what follows
        place_W[x], right_W[x] = uint32(left if inside else int32(cells_side)), right if inside else int32(0)
    upper_W, lower_W, held = lookup.upper_W[:wide], lookup.lower_W[:wide], -2
    for line in range(lines[0], lines[1]):
        top, low, inside = _held(back[1, 1] * float32(line) + back[1, 2], first[1], last[1], cells_side)
        if not inside:
            continue
        if top == held + 1:
            upper_W, lower_W = lower_W, upper_W
        elif top != held:
            _resize_line(cells[top * pitch :], wide, lookup, upper_W)
        if top != held:
            _resize_line(cells[(top + 1) * pitch :], wide, lookup, lower_W)
        held = int(top)
        _lay_between(upper_W, lower_W, low, ink, canvas[line * side + columns[0] : line * side + columns[1]])


@inner
def lay_resized(cells, cells_side, back, first, last, ink, lines, columns, side, canvas, lookup):  # type: ignore[no-untyped-def]
    """Lay an object over part of the canvas, its cells looked up between cells, as OpenCV resizes.

    Args:
        cells: uint32, from `density.colour_cells`.
        cells_side: cells a side.
        back: float32 [2, 3], from the canvas's pixel indices to cells' indices.
        first: float32 (x, y), of the first cell of the whole object, and
        last: of the last one: half a cell beyond them it ends.
        ink: drawn instead of colours, where it is not 0.
        lines: range of the canvas.
        columns: range of the canvas.
        side: of the canvas.
        canvas: uint32, flat.
        lookup: scratch.
    """
    if back[0, 1] == 0 and back[1, 0] == 0:
        _lay_upright(cells, cells_side, back, first, last, ink, lines, columns, side, canvas, lookup)
    else:
        _lay_turned(cells, cells_side, back, first, last, ink, lines, columns, side, canvas, lookup)
