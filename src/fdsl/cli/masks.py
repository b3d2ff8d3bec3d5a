"""`fdsl masks`: images and their masks as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro
from rich.console import Console
from rich.progress import Progress

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.errors import check_int
from fdsl.files import check_new_folder
from fdsl.formulas import family
from fdsl.options import family_fields


@dataclass(frozen=True, kw_only=True)
class MasksConfig:
    """Write images and their masks as PNG files, image/000000.png and mask/000000.png, the masks with a palette.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")] = "SegRCDB"
    """Family of formulas to draw from: one whose images have masks, of at most 255 categories."""
    out: Path
    """Folder to write: new or empty; it appears whole or not at all."""
    images: int = 1000
    """How many."""
    size: int = 512
    """Height and width of the images, in pixels."""
    classes: int | None = None
    """Categories of the dataset; None is the family's own number."""
    seed: int = 0
    """Seed of the dataset."""
    lines: Literal["auto", "crisp", "area", "native"] = "auto"
    """How a drawing becomes pixels, as in fdsl preview; masks are always crisp."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example variant=M2."""

    def __post_init__(self) -> None:
        check_new_folder("out", self.out)
        check_int("images", self.images, 1)
        check_int("size", self.size, 32, 1024)
        check_int("seed", self.seed, 0, 2**32 - 1)
        family_fields(self.classes, self.options)  # checks them


def run(argv: list[str]) -> None:
    """Parse `argv` into a `MasksConfig` and write the folder."""
    config = parse(MasksConfig, "masks", argv)
    require("masks", "train")
    from fdsl.data.dataset import FormulaDataset
    from fdsl.data.palette import export_masks

    fields = family_fields(config.classes, config.options)
    drawn = family(config.family, **fields)
    dataset = FormulaDataset(drawn, None, config.size, config.seed, lines=config.lines)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("drawing", total=config.images)
        export_masks(
            dataset, config.out, config.images, progress=lambda done: bar.update(task, completed=done)
        )
    print(f"{config.out}: {config.images:,} images of {drawn.name} and their masks, {config.size} px")
