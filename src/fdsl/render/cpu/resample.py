"""A drawn canvas seen through a view: pixels looked up between pixels, as an image editor transforms a picture."""

from __future__ import annotations

from numba import float32, int32, uint8, uint32

from fdsl.compiled import inlined, inner


@inner
def resample(canvas, side, back, outside, tone, image, size):  # type: ignore[no-untyped-def]
    """Write an image by bilinear interpolation.

    Args:
        canvas: uint8 [side^2 or more], flat.
        side: of the canvas.
        back: float32 [2, 3], from the image's pixel indices to the canvas's.
        outside: gray of what lies off the canvas.
        tone: uint8 [256].
        image: uint8 [size^2], written.
        size: side of the image.
    """
    a, b, c = back[0, 0], back[0, 1], back[0, 2]
    d, e, f = back[1, 0], back[1, 1], back[1, 2]
    edge = float32(side)
    for line in range(size):
        for x in range(size):
            u = a * float32(x) + (b * float32(line) + c)
            v = d * float32(x) + (e * float32(line) + f)
            if u > float32(-1.0) and u < edge and v > float32(-1.0) and v < edge:
                gray = _between(canvas, int32(side), u, v, outside)
                image[uint32(line * size + x)] = tone[uint8(gray + float32(0.5))]
            else:
                image[uint32(line * size + x)] = tone[outside]


@inlined
def _between(canvas, side, u, v, outside):  # type: ignore[no-untyped-def]
    """Return the gray at (u, v), both in (-1, side), float32."""
    left, top = int32(u + float32(1.0)) - 1, int32(v + float32(1.0)) - 1
    right_share, low_share = u - float32(left), v - float32(top)
    if left >= 0 and top >= 0 and left < side - 1 and top < side - 1:
        place = uint32(top * side + left)
        upper = float32(canvas[place]), float32(canvas[place + uint32(1)])
        lower = float32(canvas[place + uint32(side)]), float32(canvas[place + uint32(side) + uint32(1)])
    else:
        upper = _gray_at(canvas, side, left, top, outside), _gray_at(canvas, side, left + 1, top, outside)
        lower = (
            _gray_at(canvas, side, left, top + 1, outside),
            _gray_at(canvas, side, left + 1, top + 1, outside),
        )
    above = upper[0] + right_share * (upper[1] - upper[0])
    below = lower[0] + right_share * (lower[1] - lower[0])
    return above + low_share * (below - above)


@inlined
def _gray_at(canvas, side, x, y, outside):  # type: ignore[no-untyped-def]
    seen = x >= 0 and x < side and y >= 0 and y < side
    return float32(canvas[uint32(y * side + x)]) if seen else float32(outside)
