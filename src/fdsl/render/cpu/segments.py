"""One-pixel lines, pixel for pixel those of Pillow's `ImageDraw.line`.

A segment draws n = max(|dx|, |dy|) pixels, its start included and its end not. Pixel i lies i along the major axis and
floor((2 i m + n) / (2 n)) along the minor one, m the minor extent: half rounds away from the start, so the direction
matters. |dx| = |dy| counts as vertical-major.

Segments that lie wholly on the canvas, nearly all, take their minor offset from a sum of 22-bit fixed-point slopes: a
slope rounded up is off by less than 2^-22 a pixel and the offset never nearer to the next integer than 1 / 2n, so
that the sum is exact while 2 n^2 < 2^22. The others are clipped in integers, in the phase they have on the whole segment.
"""

from __future__ import annotations

from numba import float64, int32, int64, njit, uint32, uint64

from fdsl.geometry.radial import LANES

PLANES = 4
"""Of a table of segments: length, slope, pitch along and pitch across, int32."""
FRACTION = 22
HALF = 1 << (FRACTION - 1)
LONGEST = 1023
"""Pixels of a segment drawn in fixed point: its minor extent fits the 10 bits above the fraction."""


@njit(inline="always")
def _ceil_div(a, b):  # type: ignore[no-untyped-def]
    return -((-a) // b)


@njit
def _clip_major(start, step, n, side):  # type: ignore[no-untyped-def]
    """Return the first and one past the last i in 0..n-1 with start + step * i in 0..side-1; step is 1 or -1."""
    if step > 0:
        return max(int64(0), -start), min(n, side - start)
    return max(int64(0), start - side + 1), min(n, start + 1)


@njit
def _clip_minor(start, step, n, m, side):  # type: ignore[no-untyped-def]
    """The same for the minor axis: start + step * floor((2 i m + n) / (2 n))."""
    if m == 0:
        return int64(0), n if 0 <= start < side else int64(0)
    if step > 0:
        least, most = max(int64(0), -start), side - 1 - start
    else:
        least, most = max(int64(0), start - side + 1), start
    if most < 0:
        return int64(0), int64(0)
    first = max(int64(0), _ceil_div(2 * n * least - n, 2 * m))
    last = min(n, _ceil_div(2 * n * (most + 1) - n, 2 * m))
    return first, last


@njit
def _walk(canvas, place, along, across, count, error, n, m, gray):  # type: ignore[no-untyped-def]
    """Draw `count` pixels from `place` on; `error` is (2 i m + n) mod 2 n at the first."""
    for _ in range(count):
        canvas[place] = gray
        error += 2 * m
        over = error >= 2 * n
        place += along + (across if over else 0)
        error -= 2 * n if over else 0


@njit
def _draw_clipped(canvas, major, step_major, pitch_major, minor, step_minor, pitch_minor, n, m, side, gray):  # type: ignore[no-untyped-def]
    """Draw the pixels on the canvas of a segment that leaves it, in the phase they have on the whole segment."""
    first, last = _clip_major(major, step_major, n, side)
    first_minor, last_minor = _clip_minor(minor, step_minor, n, m, side)
    first, last = max(first, first_minor), min(last, last_minor)
    if first >= last:
        return
    error = 2 * first * m + n
    shift = error // (2 * n)
    place = (major + step_major * first) * pitch_major + (minor + step_minor * shift) * pitch_minor
    error -= shift * 2 * n
    _walk(canvas, place, step_major * pitch_major, step_minor * pitch_minor, last - first, error, n, m, gray)


@njit
def _draw_segment(canvas, side, x0, y0, x1, y1, gray):  # type: ignore[no-untyped-def]
    """Draw from (x0, y0) up to but not (x1, y1) on a flat uint8 canvas of side^2 pixels; int64 coordinates."""
    dx, dy = x1 - x0, y1 - y0
    wide, high = abs(dx), abs(dy)
    step_x, step_y = (1 if dx >= 0 else -1), (1 if dy >= 0 else -1)
    if wide > high:
        _draw_clipped(canvas, x0, step_x, 1, y0, step_y, side, wide, high, side, gray)
    else:
        _draw_clipped(canvas, y0, step_y, side, x0, step_x, 1, high, wide, side, gray)


@njit
def prepare_segments(x_V, y_V, side, segments_PV):  # type: ignore[no-untyped-def]
    """Describe the segments from each vertex to the next: int32 [V + 1] pixels in, [PLANES, V] out, V whole LANES.

    A length is negative for a segment that leaves the canvas, or is too long for fixed point, and 0 for one that cannot
    be seen.
    """
    length_V, slope_V, along_V, across_V = segments_PV[0], segments_PV[1], segments_PV[2], segments_PV[3]
    edge = int32(side)
    for first in range(uint64(0), uint64(len(x_V) - 1), uint64(LANES)):
        for lane in range(LANES):
            v = first + uint64(lane)
            x0, y0, x1, y1 = x_V[v], y_V[v], x_V[v + uint64(1)], y_V[v + uint64(1)]
            wide, high = int32(abs(x1 - x0)), int32(abs(y1 - y0))
            step_x, step_y = int32(1) if x1 >= x0 else int32(-1), edge if y1 >= y0 else int32(-edge)
            flat = wide > high
            n, m = (wide if flat else high), (high if flat else wide)
            ratio = float64(m) * float64(1 << FRACTION) / float64(max(n, int32(1)))
            slope = int32(ratio)
            slope_V[v] = slope + (int32(1) if float64(slope) < ratio else int32(0))
            along_V[v], across_V[v] = (step_x if flat else step_y), (step_y if flat else step_x)
            left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
            inside = (left >= 0) & (right < edge) & (top >= 0) & (bottom < edge) & (n <= LONGEST)
            seen = (right >= 0) & (left < edge) & (bottom >= 0) & (top < edge)
            length_V[v] = n if inside else (int32(-n) if seen else int32(0))


@njit
def draw_segments(canvas, side, x_V, y_V, vertices, segments_PV, gray):  # type: ignore[no-untyped-def]
    """Draw a closed polygon from its table of segments; one that is a single pixel draws that pixel."""
    length_V, slope_V, along_V, across_V = segments_PV[0], segments_PV[1], segments_PV[2], segments_PV[3]
    if 0 <= x_V[0] < side and 0 <= y_V[0] < side:
        canvas[y_V[0] * side + x_V[0]] = gray
    for v in range(uint64(vertices)):
        n = length_V[v]
        if n > 0:
            place, along, across = int32(y_V[v] * side + x_V[v]), along_V[v], across_V[v]
            offset, slope = uint32(HALF), uint32(slope_V[v])
            for _ in range(n):
                canvas[uint32(place + across * int32(offset >> uint32(FRACTION)))] = gray
                place = int32(place + along)
                offset = uint32(offset + slope)
        elif n < 0:
            after = v + uint64(1)
            _draw_segment(canvas, side, int64(x_V[v]), int64(y_V[v]), int64(x_V[after]), int64(y_V[after]), gray)
