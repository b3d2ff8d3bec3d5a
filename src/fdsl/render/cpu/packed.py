"""Colours as one uint32, red in the lowest byte, then green and blue: one load, one store, one mixture a pixel.

All arithmetic is on integers.
"""

from __future__ import annotations

from numba import int32, uint8, uint16, uint32, uint64

from fdsl.compiled import inlined, inner

HUES = 180
"""Around the circle, two degrees each, as OpenCV has them in bytes."""
SECTOR = 30
CHANNELS = 4
"""Bytes a packed pixel."""
_PAIR, _HALF = 0x00FF00FF, 0x00800080


@inlined
def packed_hsv(hue, saturation, value):  # type: ignore[no-untyped-def]
    """Return the colour of a hue of any number of 2-degree steps, a saturation and a value in 0..255, rounded."""
    h, s, v = int32(hue) % int32(HUES), int32(saturation), int32(value)
    sector, along = h // int32(SECTOR), h % int32(SECTOR)
    whole = int32(255 * SECTOR)
    low = (v * (int32(255) - s) * int32(SECTOR) + whole // 2) // whole
    falling = (v * (whole - s * along) + whole // 2) // whole
    rising = (v * (whole - s * (int32(SECTOR) - along)) + whole // 2) // whole
    if sector == 0:
        red, green, blue = v, rising, low
    elif sector == 1:
        red, green, blue = falling, v, low
    elif sector == 2:
        red, green, blue = low, v, rising
    elif sector == 3:
        red, green, blue = low, falling, v
    elif sector == 4:
        red, green, blue = rising, low, v
    else:
        red, green, blue = v, low, falling
    return uint32(uint32(red) | uint32(uint32(green) << uint32(8)) | uint32(uint32(blue) << uint32(16)))


@inlined
def mixed(a, b, share):  # type: ignore[no-untyped-def]
    """Return packed a and b mixed, `share` of 256 of b, channels rounded."""
    pair, half, rest = uint32(_PAIR), uint32(_HALF), uint32(uint32(256) - share)
    even = uint32(uint32(uint32(a & pair) * rest) + uint32(uint32(b & pair) * share))
    even = uint32(uint32(even + half) >> uint32(8)) & pair
    odd = uint32(uint32(a >> uint32(8)) & pair) * rest + uint32(uint32(b >> uint32(8)) & pair) * share
    odd = uint32(uint32(odd) + half) & uint32(0xFF00FF00)
    return uint32(even | odd)


@inner
def _copy(source_W, target_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(source_W))):
        target_W[x] = source_W[x]


@inlined
def softened(before, here, after, beside):  # type: ignore[no-untyped-def]
    """Return the mean of a byte and its neighbours, which have a weight of `beside` of 256, uint16, rounded."""
    middle = uint16(uint16(256) - uint16(beside + beside))
    total = uint16(uint16(uint16(before) + uint16(after)) * beside)
    total = uint16(total + uint16(uint16(here) * middle))
    return uint8(uint16(total + uint16(128)) >> uint16(8))


@inner
def _soften(before_W, here_W, after_W, weight, out_W):  # type: ignore[no-untyped-def]
    beside = uint16(weight)
    for x in range(uint64(len(out_W))):
        out_W[x] = softened(before_W[x], here_W[x], after_W[x], beside)


@inner
def blur(channels, side, weight, kept):  # type: ignore[no-untyped-def]
    """Average each pixel with its neighbours along x, then y, rounded each time; the border is a mirror.

    Args:
        channels: uint8, the packed canvas as bytes, changed in place.
        side: of the canvas, pixels.
        weight: of either neighbour, of 256; at most 85.
        kept: uint8 [2, 4 * (side + 2)], scratch.
    """
    wide, step = side * CHANNELS, CHANNELS
    line_W, above_W = kept[0], kept[1]
    for line in range(side):
        here_W = channels[line * wide : (line + 1) * wide]
        _copy(here_W, line_W[step : step + wide])
        for part in range(step):
            line_W[part], line_W[wide + step + part] = here_W[step + part], here_W[wide - 2 * step + part]
        _soften(line_W[:wide], line_W[step : step + wide], line_W[2 * step : 2 * step + wide], weight, here_W)
    _copy(channels[wide : 2 * wide], above_W)
    for line in range(side):
        here_W = channels[line * wide : (line + 1) * wide]
        _copy(here_W, line_W)
        below_W = channels[(line + 1) * wide : (line + 2) * wide] if line + 1 < side else above_W[:wide]
        _soften(above_W[:wide], line_W[:wide], below_W, weight, here_W)
        line_W, above_W = above_W, line_W


@inner
def write_interleaved(canvas, tone, image):  # type: ignore[no-untyped-def]
    """Write red, green and blue of each pixel, toned, into uint8 [3 H W]."""
    plain = True
    for gray in range(256):
        plain = plain and tone[gray] == gray
    pixels = uint64(len(image)) // uint64(3)
    if plain:
        for pixel in range(pixels):
            colour, place = canvas[pixel], uint64(3) * pixel
            image[place] = uint8(colour)
            image[place + uint64(1)] = uint8(colour >> uint32(8))
            image[place + uint64(2)] = uint8(colour >> uint32(16))
    else:
        for pixel in range(pixels):
            colour, place = canvas[pixel], uint64(3) * pixel
            image[place] = tone[uint8(colour)]
            image[place + uint64(1)] = tone[uint8(colour >> uint32(8))]
            image[place + uint64(2)] = tone[uint8(colour >> uint32(16))]


@inner
def write_plane(canvas, channel, tone, plane):  # type: ignore[no-untyped-def]
    """Write one channel, toned, into uint8 [pixels]."""
    shift = uint32(8 * channel)
    for pixel in range(uint64(len(plane))):
        plane[pixel] = tone[uint8(canvas[pixel] >> shift)]
