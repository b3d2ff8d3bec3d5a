"""Points on a canvas: where they fall, and what ink they leave.

A plain point lights its pixel. A patch is nine bits, bit 3 * line + column, and leaves a *mark* in the cell of its
middle: the bits themselves where patches are merged, and below the point's number + 1 where later ones cover earlier
ones. A pass over the finished marks then asks, for each pixel, the nine cells around it. Marks have a border of one
cell, so that a patch whose middle lies just outside still shows. One cell past the end takes every other point.
"""

from __future__ import annotations

from numba import float32, int32, uint8, uint16, uint32, uint64

from fdsl.compiled import inlined, inner

PATCH_BITS = 9
PATCHES = 511
INK_BITS = 16


@inlined
def way_to_cells(place, border):  # type: ignore[no-untyped-def]
    """Return the six numbers of a placement, float32 [2, 3] to pixels, for cells with that border, three an axis."""
    margin = float32(border)
    return (place[0, 0], place[0, 1], place[0, 2] + margin), (place[1, 0], place[1, 1], place[1, 2] + margin)


@inlined
def cell_of(way, pitch, x, y):  # type: ignore[no-untyped-def]
    """Return the cell, int32, of a point on `pitch` cells a side, int32: of the floor, or the one past the end."""
    u = way[0][0] * x + way[0][1] * y + way[0][2]
    v = way[1][0] * x + way[1][1] * y + way[1][2]
    end, outside = float32(pitch), int32(pitch * pitch)
    inside = (u >= float32(0.0)) & (u < end) & (v >= float32(0.0)) & (v < end)
    return int32(int32(int32(v) * pitch) + int32(u)) if inside else outside


@inner
def find_cells(x_R, y_R, place, side, border, cell_R):  # type: ignore[no-untyped-def]
    """Write each point's cell. `place` is float32 [2, 3] to pixels; the pixel is the floor."""
    way, pitch = way_to_cells(place, border), int32(side + 2 * border)
    for orbit in range(uint64(len(cell_R))):
        cell_R[orbit] = cell_of(way, pitch, x_R[orbit], y_R[orbit])


@inlined
def patch_of(half):  # type: ignore[no-untyped-def]
    """Return the patch that 16 random bits are, uint32."""
    return uint32(uint32(1) + ((uint32(half) * uint32(PATCHES)) >> uint32(16)))


@inlined
def number_mark(number):  # type: ignore[no-untyped-def]
    """Return the mark of a plain point with that number + 1."""
    return uint32(uint32(uint32(number) << uint32(1)) | uint32(1))


@inlined
def covering_mark(number, patch):  # type: ignore[no-untyped-def]
    """Return the mark of a patch that covers those of points with lower numbers + 1."""
    return uint32(uint32(uint32(number) << uint32(PATCH_BITS)) | uint32(patch))


@inner
def find_patches(halves, patches):  # type: ignore[no-untyped-def]
    """Write one of the 511 non-empty patches for each 16 random bits, uint16."""
    for i in range(uint64(len(halves))):
        patches[i] = uint16(patch_of(halves[i]))


@inner
def put_value(canvas, cell_R, count, value):  # type: ignore[no-untyped-def]
    """Light the pixels of the first `count` points."""
    for orbit in range(uint64(count)):
        canvas[uint32(cell_R[orbit])] = value


@inner
def put_nearest(nearest, cell_P, depth_P, count):  # type: ignore[no-untyped-def]
    """Keep each pixel's least depth, float32."""
    for p in range(uint64(count)):
        cell, depth = uint32(cell_P[p]), depth_P[p]
        nearest[cell] = depth if depth < nearest[cell] else nearest[cell]


@inlined
def nearest_key(depth, ink):  # type: ignore[no-untyped-def]
    """Return the key, uint64, of a point whose depth rises with that integer."""
    return uint64(uint64(depth) << uint64(INK_BITS)) | uint64(ink)


@inner
def put_nearest_inks(keys, cell_P, depth_P, ink_P, count):  # type: ignore[no-untyped-def]
    """Keep each pixel's least key, uint64: the bits of a positive depth, which rise with it, above the point's ink.

    One minimum a point: with a branch, or depths and inks apart, a drawing took a third longer.
    """
    for p in range(uint64(count)):
        cell = uint32(cell_P[p])
        key = nearest_key(depth_P[p], ink_P[p])
        keys[cell] = key if key < keys[cell] else keys[cell]


@inner
def put_numbers(marks, cell_R, count, number):  # type: ignore[no-untyped-def]
    """Mark the points' pixels with their numbers, from `number` on, in the form of `covering_line`."""
    for orbit in range(uint64(count)):
        marks[uint32(cell_R[orbit])] = number_mark(number + orbit)


@inner
def put_merging(marks, cell_R, count, patch_R, odd):  # type: ignore[no-untyped-def]
    """Add the points' patches to what is there, uint16 marks; patch_R holds those of two steps in turn."""
    for orbit in range(uint64(count)):
        marks[uint32(cell_R[orbit])] |= patch_R[orbit + orbit + odd]


@inner
def put_covering(marks, cell_R, count, patch_R, odd, number):  # type: ignore[no-untyped-def]
    """Lay the points' patches over what is there, uint32 marks."""
    for orbit in range(uint64(count)):
        marks[uint32(cell_R[orbit])] = covering_mark(number + orbit, patch_R[orbit + orbit + odd])


@inlined
def is_merged(above, here, below, x):  # type: ignore[no-untyped-def]
    """Return whether any patch has a bit set at a pixel: x of it, and the lines of marks around, borders included."""
    x1, x2 = x + uint64(1), x + uint64(2)
    lit = uint16(above[x] >> uint16(8)) | uint16(above[x1] >> uint16(7)) | uint16(above[x2] >> uint16(6))
    lit |= uint16(here[x] >> uint16(5)) | uint16(here[x1] >> uint16(4)) | uint16(here[x2] >> uint16(3))
    lit |= uint16(below[x] >> uint16(2)) | uint16(below[x1] >> uint16(1)) | uint16(below[x2])
    return (lit & uint16(1)) != uint16(0)


@inner
def merging_line(marks, pitch, line, value, empty, gray_W):  # type: ignore[no-untyped-def]
    """Write `value` where any patch has a bit set, and `empty` elsewhere."""
    begin = (line + 1) * pitch
    above, here, below = (
        marks[begin - pitch : begin],
        marks[begin : begin + pitch],
        marks[begin + pitch : begin + 2 * pitch],
    )
    for x in range(uint64(len(gray_W))):
        gray_W[x] = value if is_merged(above, here, below, x) else empty


@inlined
def _shown(mark, bit):  # type: ignore[no-untyped-def]
    """Return the number of the mark's point and, in bit 0, whether that bit of its patch is set."""
    number = uint32(uint32(mark >> uint32(PATCH_BITS)) << uint32(1))
    return uint32(number | uint32(uint32(mark >> uint32(bit)) & uint32(1)))


@inlined
def _later(a, b):  # type: ignore[no-untyped-def]
    return a if a > b else b


@inlined
def topmost(above, here, below, x):  # type: ignore[no-untyped-def]
    """Return which patch lies on top of a pixel, uint32: its point's number * 2, + 1 if the patch is lit there.

    Of the points of one cell only the last can show, and of the nine cells around a pixel the one with the highest
    number does: pasting in order is a maximum.

    Args:
        above: marks of the line above, borders included.
        here: marks of the pixel's line.
        below: marks of the line below.
        x: of the pixel, uint64.
    """
    x1, x2 = x + uint64(1), x + uint64(2)
    top = _later(_shown(above[x], 8), _later(_shown(above[x1], 7), _shown(above[x2], 6)))
    top = _later(top, _later(_shown(here[x], 5), _later(_shown(here[x1], 4), _shown(here[x2], 3))))
    return _later(top, _later(_shown(below[x], 2), _later(_shown(below[x1], 1), _shown(below[x2], 0))))


@inlined
def is_lit(top):  # type: ignore[no-untyped-def]
    """Return whether the topmost patch is lit."""
    return (top & uint32(1)) != uint32(0)


@inlined
def hue_of(top, hues):  # type: ignore[no-untyped-def]
    """Return the place in the palette of the topmost point's colour.

    A hue follows the other along an orbit, as the published hue follows the point number; number p is step p div
    ORBITS of orbit p mod ORBITS, and there are as many hues as orbits.
    """
    number = uint32(top >> uint32(1)) - uint32(1)
    return (number + number // hues) % hues


@inner
def covering_line(marks, pitch, line, top_W):  # type: ignore[no-untyped-def]
    """Write which patch lies on top of each pixel, as `topmost` says."""
    begin = (line + 1) * pitch
    above, here, below = (
        marks[begin - pitch : begin],
        marks[begin : begin + pitch],
        marks[begin + pitch : begin + 2 * pitch],
    )
    for x in range(uint64(len(top_W))):
        top_W[x] = topmost(above, here, below, x)


@inner
def number_line(marks, pitch, line, top_W):  # type: ignore[no-untyped-def]
    """Write the last point of each pixel in the form of `covering_line`, from the marks of `put_numbers`."""
    begin = (line + 1) * pitch + 1
    for x in range(uint64(len(top_W))):
        top_W[x] = marks[begin + x]


@inner
def gray_line(top_W, value, empty, gray_W):  # type: ignore[no-untyped-def]
    """Write `value` where the topmost patch is lit, and `empty` elsewhere."""
    for x in range(uint64(len(gray_W))):
        gray_W[x] = value if is_lit(top_W[x]) else empty


@inner
def colour_line(top_W, palette_C, empty, plane_W):  # type: ignore[no-untyped-def]
    """Write one channel of the topmost point's colour, `empty` where its patch is not lit."""
    hues = uint32(len(palette_C))
    for x in range(uint64(len(plane_W))):
        hue = palette_C[hue_of(top_W[x], hues)]
        plane_W[x] = hue if is_lit(top_W[x]) else uint8(empty)
