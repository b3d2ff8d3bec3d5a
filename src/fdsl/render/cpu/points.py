"""Points on a canvas: where they fall, and what ink they leave.

The canvas has a border of one pixel, so that a patch whose middle lies just outside still shows, and one cell more at
the end that takes every other point. A cell holds a `mark`: the last point's number + 1 in the high bits and, in
the low nine, the 3x3 patch around it, bit 3 * line + column.
"""

from __future__ import annotations

from numba import float32, int32, njit, uint8, uint32

PATCH_BITS = 9
MIDDLE = 1 << 4
PATCHES = 511


@njit
def mark_cells(x_R, y_R, place, side, cell_R):  # type: ignore[no-untyped-def]
    """Write each point's cell. `place` is float32 [2, 3] to pixels; the pixel is the floor."""
    a, b, c = place[0, 0], place[0, 1], place[0, 2] + float32(1.0)
    d, e, f = place[1, 0], place[1, 1], place[1, 2] + float32(1.0)
    pitch = int32(side + 2)
    end = float32(pitch)
    outside = int32(pitch * pitch)
    for orbit in range(len(cell_R)):
        u = a * x_R[orbit] + b * y_R[orbit] + c
        v = d * x_R[orbit] + e * y_R[orbit] + f
        inside = (u >= float32(0.0)) & (u < end) & (v >= float32(0.0)) & (v < end)
        cell_R[orbit] = int32(v) * pitch + int32(u) if inside else outside


@njit(inline="always")
def patch_of(choice):  # type: ignore[no-untyped-def]
    """Return one of the 511 non-empty patterns for 16 random bits."""
    return uint32(1) + ((choice * uint32(PATCHES)) >> uint32(16))


@njit
def point_to_gray(marks, side, value, gray):  # type: ignore[no-untyped-def]
    """Write `value` where a point fell. marks: uint32 [(side + 2)^2 + 1]; gray: uint8 [side^2]."""
    for line in range(side):
        begin = (line + 1) * (side + 2) + 1
        for x in range(side):
            gray[line * side + x] = value if marks[begin + x] != 0 else uint8(0)


@njit
def or_to_gray(marks, side, value, gray):  # type: ignore[no-untyped-def]
    """Write `value` where any patch has a bit set."""
    pitch = side + 2
    for line in range(side):
        begin = (line + 1) * pitch + 1
        for x in range(side):
            lit = uint32(0)
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    bit = uint32(3 * (1 - dy) + (1 - dx))
                    lit |= marks[begin + x + dy * pitch + dx] >> bit
            gray[line * side + x] = value if (lit & uint32(1)) != 0 else uint8(0)


@njit
def paste_top(marks, side, top):  # type: ignore[no-untyped-def]
    """Write the mark whose patch lies on top of each pixel, its low bits 1 if the patch is lit there and else 0.

    Of the points of one cell only the last can show, and of the nine cells around a pixel the one with the highest
    number does: pasting in order is a maximum.
    """
    pitch = side + 2
    for line in range(side):
        begin = (line + 1) * pitch + 1
        for x in range(side):
            best = uint32(0)
            for dy in range(-1, 2):
                for dx in range(-1, 2):
                    bit = uint32(3 * (1 - dy) + (1 - dx))
                    mark = marks[begin + x + dy * pitch + dx]
                    shown = ((mark >> uint32(PATCH_BITS)) << uint32(1)) | ((mark >> bit) & uint32(1))
                    best = shown if shown > best else best
            top[line * side + x] = best


@njit
def point_top(marks, side, top):  # type: ignore[no-untyped-def]
    """Write each pixel's last point in the form of `paste_top`."""
    for line in range(side):
        begin = (line + 1) * (side + 2) + 1
        for x in range(side):
            mark = marks[begin + x]
            top[line * side + x] = ((mark >> uint32(PATCH_BITS)) << uint32(1)) | uint32(mark != 0)


@njit
def top_to_gray(top, value, gray):  # type: ignore[no-untyped-def]
    """Write `value` where the topmost patch is lit."""
    for pixel in range(len(gray)):
        gray[pixel] = value if (top[pixel] & uint32(1)) != 0 else uint8(0)


@njit
def top_to_colour(top, palette, channel, plane):  # type: ignore[no-untyped-def]
    """Write one channel of the topmost point's colour, black where its patch is not lit.

    A hue follows the other along an orbit, as the published hue follows the point number; number p is step p div
    ORBITS of orbit p mod ORBITS, and there are as many hues as orbits.
    """
    hues = uint32(len(palette))
    for pixel in range(len(plane)):
        number = (top[pixel] >> uint32(1)) - uint32(1)
        plane[pixel] = (
            palette[(number + number // hues) % hues, channel] if (top[pixel] & uint32(1)) != 0 else uint8(0)
        )
