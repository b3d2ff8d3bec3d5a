"""Images to bytes and back: chosen for speed by measurement, see docs/export.md."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from fdsl.data.export.png import png
from fdsl.errors import InputError, check_choice, check_int

Encode = Callable[[NDArray[np.uint8]], bytes]

QUALITY = 90
OPENED = ("PNG", "JPEG", "WEBP")
"""What a file may be that is read: Pillow would start Ghostscript for PostScript, whatever its name."""


@dataclass(frozen=True)
class Encoder:
    """One way to make bytes of an image.

    Attributes:
        suffix: of a file's name, without its dot.
        lossless: whether every pixel comes back.
        encode: makes bytes of uint8 [H, W] or [H, W, 3].
        decode: makes pixels of bytes, uint8 [H, W] or [H, W, 3].
        versions: of the libraries that the bytes depend on.
    """

    suffix: str
    lossless: bool
    encode: Encode
    decode: Callable[[bytes], NDArray[np.uint8]]
    versions: dict[str, str]


@dataclass(frozen=True)
class Encoding:
    """What an encoder may be told.

    Attributes:
        make: returns the encoder for an effort, a quality, and whether gray becomes colour.
        efforts: least, most and default; None if there is nothing to choose.
        quality: whether it has one.
    """

    make: Callable[[int, int, bool], Encoder]
    efforts: tuple[int, int, int] | None = None
    quality: bool = False


def encoder(
    encoding: str, effort: int | None = None, quality: int | None = None, *, rgb: bool = False
) -> Encoder:
    """Return the encoder of that name.

    Args:
        encoding: png, jpeg, webp, webp-lossless or npy.
        effort: how hard to compress; None for the default.
        quality: of jpeg and webp, 1..100; None for 90.
        rgb: store gray as three channels.

    Raises:
        InputError: there is none, a number is out of range or means nothing to it, or a library is missing.
    """
    effort, quality = settled(encoding, effort, quality)
    return ENCODINGS[encoding].make(effort or 0, quality or 0, rgb)


def settled(encoding: str, effort: int | None, quality: int | None) -> tuple[int | None, int | None]:
    """Return effort and quality as they are meant: the default for None, None where there is nothing to choose.

    Raises:
        InputError: as `encoder`.
    """
    chosen = ENCODINGS[check_choice("encoding", encoding, ENCODINGS)]
    if chosen.efforts is not None:
        least, most, default = chosen.efforts
        effort = default if effort is None else check_int("effort", effort, least, most)
    elif effort is not None:
        raise InputError(f"effort must be left out with {encoding}, got {effort}: there is nothing to choose")
    if chosen.quality:
        quality = QUALITY if quality is None else check_int("quality", quality, 1, 100)
    elif quality is not None:
        raise InputError(f"quality must be left out with {encoding}, got {quality}: nothing is lost")
    return effort, quality


def _png(effort: int, _: int, rgb: bool) -> Encoder:
    versions = {"deflate": metadata.version("deflate")}
    return Encoder("png", True, lambda image: png(image, effort, rgb=rgb), read_picture, versions)


def _jpeg(_: int, quality: int, rgb: bool) -> Encoder:
    return Encoder(
        "jpg", False, _by_pillow("JPEG", rgb, quality=quality), read_picture, _built("libjpeg_turbo")
    )


def _webp(effort: int, quality: int, rgb: bool) -> Encoder:
    encode = _by_pillow("WEBP", rgb, quality=quality, method=effort)
    return Encoder("webp", False, encode, read_picture, _built("webp"))


def _webp_lossless(effort: int, _: int, rgb: bool) -> Encoder:
    # quality 0: of a lossless file it is the effort of a search that doubles the time and saves nothing here
    encode = _by_pillow("WEBP", rgb, lossless=True, quality=0, method=effort)
    return Encoder("webp", True, encode, read_picture, _built("webp"))


def _npy(_: int, __: int, rgb: bool) -> Encoder:
    return Encoder("npy", True, partial(_write_array, rgb), _read_array, {})


ENCODINGS = {
    "png": Encoding(_png, (1, 12, 2)),
    "jpeg": Encoding(_jpeg, quality=True),
    "webp": Encoding(_webp, (0, 6, 2), quality=True),
    "webp-lossless": Encoding(_webp_lossless, (0, 6, 1)),
    "npy": Encoding(_npy),
}


def read_picture(content: bytes) -> NDArray[np.uint8]:
    """Return the pixels of a picture in memory, uint8 [H, W] or [H, W, 3]; what Pillow raises if it is none."""
    with Image.open(io.BytesIO(content), formats=OPENED) as picture:
        return np.asarray(picture if picture.mode in ("L", "RGB") else picture.convert("RGB"))


def _by_pillow(kind: str, rgb: bool, **options: Any) -> Encode:
    def encode(image: NDArray[np.uint8]) -> bytes:
        file = io.BytesIO()
        picture = Image.fromarray(image)
        (picture.convert("RGB") if rgb else picture).save(file, kind, **options)
        return file.getvalue()

    return encode


def _built(library: str) -> dict[str, str]:
    """Return the versions of Pillow and of what it was built with."""
    version = features.version(library)
    if version is None:
        raise InputError(f"encoding needs a Pillow with {library}, got one without: pip install pillow")
    return {"pillow": metadata.version("pillow"), library: version}


def _write_array(rgb: bool, image: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    stored = np.repeat(image[..., None], 3, axis=-1) if rgb and image.ndim == 2 else image
    np.save(file, stored, allow_pickle=False)
    return file.getvalue()


def _read_array(content: bytes) -> NDArray[np.uint8]:
    return np.load(io.BytesIO(content), allow_pickle=False)
