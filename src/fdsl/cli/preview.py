"""`fdsl preview`: draw a contact sheet of a family."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fdsl.cli.parse import parse
from fdsl.errors import check_int
from fdsl.evaluate.sheet import check_picture_path, family_sheet, save_picture
from fdsl.formulas import altered_family, family
from fdsl.formulas.altered import read_alterations
from fdsl.options import family_fields


@dataclass(frozen=True, kw_only=True)
class PreviewConfig:
    """Draw a contact sheet of a family: rows are categories, columns are instances of them.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
    """Family of formulas to draw from, for example RCDB."""
    out: Path = Path("sheet.png")
    """Picture to write."""
    categories: int = 8
    """Rows."""
    instances: int = 8
    """Columns."""
    first_category: int = 0
    """Category of the first row."""
    first_instance: int = 0
    """Instance of the first column."""
    size: int = 128
    """Height and width of each image, in pixels."""
    classes: int | None = None
    """Categories of the dataset; None is the family's own number."""
    seed: int = 0
    """Seed of the dataset."""
    lines: Literal["auto", "crisp", "area", "native"] = "auto"
    """How a drawing becomes pixels: crisp (at the output size), area (drawn larger and averaged), native
    (drawn at the native size and resampled), or auto."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example variant=paper."""
    alter: tuple[str, ...] = ()
    """What is done to the drawn images, in order, as KIND=STRENGTH: broken, scattered, filled, outline, width."""

    def __post_init__(self) -> None:
        check_int("categories", self.categories, 1)
        check_int("instances", self.instances, 1)
        check_int("first_category", self.first_category, 0)
        check_int("first_instance", self.first_instance, 0)
        check_picture_path("out", self.out)
        family_fields(self.classes, self.options)  # checks them
        read_alterations("alter", self.alter)


def run(argv: list[str]) -> None:
    """Parse `argv` into a `PreviewConfig`, draw the sheet and write it."""
    config = parse(PreviewConfig, "preview", argv)
    fields = family_fields(config.classes, config.options)
    started = time.perf_counter()
    base = family(config.family, **fields)
    drawn = altered_family(base, *config.alter)
    sheet = family_sheet(
        drawn, config.categories, config.instances,
        size=config.size, seed=config.seed, lines=config.lines,
        first_category=config.first_category, first_instance=config.first_instance,
    )  # fmt: skip
    save_picture(sheet, config.out)
    count, seconds = config.categories * config.instances, time.perf_counter() - started
    what = ", ".join([base.name, *config.alter])
    print(f"{config.out}: {count} images of {what}, {config.size} px, {seconds:.1f} s")
