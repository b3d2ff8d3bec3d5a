"""What the pages share: how a template becomes one file that needs no other, and numbers in the words of a person."""

from __future__ import annotations

import base64
import io
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image


@dataclass(frozen=True, kw_only=True)
class Picture:
    """An image of a page; `pixels` has small images shown with their pixels as squares."""

    image: Image.Image
    caption: str
    pixels: bool = False


@dataclass(frozen=True, kw_only=True)
class Step:
    """A shell command and what it is for."""

    title: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of texts; the first cell of a row names it."""

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]


def fill(template: str, content: Mapping[str, Any]) -> str:
    """Return the page that `template` makes of `content`: no file, script or address outside it is needed to show it.

    What cannot be written as UTF-8, as a name of a file may hold, becomes question marks.
    """
    environment = Environment(
        loader=PackageLoader("fdsl.evaluate.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(data_uri=data_uri, count=count, duration=duration, rate=rate, spread=spread)
    environment.filters.update(one="{:.1f}".format, signed="{:+.1f}".format)
    html = environment.get_template(template).render(content)
    return html.encode("utf-8", "replace").decode("utf-8")


def data_uri(image: Image.Image) -> str:
    """Return the image as a PNG inside a data: address."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def few_colours(image: Image.Image) -> Image.Image:
    """Return a drawing in 256 colours of its own, without dithering, which takes a third of the bytes."""
    if image.mode == "L":
        return image
    return image.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def count(number: float) -> str:
    """Return a whole number with thousands set apart: 448,000."""
    return f"{round(number):,}"


def rate(number: float) -> str:
    """Return a rate to three figures, or whole from a hundred on: 8.25, 1,234."""
    return f"{number:.3g}" if number < 100 else count(number)


def duration(seconds: float) -> str:
    """Return a span of time as a person would say it: 48 s, 8 min 12 s, 2 h 5 min; an em dash for what is none."""
    if not math.isfinite(seconds):
        return "—"
    whole = round(seconds)
    if whole < 120:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def spread(shares: Sequence[float]) -> str:
    """Return the mean of shares in 0..1 in percent, with the standard deviation (n - 1) of several; — for none."""
    if not shares:
        return "—"
    mean = f"{100 * statistics.fmean(shares):.1f}"
    return f"{mean} ± {100 * statistics.stdev(shares):.1f}%" if len(shares) > 1 else f"{mean}%"


def fact(value: Any) -> str:
    """Return a field of a config as a person would say it."""
    if isinstance(value, (list, tuple)):
        return " ".join(str(part) for part in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value) if value >= 10_000 else str(value)
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
