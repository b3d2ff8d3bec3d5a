"""`fdsl families`: the registry as documentation."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from fdsl.bench.timing import measure, repeated
from fdsl.cli.parse import parse
from fdsl.cores import usable_cores
from fdsl.errors import InputError
from fdsl.evaluate.catalogue import Entry, entry, parameter_lines, thumbnail, write_page
from fdsl.evaluate.sheet import save_picture
from fdsl.formulas import Family, families, family_class
from fdsl.render import Renderer

WIDTH, HEADING = 110, 11
SPEED_SIZE, SPEED_CLASSES, SPEED_IMAGES = 224, 16, 64


@dataclass(frozen=True, kw_only=True)
class FamiliesConfig:
    """List the families of formulas; with a NAME, say all about one.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    name: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[NAME]")] = None
    """A family: its fields, and the parameters of a category."""
    speed: bool = False
    """Measure how many images a second are drawn here, a second a family."""
    thumbnails: Path | None = None
    """Folder to write a small contact sheet of each family into."""
    markdown: Path | None = None
    """File to write the whole catalogue to, as Markdown; sheets go into a folder named as it is."""

    def __post_init__(self) -> None:
        if self.name is not None:
            family_class(self.name)
        if self.thumbnails is not None and self.thumbnails.exists() and not self.thumbnails.is_dir():
            raise InputError(f"thumbnails must be a folder, got the file {str(self.thumbnails)!r}")
        if self.markdown is not None and (self.markdown.suffix != ".md" or self.markdown.is_dir()):
            raise InputError(f"markdown must be a file that ends in .md, got {str(self.markdown)!r}")
        if self.markdown is not None and self.name is not None:
            raise InputError(f"markdown takes no NAME, got {self.name!r}: the page shows all families")


def run(argv: list[str]) -> None:
    """Parse `argv` into a `FamiliesConfig`, print what it asks for and write what it names."""
    config = parse(FamiliesConfig, "families", argv)
    classes = list(families().values()) if config.name is None else [family_class(config.name)]
    if config.markdown is not None:
        write_page(config.markdown)
        print(f"{config.markdown}: {len(classes)} families")
        return
    for cls in classes:
        print("\n".join(_in_short(cls) if config.name is None else _about(cls)))
        for line in _found_here(cls, config):
            print(line, flush=True)
        print()
    if config.name is None:
        print("fdsl families NAME says all about one, fdsl preview NAME draws a sheet of it.")


def _in_short(cls: type[Family]) -> Iterator[str]:
    one = entry(cls)
    yield one.name
    yield from textwrap.wrap(one.drawn, _width(), initial_indent="  ", subsequent_indent="  ")
    yield from _fact("fields", "; ".join(one.settings.split("\n")) or "classes alone")
    yield from _facts(one)


def _found_here(cls: type[Family], config: FamiliesConfig) -> Iterator[str]:
    """Measure and draw what the options ask for, and say where it is."""
    if config.speed:
        threads = usable_cores()
        where = f"here at {SPEED_SIZE} px, {threads} thread{'s' * (threads > 1)}"
        yield from _fact("speed", f"{images_per_second(cls):,.0f} images/s {where}")
    if config.thumbnails is not None:
        save_picture(thumbnail(cls), file := config.thumbnails / f"{cls.name}.png")
        yield f"  {'thumbnail':<{HEADING}}{file}"


def _width() -> int:
    return min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns)


def _fact(heading: str, text: str) -> list[str]:
    """Return a line, or as many as it takes, of what is known under a heading."""
    return textwrap.wrap(
        f"{heading:<{HEADING}}{text}",
        _width(),
        initial_indent="  ",
        subsequent_indent=" " * (HEADING + 2),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _about(cls: type[Family]) -> Iterator[str]:
    one = entry(cls)
    yield one.name
    for paragraph in (one.drawn, *one.more):
        yield from (*textwrap.wrap(paragraph, _width()), "")
    yield from _facts(one)
    yield "\nfields"
    for field in one.fields:
        yield f"  {field.name} = {field.default}"
        yield from textwrap.wrap(field.text, _width(), initial_indent="      ", subsequent_indent="      ")
    yield "\ncategory 0 of seed 0"
    yield from (f"  {line}" for line in parameter_lines(cls(classes=2).category(0, 0)))


def _facts(one: Entry) -> Iterator[str]:
    yield from _fact("images", f"{one.colours}, native size {one.native_size} px")
    yield from _fact("labels", ", ".join(one.labels))
    if one.published:
        how = f"fdsl params export {one.name} writes, --options files=FOLDER reads them"
        yield from _fact("files", f"categories as published: {how}")
    yield from _fact("source", one.source)


def images_per_second(cls: type[Family]) -> float:
    """Return how many images are drawn a second, from identity to pixels, on all cores this process may use."""
    drawn, renderer = cls(classes=SPEED_CLASSES), Renderer(SPEED_SIZE)

    def draw(batch: int) -> int:
        numbers = np.arange(SPEED_IMAGES) + batch * SPEED_IMAGES
        return len(renderer(drawn.table(0, numbers % SPEED_CLASSES, numbers // SPEED_CLASSES)))

    return measure([repeated(draw)], repetitions=3, seconds=0.3)[0].median
