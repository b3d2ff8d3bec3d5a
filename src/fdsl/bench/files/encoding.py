"""What it takes to make a file of an image, and how large that is: fdsl's encoders, and those of others."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.bench.cases import Case, cases, identities
from fdsl.bench.files.config import BenchFilesConfig
from fdsl.bench.files.peers import LIBRARIES, Way, other_ways, own_ways
from fdsl.bench.report import Section, known, rate_json, short
from fdsl.bench.timing import Rate, measure, ratio, repeated
from fdsl.data.export.encoders import encoder, read_picture
from fdsl.errors import DataError
from fdsl.render import Renderer

HEADINGS = ("<by", "ms", "range", "kB", "factor")


@dataclass(frozen=True, slots=True)
class Encoded:
    """One line of the benchmark.

    Attributes:
        case: what is drawn.
        size: pixels a side.
        colour: gray or rgb.
        encoding: what is made of it.
        by: whose way it is; None for a library that was skipped.
        rate: images/s.
        bytes: of a file, on average.
        ratio: of what fdsl does not do by default, how many times as fast its default with this encoding is.
        skipped: why there is nothing.
    """

    case: Case
    size: int
    colour: str
    encoding: str = ""
    by: str = ""
    rate: Rate | None = None
    bytes: float | None = None
    ratio: float | None = None
    skipped: str | None = None

    @property
    def title(self) -> str:
        """What is made of what."""
        return f"{self.encoding} {self.colour}"

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row; none of what was skipped."""
        if self.rate is None:
            return []
        span = "-".join(_milliseconds(rate) for rate in (self.rate.high, self.rate.low))
        factor = "" if self.ratio is None else short(self.ratio)
        size = "" if self.bytes is None else short(self.bytes / 1000)
        return [(self.by, _milliseconds(self.rate.median), span, size, factor)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values, the rate's among them."""
        names = ("size", "colour", "encoding", "by", "bytes", "ratio", "skipped")
        fields = {name: getattr(self, name) or None for name in names}
        return {"part": "encoders"} | self.case.facts | known(fields) | rate_json(self.rate)


def _milliseconds(rate: float) -> str:
    return f"{1e3 / rate:.2f}" if rate > 100 else f"{1e3 / rate:.3g}"


def bench_encoders(config: BenchFilesConfig, announce: Callable[[str], None]) -> list[Section]:
    """Measure every way on images of every family, gray and as colour: a table a family."""
    return [
        Section((f"{case.title} {config.size} px", *HEADINGS), list(_bench_case(config, case, announce)))
        for case in cases(config)
    ]


def _bench_case(config: BenchFilesConfig, case: Case, announce: Callable[[str], None]) -> Iterator[Encoded]:
    identity = identities(case.drawn.classes, 0, config.images)
    drawn = Renderer(config.size)(case.table(config.seed, *identity))
    shapes = {"rgb": drawn}
    if drawn.ndim == 3:
        shapes = {"gray": drawn, "rgb": np.repeat(drawn[..., None], 3, axis=-1)}
    missing = {library: library.why_not() for library in LIBRARIES}
    ways = own_ways() + [
        way for library, why in missing.items() if why is None for way in other_ways(library)
    ]
    order = list(dict.fromkeys(way.encoding for way in ways))
    ways.sort(key=lambda way: order.index(way.encoding))
    for colour, images in shapes.items():
        announce(f"encoders, {case.title} as {colour}")
        sizes = [_checked(way, images) for way in ways]
        sources = [repeated(_encoding(way, images)) for way in ways]
        rates = measure(sources, config.repetitions, config.seconds, cpu_time=True)
        ours: dict[str, Rate] = {}
        for way, rate, size in zip(ways, rates, sizes, strict=True):
            default = ours.setdefault(way.encoding, rate)
            factor = None if default is rate else ratio(default, rate)
            yield Encoded(case, config.size, colour, way.encoding, way.name, rate, size, factor)
        for why in filter(None, missing.values()):
            yield Encoded(case, config.size, colour, skipped=why)


def _encoding(way: Way, images: NDArray[np.uint8]) -> Callable[[int], int]:
    """Return work that encodes all images, whichever turn it is: they differ by several times."""

    def encode(_: int) -> int:
        for image in images:
            way.encode(image)
        return len(images)

    return encode


def _checked(way: Way, images: NDArray[np.uint8]) -> float:
    """Return the mean of the files' bytes, after a look at whether every pixel comes back where it has to.

    Raises:
        DataError: one does not.
    """
    files = [way.encode(image) for image in images]
    told = encoder(way.encoding)
    decode = told.decode if way.encoding == "npy" else read_picture
    if told.lossless and not all(map(_same, map(decode, files), images)):
        raise DataError(f"{way.name} must keep every pixel as {way.encoding}, got other pixels back")
    return statistics.mean(map(len, files))


def _same(pixels: NDArray[np.uint8], image: NDArray[np.uint8]) -> bool:
    """Whether pixels are those of the image; a format without gray repeats them."""
    return np.array_equal(pixels, image if pixels.ndim == image.ndim else image[..., None].repeat(3, -1))


def notes(config: BenchFilesConfig) -> tuple[str, ...]:
    """Return what to say of the encoders' table."""
    return (
        f"encoders: {config.images} images of {config.size} px on one thread, {config.repetitions} turns; CPU time.",
        "by: the library with its level or effort; unfiltered: in fdsl's PNG or told so.",
        "kB: a file on average; ms: an image. Lossless files were decoded and compared.",
        "factor: how many times as fast fdsl's default is, the first of its encoding.",
    )
