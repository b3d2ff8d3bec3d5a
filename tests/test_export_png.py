"""PNG files framed here are PNG files to Pillow, and to whoever reads the format by hand."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fdsl.data.export.encoders import read_picture
from fdsl.data.export.png import png

SIDES = st.integers(1, 40)
SHAPES = st.tuples(SIDES, SIDES) | st.tuples(SIDES, SIDES, st.just(3))
RAMP = np.arange(33 * 31 * 3, dtype=np.uint8).reshape(33, 31, 3)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return a file's chunks, whose lengths and checksums are right."""
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(content):
        (length,) = struct.unpack_from(">I", content, at)
        kind, body = content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        assert struct.unpack_from(">I", content, at + 8 + length) == (zlib.crc32(kind + body),)
        found.append((kind, body))
        at += 12 + length
    assert at == len(content)
    return found


def _by_hand(content: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a file whose rows are not filtered."""
    (_, header), *middle, (_, end) = _chunks(content)
    width, height, depth, colour, compression, filtering, interlaced = struct.unpack(">IIBBBBB", header)
    assert (depth, compression, filtering, interlaced, end) == (8, 0, 0, 0, b"")
    channels = {0: 1, 2: 3}[colour]
    raw = zlib.decompress(b"".join(body for kind, body in middle if kind == b"IDAT"))
    rows = np.frombuffer(raw, np.uint8).reshape(height, 1 + width * channels)
    assert not rows[:, 0].any()
    return rows[:, 1:].reshape((height, width) if channels == 1 else (height, width, channels))


@settings(max_examples=50)
@given(image=arrays.arrays(np.uint8, SHAPES), effort=st.integers(1, 12))
@example(image=np.zeros((1, 1), np.uint8), effort=1)
@example(image=np.full((1, 1, 3), 255, np.uint8), effort=12)
@example(image=RAMP[..., 0], effort=2)
@example(image=RAMP, effort=2)
@example(image=RAMP[::-2, ::3], effort=2)
def test_pixels_come_back(image: Any, effort: int) -> None:
    content = png(image, effort)
    assert [kind for kind, _ in _chunks(content)] == [b"IHDR", b"IDAT", b"IEND"]
    assert np.array_equal(_by_hand(content), image)
    with Image.open(io.BytesIO(content)) as picture:
        assert (picture.format, picture.mode) == ("PNG", "L" if image.ndim == 2 else "RGB")
        assert picture.size == (image.shape[1], image.shape[0])
        assert np.array_equal(np.asarray(picture), image)
    with Image.open(io.BytesIO(content)) as picture:
        picture.verify()


def test_the_bytes_are_those_of_the_pixels_and_the_effort_alone() -> None:
    whole = png(np.ascontiguousarray(RAMP[::2, ::2]), 2)
    assert png(RAMP[::2, ::2], 2) == whole
    assert png(np.asfortranarray(RAMP[::2, ::2]), 2) == whole


@pytest.mark.parametrize("at", [12, 40, -13, -1])
def test_one_changed_byte_is_noticed(at: int) -> None:
    content = bytearray(png(RAMP, 2))
    content[at] ^= 1
    with pytest.raises(AssertionError):
        _chunks(bytes(content))


def test_postscript_is_no_picture_here() -> None:
    """Pillow would start Ghostscript for it."""
    content = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\n"
    with Image.open(io.BytesIO(content)) as picture:
        assert picture.format == "EPS"
    with pytest.raises(UnidentifiedImageError):
        read_picture(content)
