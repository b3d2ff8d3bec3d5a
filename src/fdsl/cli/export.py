"""`fdsl export`: what a run came to, in a form for others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.files import check_new_folder


@dataclass(frozen=True, kw_only=True)
class ExportHfConfig:
    """Lay a finished run out as a Hugging Face repository folder: weights that timm loads, a model card, the recipe.

    Raises:
        InputError: a field is of the wrong form; the message names it.
    """

    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a finished pre-training or fine-tuning."""
    out: Path
    """Folder to write: new or empty; it appears whole or not at all."""
    name: str | None = None
    """Name of the repository on the Hub, USER/NAME, for the model card."""
    license: str | None = None
    """Identifier of a licence for the model card, for example mit; None names none."""

    def __post_init__(self) -> None:
        check_new_folder("out", self.out)


def hf(argv: list[str]) -> None:
    """Parse `argv` into an `ExportHfConfig` and write the folder."""
    require("export", "train")
    config = parse(ExportHfConfig, "export hf", argv)
    from fdsl.train.publishing.export import export_hf

    folder = export_hf(config.run, config.out, name=config.name, terms=config.license)
    print(
        f"{config.out}: {', '.join(sorted(path.name for path in folder.iterdir()))}; timm loads local-dir:{config.out}"
    )
