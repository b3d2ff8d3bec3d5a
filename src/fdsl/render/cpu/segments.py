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
def _draw(canvas, major, step_major, pitch_major, minor, step_minor, pitch_minor, n, m, side, gray):  # type: ignore[no-untyped-def]
    first, last = int64(0), n
    major_end, minor_end = major + step_major * n, minor + step_minor * m
    if not (0 <= min(major, major_end) and max(major, major_end) < side
            and 0 <= min(minor, minor_end) and max(minor, minor_end) < side):  # fmt: skip
        first, last = _clip_major(major, step_major, n, side)
        first_minor, last_minor = _clip_minor(minor, step_minor, n, m, side)
        first, last = max(first, first_minor), min(last, last_minor)
        if first >= last:
            return
    error = 2 * first * m + n
    shift = error // (2 * n)
    error -= shift * 2 * n
    place = (major + step_major * first) * pitch_major + (minor + step_minor * shift) * pitch_minor
    along, across = step_major * pitch_major, step_minor * pitch_minor
    for _ in range(last - first):
        canvas[place] = gray
        place += along
        error += 2 * m
        if error >= 2 * n:
            error -= 2 * n
            place += across


@njit
def draw_segment(canvas, side, x0, y0, x1, y1, gray):  # type: ignore[no-untyped-def]
    """Draw from (x0, y0) up to but not (x1, y1) on a flat uint8 canvas of side^2 pixels; integer coordinates."""
    dx, dy = int64(x1) - int64(x0), int64(y1) - int64(y0)
    step_x, step_y = (1 if dx >= 0 else -1), (1 if dy >= 0 else -1)
    wide, high = abs(dx), abs(dy)
    if wide > high:
        _draw(canvas, int64(x0), step_x, 1, int64(y0), step_y, side, wide, high, side, gray)
    elif high > 0:
        _draw(canvas, int64(y0), step_y, side, int64(x0), step_x, 1, high, wide, side, gray)


@njit
def draw_polygon(canvas, side, x_V, y_V, vertices, gray):  # type: ignore[no-untyped-def]
    """Draw the closed polygon through the first `vertices` points; one that is a single pixel draws that pixel."""
    if 0 <= x_V[0] < side and 0 <= y_V[0] < side:
        canvas[y_V[0] * side + x_V[0]] = gray
    for vertex in range(vertices - 1):
        draw_segment(canvas, side, x_V[vertex], y_V[vertex], x_V[vertex + 1], y_V[vertex + 1], gray)
    last = vertices - 1
    draw_segment(canvas, side, x_V[last], y_V[last], x_V[0], y_V[0], gray)
