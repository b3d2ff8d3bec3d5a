"""What a report is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fdsl.errors import InputError

SUFFIXES = (".html", ".htm")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Write one HTML page of runs side by side: config, curves, accuracies, examples, attention; a file by itself.

    Raises:
        InputError: a field is of the wrong form; the message names it.
    """

    runs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folders of pre-trainings and fine-tunings, of one seed or several, finished or not, or what fdsl probe, fdsl
    attention and fdsl inspect wrote."""
    out: Path = Path("report.html")
    """Page to write; an earlier one is replaced."""
    title: str | None = None
    """Heading of the page; None names the runs."""
    attention: bool = True
    """Draw where the models look, which takes seconds to a minute each; --no-attention leaves it out."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "runs", tuple(map(Path, self.runs)))
        object.__setattr__(self, "out", Path(self.out))
        if not self.runs:
            raise InputError("runs must name the folder of a run at least, got none")
        if self.out.suffix.lower() not in SUFFIXES:
            raise InputError(f"out must end in .html, got {str(self.out)!r}")
        if self.out.is_dir():
            raise InputError(f"out must be a file, got the folder {str(self.out)!r}")
        if self.title is not None and not self.title.strip():
            raise InputError("title must hold a word or be None, got nothing")
