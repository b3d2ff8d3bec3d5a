"""`fdsl params import`: check a folder of published category files, and say what is in it and how to use it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import tyro

from fdsl.cli.parse import parse
from fdsl.evaluate.catalogue import parameter_lines
from fdsl.formulas import published_class


@dataclass(frozen=True, kw_only=True)
class ParamsImportConfig:
    """Check a folder of category files and say what is in it. Nothing is written: a family reads the files themselves.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="FOLDER")]
    """Folder of one CSV file a category, and nothing else."""
    family: str
    """Family whose form the files have, for example FractalDB."""

    def __post_init__(self) -> None:
        published_class(self.family)


def run(argv: list[str]) -> None:
    """Parse `argv` into a `ParamsImportConfig`, read every file, and print what is there."""
    config = parse(ParamsImportConfig, "params import", argv)
    cls = published_class(config.family)
    drawn = cls.from_csv(config.folder)
    assert drawn.files is not None  # from_csv sets it
    categories = [drawn.category(0, k) for k in range(drawn.classes)]
    print(f"{config.folder}: {drawn.classes:,} categories of {cls.name}, sha256 {drawn.files.sha256}")
    print("\n".join(f"  {line}" for line in _summary(categories)))
    print(f"{drawn.files.names[0]}.csv")
    print("\n".join(f"  {line}" for line in parameter_lines(categories[0])))
    print("how to use them")
    print(f"  fdsl preview {cls.name} --options {shlex.quote(f'files={config.folder}')}")
    print(f"  fdsl.{cls.name}.from_csv({str(config.folder)!r})")


def _summary(categories: list[dict[str, Any]]) -> Iterator[str]:
    """Say in a line a parameter what values it has, or how many where it is a list."""
    for name in categories[0]:
        values = [category[name] for category in categories]
        if isinstance(values[0], list):
            counts = [len(value) for value in values]
            yield f"{name}: {min(counts)} to {max(counts)} a category, {sum(counts):,} in all"
        else:
            yield f"{name}: {min(values):.6g} to {max(values):.6g}"
