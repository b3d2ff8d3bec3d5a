"""One-pixel lines, pixel for pixel those of Pillow's `ImageDraw.line`.

A segment draws n = max(|dx|, |dy|) pixels, its start included and its end not. Pixel i lies i along the major axis and
floor((2 i m + n) / (2 n)) along the minor one, m the minor extent: half rounds away from the start, so the direction
matters. |dx| = |dy| counts as vertical-major.
"""

from __future__ import annotations

from numba import int64, njit


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
def draw_segment(canvas, side, x0, y0, x1, y1, gray):  # type: ignore[no-untyped-def]
    """Draw from (x0, y0) up to but not (x1, y1) on a flat uint8 canvas of side^2 pixels; integer coordinates."""
    left, right, top, bottom = min(x0, x1), max(x0, x1), min(y0, y1), max(y0, y1)
    if right < 0 or left >= side or bottom < 0 or top >= side:
        return
    dx, dy = x1 - x0, y1 - y0
    wide, high = abs(dx), abs(dy)
    step_x, step_y = (1 if dx >= 0 else -1), (1 if dy >= 0 else -1)
    if left >= 0 and right < side and top >= 0 and bottom < side:
        flat = wide > high
        along, across = (step_x, step_y * side) if flat else (step_y * side, step_x)
        n, m = (wide, high) if flat else (high, wide)
        _walk(canvas, y0 * side + x0, along, across, n, n, n, m, gray)
    elif wide > high:
        _draw_clipped(canvas, x0, step_x, 1, y0, step_y, side, wide, high, side, gray)
    else:
        _draw_clipped(canvas, y0, step_y, side, x0, step_x, 1, high, wide, side, gray)


@njit
def draw_polygon(canvas, side, x_V, y_V, vertices, gray):  # type: ignore[no-untyped-def]
    """Draw the closed polygon through the first `vertices` points; one that is a single pixel draws that pixel."""
    if 0 <= x_V[0] < side and 0 <= y_V[0] < side:
        canvas[y_V[0] * side + x_V[0]] = gray
    for vertex in range(vertices - 1):
        x0, y0, x1, y1 = x_V[vertex], y_V[vertex], x_V[vertex + 1], y_V[vertex + 1]
        draw_segment(canvas, side, int64(x0), int64(y0), int64(x1), int64(y1), gray)
    x0, y0 = x_V[vertices - 1], y_V[vertices - 1]
    draw_segment(canvas, side, int64(x0), int64(y0), int64(x_V[0]), int64(y_V[0]), gray)
