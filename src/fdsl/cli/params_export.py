"""`fdsl params export`: write a family's categories as published files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from fdsl.cli.parse import parse
from fdsl.errors import check_int
from fdsl.files import check_new_folder
from fdsl.formulas import family, published_class
from fdsl.formulas.published import PublishedFamily
from fdsl.options import family_fields


@dataclass(frozen=True, kw_only=True)
class ParamsExportConfig:
    """Write the categories of a family in the form its authors published: a folder of one CSV file a category.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
    """Family whose categories to write, for example FractalDB."""
    out: Path
    """Folder to write: new or empty; it appears whole or not at all."""
    classes: int | None = None
    """Categories; None is the family's own number, or all of a folder of category files."""
    seed: int = 0
    """Seed of the dataset."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example least_variance=0.15."""

    def __post_init__(self) -> None:
        published_class(self.family)
        check_new_folder("out", self.out)
        check_int("seed", self.seed, 0, 2**32 - 1)
        family_fields(self.classes, self.options)  # checks them


def run(argv: list[str]) -> None:
    """Parse `argv` into a `ParamsExportConfig` and write the folder."""
    config = parse(ParamsExportConfig, "params export", argv)
    fields = family_fields(config.classes, config.options)
    drawn = family(config.family, **fields)
    assert isinstance(drawn, PublishedFamily)  # the config has checked it
    with Console(stderr=True).status(f"finding {drawn.classes:,} categories of {drawn.name}"):
        drawn.to_csv(config.out, config.seed)
    print(f"{config.out}: {drawn.classes:,} category files of {drawn.name}, seed {config.seed}")
