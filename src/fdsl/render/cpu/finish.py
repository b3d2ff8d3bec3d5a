"""From a drawn canvas to the image: average blocks of pixels, then the tone curve."""

from __future__ import annotations

from numba import int64, njit, uint32


@njit(nogil=True, cache=True)
def finish(canvas, factor, tone, sums_W, image):  # type: ignore[no-untyped-def]
    """Write the image of a canvas drawn `factor` times larger.

    Args:
        canvas: uint8 [(H * factor)^2], flat.
        tone: uint8 [256].
        sums_W: uint32 [W * factor], scratch.
        image: uint8 [H, W], H = W.
    """
    side = len(image)
    if factor == 1:
        for line in range(side):
            for x in range(side):
                image[line, x] = tone[canvas[line * side + x]]
        return
    wide, area = side * factor, factor * factor
    for line in range(side):
        sums_W[:] = 0
        for part in range(factor):
            begin = (line * factor + part) * wide
            for x in range(wide):
                sums_W[x] += uint32(canvas[begin + x])
        for x in range(side):
            total = int64(area // 2)
            for part in range(factor):
                total += sums_W[x * factor + part]
            image[line, x] = tone[total // area]
