"""`fdsl families`: the registry as documentation."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table

from fdsl.bench.timing import measure, repeated
from fdsl.cli.parse import parse
from fdsl.cores import usable_cores
from fdsl.errors import InputError
from fdsl.evaluate.catalogue import Entry, entry, parameter_lines, thumbnail, write_page
from fdsl.evaluate.sheet import save_picture
from fdsl.formulas import Family, families, family_class
from fdsl.render import Renderer

WIDTH = 110
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
    if config.name is None:
        _print_table(classes)
    else:
        print("\n".join(_about(classes[0])))
    if config.speed:
        threads = usable_cores()
        print(f"\nimages/s here, {SPEED_SIZE} px, {threads} thread{'s' * (threads > 1)}")
        for cls in classes:
            print(f"  {cls.name}: {images_per_second(cls):,.0f}", flush=True)
    if config.thumbnails is not None:
        print()
        for cls in classes:
            save_picture(thumbnail(cls), file := config.thumbnails / f"{cls.name}.png")
            print(file)


def _print_table(classes: list[type[Family]]) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("family", "what is drawn", "fields", "native", "colours", "source"):
        table.add_column(heading, no_wrap=heading == "family", overflow="fold")
    for one in map(entry, classes):
        size = f"{one.native_size} px"
        table.add_row(one.name, one.drawn, one.settings, size, one.colours, one.citation, end_section=True)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console.width = WIDTH
    console.print(table)
    print("fdsl families NAME says all about one, fdsl preview NAME draws a sheet of it.")


def _about(cls: type[Family]) -> Iterator[str]:
    one = entry(cls)
    yield one.name
    for paragraph in (one.drawn, *one.more):
        yield from (*textwrap.wrap(paragraph, WIDTH), "")
    yield from _facts(one)
    yield "\nfields"
    for field in one.fields:
        yield f"  {field.name} = {field.default}"
        yield from textwrap.wrap(field.text, WIDTH, initial_indent="      ", subsequent_indent="      ")
    yield "\ncategory 0 of seed 0"
    yield from (f"  {line}" for line in parameter_lines(cls(classes=2).category(0, 0)))


def _facts(one: Entry) -> Iterator[str]:
    yield f"source          {one.source}"
    yield f"native size     {one.native_size} px"
    yield f"colours         {one.colours}"
    yield f"labels          {', '.join(one.labels)}"
    files = (
        f"fdsl params export {one.name} writes them, --options files=FOLDER reads them"
        if one.published
        else "none"
    )
    yield f"category files  {files}"


def images_per_second(cls: type[Family]) -> float:
    """Return how many images are drawn a second, from identity to pixels, on all cores this process may use."""
    drawn, renderer = cls(classes=SPEED_CLASSES), Renderer(SPEED_SIZE)

    def draw(batch: int) -> int:
        numbers = np.arange(SPEED_IMAGES) + batch * SPEED_IMAGES
        return len(renderer(drawn.table(0, numbers % SPEED_CLASSES, numbers // SPEED_CLASSES)))

    return measure([repeated(draw)], repetitions=3, seconds=0.3)[0].median
