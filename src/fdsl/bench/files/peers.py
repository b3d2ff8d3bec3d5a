"""Ways to make a file of an image: fdsl's, and those of other libraries, as far as they are installed."""

from __future__ import annotations

import importlib
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.data.export.encoders import QUALITY, Encode, encoder

PNG_EFFORTS = (2, 1, 4, 6, 9)
"""fdsl's default first."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to make a file of an image.

    Attributes:
        encoding: what it makes, as `fdsl.data.export.encoders` calls it.
        name: of the library, and its level or effort.
        encode: makes bytes of uint8 [H, W] or [H, W, 3].
    """

    encoding: str
    name: str
    encode: Encode


@dataclass(frozen=True, slots=True)
class Library:
    """A library of others.

    Attributes:
        module: that Python imports.
        package: that pip installs.
        ways: makes its ways of the module.
    """

    module: str
    package: str
    ways: Callable[[Any], Iterator[Way]]

    def why_not(self) -> str | None:
        """Return why it cannot be measured, None if it can."""
        module = self.module.partition(".")[0]
        if find_spec(module) is not None:
            return None
        return f"{module} is not installed: pip install {self.package}"


def own_ways() -> list[Way]:
    """Return fdsl's ways, of each encoding the default first."""
    ways = [Way("png", f"fdsl {effort}", encoder("png", effort).encode) for effort in PNG_EFFORTS]
    return ways + [
        Way(name, "fdsl", encoder(name).encode) for name in ("jpeg", "webp", "webp-lossless", "npy")
    ]


def other_ways(library: Library) -> list[Way]:
    """Return the ways of a library that is installed."""
    return list(library.ways(importlib.import_module(library.module)))


def _pillow(module: Any) -> Iterator[Way]:
    def at(level: int) -> Encode:
        def encode(image: NDArray[np.uint8]) -> bytes:
            file = io.BytesIO()
            Image.fromarray(image).save(file, "PNG", compress_level=level)
            return file.getvalue()

        return encode

    yield Way("png", "Pillow 1", at(1))
    yield Way("png", "Pillow 6", at(6))


def _zlib(module: Any) -> Iterator[Way]:
    yield Way("png", "zlib 1 unfiltered", _unfiltered(lambda rows: zlib.compress(rows, 1)))


def _isal(module: Any) -> Iterator[Way]:
    yield Way("png", "ISA-L 2 unfiltered", _unfiltered(lambda rows: module.compress(rows, 2)))


def _zlib_ng(module: Any) -> Iterator[Way]:
    yield Way("png", "zlib-ng 1 unfiltered", _unfiltered(lambda rows: module.compress(rows, 1)))


def _unfiltered(compress: Callable[[Any], bytes]) -> Encode:
    """Return fdsl's PNG with another deflate; imported only here, so that fdsl's own encoder says what is missing."""
    from fdsl.data.export.png import framed

    return lambda image: framed(image, compress)


def _opencv(module: Any) -> Iterator[Way]:
    module.setNumThreads(1)

    def to(suffix: str, *options: int) -> Encode:
        def encode(image: NDArray[np.uint8]) -> bytes:
            theirs = image if image.ndim == 2 else module.cvtColor(image, module.COLOR_RGB2BGR)
            return bytes(module.imencode(suffix, theirs, options)[1])

        return encode

    yield Way("png", "OpenCV", to(".png"))
    if hasattr(module, "IMWRITE_PNG_FILTER"):
        level = (module.IMWRITE_PNG_COMPRESSION, 1, module.IMWRITE_PNG_FILTER, module.IMWRITE_PNG_FILTER_NONE)
        yield Way("png", "OpenCV 1 unfiltered", to(".png", *level))
    yield Way("jpeg", "OpenCV", to(".jpg", module.IMWRITE_JPEG_QUALITY, QUALITY))
    # above 100: keep every pixel
    yield Way("webp-lossless", "OpenCV", to(".webp", module.IMWRITE_WEBP_QUALITY, 101))


def _imagecodecs(module: Any) -> Iterator[Way]:
    yield Way("png", "imagecodecs (libpng)", lambda image: bytes(module.png_encode(image)))

    def webp(image: NDArray[np.uint8]) -> bytes:
        colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=-1)
        return bytes(module.webp_encode(colour, lossless=True))

    yield Way("webp-lossless", "imagecodecs", webp)


def _simplejpeg(module: Any) -> Iterator[Way]:
    def jpeg(image: NDArray[np.uint8]) -> bytes:
        if image.ndim == 2:
            return bytes(module.encode_jpeg(image[..., None], QUALITY, "GRAY", "GRAY"))
        return bytes(module.encode_jpeg(image, QUALITY, "RGB", "420"))

    yield Way("jpeg", "simplejpeg", jpeg)


LIBRARIES = (
    Library("PIL", "pillow", _pillow),
    Library("cv2", "opencv-python-headless", _opencv),
    Library("imagecodecs", "imagecodecs", _imagecodecs),
    Library("zlib", "zlib", _zlib),
    Library("isal.isal_zlib", "isal", _isal),
    Library("zlib_ng.zlib_ng", "zlib-ng", _zlib_ng),
    Library("simplejpeg", "simplejpeg", _simplejpeg),
)
