"""One-pixel lines, pixel for pixel those of Pillow's `ImageDraw.line`.

A segment draws n = max(|dx|, |dy|) pixels, its start included and its end not. Pixel i lies i along the major axis and
floor((2 i m + n) / (2 n)) along the minor one, m the minor extent: half rounds away from the start, so the direction
matters. |dx| = |dy| counts as vertical-major.

The minor offset is a sum of 22-bit fixed-point slopes. A slope is above the true one by less than 2 units of 2^-22, and
the offset never nearer to the next integer than 1 / 2n, so that its floor is exact while 4 n^2 < 2^22. Longer segments,
which only zooms and canvases over 1,024 pixels have, are clipped and drawn in integers.

Three of four segments are shorter than five pixels, and a loop of so few turns costs more in mispredicted exits than
in pixels. Their places are found by vectors and written without a question: in a closed polygon pixel n of a segment is
pixel 0 of the next, so that going on to it, and staying there, changes nothing.
"""

from __future__ import annotations

from numba import float32, int32, int64, uint32, uint64

from fdsl.compiled import VECTOR, inlined, inner

SHORT = 4
"""Pixels of every segment whose places are found beforehand."""
PLANES = 4 + SHORT
"""Of a table of segments: length, slope, pitch along and pitch across, and the cells of the first pixels, int32."""
FRACTION = 22
HALF = 1 << (FRACTION - 1)
LONGEST = 1023
"""Pixels of a segment drawn in fixed point: its minor extent fits the 10 bits above the fraction."""


@inlined
def ceil_div(a, b):  # type: ignore[no-untyped-def]
    return -((-a) // b)


@inner
def _clip_major(start, step, n, side):  # type: ignore[no-untyped-def]
    """Return the first and one past the last i in 0..n-1 with start + step * i in 0..side-1; step is 1 or -1."""
    if step > 0:
        return max(int64(0), -start), min(n, side - start)
    return max(int64(0), start - side + 1), min(n, start + 1)


@inner
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
    first = max(int64(0), ceil_div(2 * n * least - n, 2 * m))
    last = min(n, ceil_div(2 * n * (most + 1) - n, 2 * m))
    return first, last


@inner
def _walk(canvas, place, along, across, count, error, n, m, gray):  # type: ignore[no-untyped-def]
    """Draw `count` pixels from `place` on; `error` is (2 i m + n) mod 2 n at the first."""
    for _ in range(count):
        canvas[place] = gray
        error += 2 * m
        over = error >= 2 * n
        place += along + (across if over else 0)
        error -= 2 * n if over else 0


@inner
def draw_long(
    canvas, major, step_major, pitch_major, minor, step_minor, pitch_minor, n, m, side, gray
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Draw the pixels on the canvas, up to but not the last, of a segment of any length that may leave it, in the phase
    they have on the whole segment."""
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


@inlined
def segment(x0, y0, x1, y1, edge):  # type: ignore[no-untyped-def]
    """Describe the segment between two pixels, all int32, on a canvas of side `edge`.

    Returns:
        Its length, slope, pitch along and pitch across, int32; whether it lies on the canvas and is short enough for
        fixed point, and whether anything of it may be seen.
    """
    wide, high = int32(abs(x1 - x0)), int32(abs(y1 - y0))
    step_x, step_y = int32(1) if x1 >= x0 else int32(-1), edge if y1 >= y0 else int32(-edge)
    flat = wide > high
    n, m = (wide if flat else high), (high if flat else wide)
    # the quotient is off by 1/8 at most, so that its successor is above the true slope by at most 9/8
    slope = int32(int32(float32(m) * float32(1 << FRACTION) / float32(max(n, int32(1)))) + int32(1))
    left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    inside = (left >= 0) & (right < edge) & (top >= 0) & (bottom < edge) & (n <= LONGEST)
    seen = (right >= 0) & (left < edge) & (bottom >= 0) & (top < edge)
    return n, slope, (step_x if flat else step_y), (step_y if flat else step_x), inside, seen


@inner
def prepare_segments(x_V, y_V, side, segments_PV):  # type: ignore[no-untyped-def]
    """Describe the segments from each vertex to the next: int32 [V + 1] pixels in, [PLANES, V] out, V whole VECTOR.

    A length is negative for a segment that leaves the canvas, or is too long for fixed point, and 0 for one that cannot
    be seen. The first cells of all these are the one past the canvas.
    """
    length_V, slope_V, along_V, across_V = segments_PV[0], segments_PV[1], segments_PV[2], segments_PV[3]
    cell_0_V, cell_1_V, cell_2_V, cell_3_V = segments_PV[4], segments_PV[5], segments_PV[6], segments_PV[7]
    edge = int32(side)
    nowhere = int32(side * side)
    for first in range(uint64(0), uint64(len(x_V) - 1), uint64(VECTOR)):
        for lane in range(VECTOR):
            v = first + uint64(lane)
            x0, y0, x1, y1 = x_V[v], y_V[v], x_V[v + uint64(1)], y_V[v + uint64(1)]
            n, slope, along, across, inside, seen = segment(x0, y0, x1, y1, edge)
            slope_V[v], along_V[v], across_V[v] = slope, along, across
            length_V[v] = n if inside else (int32(-n) if seen else int32(0))
            start = int32(int32(y0 * edge) + x0)
            cell_0_V[v] = start if inside else nowhere
            cell_1_V[v] = _cell(start, along, across, slope, min(n, int32(1))) if inside else nowhere
            cell_2_V[v] = _cell(start, along, across, slope, min(n, int32(2))) if inside else nowhere
            cell_3_V[v] = _cell(start, along, across, slope, min(n, int32(3))) if inside else nowhere


@inlined
def _cell(start, along, across, slope, i):  # type: ignore[no-untyped-def]
    """Return where pixel i of a segment lies."""
    shift = int32(uint32(uint32(HALF) + uint32(uint32(i) * uint32(slope))) >> uint32(FRACTION))
    return int32(int32(start + int32(i * along)) + int32(shift * across))


@inner
def draw_segments(canvas, side, x_V, y_V, vertices, segments_PV, gray):  # type: ignore[no-untyped-def]
    """Draw a closed polygon from its table of segments, on a canvas of side^2 + 1 cells."""
    length_V, slope_V, along_V, across_V = segments_PV[0], segments_PV[1], segments_PV[2], segments_PV[3]
    cell_0_V, cell_1_V, cell_2_V, cell_3_V = segments_PV[4], segments_PV[5], segments_PV[6], segments_PV[7]
    for v in range(uint64(vertices)):
        canvas[uint32(cell_0_V[v])] = gray
        canvas[uint32(cell_1_V[v])] = gray
        canvas[uint32(cell_2_V[v])] = gray
        canvas[uint32(cell_3_V[v])] = gray
        n = length_V[v]
        if n > SHORT:
            along, across, slope = along_V[v], across_V[v], uint32(slope_V[v])
            place = int32(cell_0_V[v] + int32(int32(SHORT) * along))
            offset = uint32(uint32(HALF) + uint32(uint32(SHORT) * slope))
            for _ in range(n - SHORT):
                canvas[uint32(place + across * int32(offset >> uint32(FRACTION)))] = gray
                place = int32(place + along)
                offset = uint32(offset + slope)
        elif n < 0:
            after = v + uint64(1)
            draw_clipped(canvas, side, x_V[v], y_V[v], x_V[after], y_V[after], uint32(slope_V[v]), gray)


@inner
def draw_clipped(canvas, side, x0, y0, x1, y1, slope, gray):  # type: ignore[no-untyped-def]
    """Draw from (x0, y0) up to but not (x1, y1) what lies on the canvas, in the phase it has on the whole segment."""
    wide, high = abs(int64(x1) - x0), abs(int64(y1) - y0)
    step_x, step_y = (1 if x1 >= x0 else -1), (1 if y1 >= y0 else -1)
    if wide > high:
        _draw_along(canvas, side, int64(x0), step_x, 1, int64(y0), step_y, side, wide, high, slope, gray)
    else:
        _draw_along(canvas, side, int64(y0), step_y, side, int64(x0), step_x, 1, high, wide, slope, gray)


@inner
def _draw_along(
    canvas, side, major, step_major, pitch_major, minor, step_minor, pitch_minor, n, m, slope, gray
):  # type: ignore[no-untyped-def]  # fmt: skip
    if n > LONGEST:
        draw_long(canvas, major, step_major, pitch_major, minor, step_minor, pitch_minor, n, m, side, gray)
        return
    first, last = _clip_major(major, step_major, n, side)
    offset = uint32(uint32(HALF) + uint32(uint32(first) * slope))
    for i in range(first, last):
        across = minor + step_minor * int64(offset >> uint32(FRACTION))
        if 0 <= across < side:
            canvas[uint32((major + step_major * i) * pitch_major + across * pitch_minor)] = gray
        offset = uint32(offset + slope)


@inner
def draw_segment(canvas, side, x0, y0, x1, y1, gray):  # type: ignore[no-untyped-def]
    """Draw one segment between pixels, int32, up to but not its end; one of no length is its pixel."""
    edge = int32(side)
    n, slope, along, across, inside, seen = segment(x0, y0, x1, y1, edge)
    if inside:
        place, offset = int32(int32(y0 * edge) + x0), uint32(HALF)
        for _ in range(max(n, int32(1))):
            canvas[uint32(place + across * int32(offset >> uint32(FRACTION)))] = gray
            place = int32(place + along)
            offset = uint32(offset + uint32(slope))
    elif seen:
        draw_clipped(canvas, side, x0, y0, x1, y1, uint32(slope), gray)
