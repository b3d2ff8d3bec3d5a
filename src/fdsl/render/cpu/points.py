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


@inner
def find_cells(x_R, y_R, place, side, border, cell_R):  # type: ignore[no-untyped-def]
    """Write each point's cell. `place` is float32 [2, 3] to pixels; the pixel is the floor."""
    margin = float32(border)
    a, b, c = place[0, 0], place[0, 1], place[0, 2] + margin
    d, e, f = place[1, 0], place[1, 1], place[1, 2] + margin
    pitch = int32(side + 2 * border)
    end = float32(pitch)
    outside = int32(pitch * pitch)
    for orbit in range(uint64(len(cell_R))):
        u = a * x_R[orbit] + b * y_R[orbit] + c
        v = d * x_R[orbit] + e * y_R[orbit] + f
        inside = (u >= float32(0.0)) & (u < end) & (v >= float32(0.0)) & (v < end)
        cell_R[orbit] = int32(int32(int32(v) * pitch) + int32(u)) if inside else outside


@inner
def find_patches(halves, patches):  # type: ignore[no-untyped-def]
    """Write one of the 511 non-empty patches for each 16 random bits, uint16."""
    for i in range(uint64(len(halves))):
        patches[i] = uint16(uint32(1) + ((uint32(halves[i]) * uint32(PATCHES)) >> uint32(16)))


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


@inner
def put_nearest_inks(keys, cell_P, depth_P, ink_P, count):  # type: ignore[no-untyped-def]
    """Keep each pixel's least key, uint64: the bits of a positive depth, which rise with it, above the point's ink.

    One minimum a point: with a branch, or depths and inks apart, a drawing took a third longer.
    """
    for p in range(uint64(count)):
        cell = uint32(cell_P[p])
        key = uint64(uint64(depth_P[p]) << uint64(INK_BITS)) | uint64(ink_P[p])
        keys[cell] = key if key < keys[cell] else keys[cell]


@inner
def put_numbers(marks, cell_R, count, number):  # type: ignore[no-untyped-def]
    """Mark the points' pixels with their numbers, from `number` on, in the form of `covering_line`."""
    for orbit in range(uint64(count)):
        marks[uint32(cell_R[orbit])] = uint32(uint32(uint32(number + orbit) << uint32(1)) | uint32(1))


@inner
def put_merging(marks, cell_R, count, patch_R, odd):  # type: ignore[no-untyped-def]
    """Add the points' patches to what is there, uint16 marks; patch_R holds those of two steps in turn."""
    for orbit in range(uint64(count)):
        marks[uint32(cell_R[orbit])] |= patch_R[orbit + orbit + odd]


@inner
def put_covering(marks, cell_R, count, patch_R, odd, number):  # type: ignore[no-untyped-def]
    """Lay the points' patches over what is there, uint32 marks."""
    for orbit in range(uint64(count)):
        mark = uint32(uint32(number + orbit) << uint32(PATCH_BITS)) | uint32(patch_R[orbit + orbit + odd])
        marks[uint32(cell_R[orbit])] = mark


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
        x1, x2 = x + uint64(1), x + uint64(2)
        lit = uint16(above[x] >> uint16(8)) | uint16(above[x1] >> uint16(7)) | uint16(above[x2] >> uint16(6))
        lit |= uint16(here[x] >> uint16(5)) | uint16(here[x1] >> uint16(4)) | uint16(here[x2] >> uint16(3))
        lit |= uint16(below[x] >> uint16(2)) | uint16(below[x1] >> uint16(1)) | below[x2]
        gray_W[x] = value if (lit & uint16(1)) != uint16(0) else empty


@inlined
def _shown(mark, bit):  # type: ignore[no-untyped-def]
    """Return the number of the mark's point and, in bit 0, whether that bit of its patch is set."""
    number = uint32(uint32(mark >> uint32(PATCH_BITS)) << uint32(1))
    return uint32(number | uint32(uint32(mark >> uint32(bit)) & uint32(1)))


@inlined
def _later(a, b):  # type: ignore[no-untyped-def]
    return a if a > b else b


@inner
def covering_line(marks, pitch, line, top_W):  # type: ignore[no-untyped-def]
    """Write which patch lies on top of each pixel: its point's number * 2, + 1 if the patch is lit there.

    Of the points of one cell only the last can show, and of the nine cells around a pixel the one with the highest
    number does: pasting in order is a maximum.
    """
    begin = (line + 1) * pitch
    above, here, below = (
        marks[begin - pitch : begin],
        marks[begin : begin + pitch],
        marks[begin + pitch : begin + 2 * pitch],
    )
    for x in range(uint64(len(top_W))):
        x1, x2 = x + uint64(1), x + uint64(2)
        top = _later(_shown(above[x], 8), _later(_shown(above[x1], 7), _shown(above[x2], 6)))
        top = _later(top, _later(_shown(here[x], 5), _later(_shown(here[x1], 4), _shown(here[x2], 3))))
        top_W[x] = _later(
            top, _later(_shown(below[x], 2), _later(_shown(below[x1], 1), _shown(below[x2], 0)))
        )


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
        gray_W[x] = value if (top_W[x] & uint32(1)) != uint32(0) else empty


@inner
def colour_line(top_W, palette_C, empty, plane_W):  # type: ignore[no-untyped-def]
    """Write one channel of the topmost point's colour, `empty` where its patch is not lit.

    A hue follows the other along an orbit, as the published hue follows the point number; number p is step p div
    ORBITS of orbit p mod ORBITS, and there are as many hues as orbits.
    """
    hues = uint32(len(palette_C))
    for x in range(uint64(len(plane_W))):
        number = uint32(top_W[x] >> uint32(1)) - uint32(1)
        hue = palette_C[(number + number // hues) % hues]
        plane_W[x] = hue if (top_W[x] & uint32(1)) != uint32(0) else uint8(empty)
