"""The folder of an inspection: inspect.json and inspect.png, new or in the place of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fdsl.evaluate.quality.inspecting import Inspection
from fdsl.evaluate.results import check_result_folder, result_folder
from fdsl.files import write_bytes, write_json

WHAT = "inspect"
JSON_FILE, PICTURE_FILE = "inspect.json", "inspect.png"
FILES = (JSON_FILE, PICTURE_FILE)


def check_out(out: Path) -> None:
    """Check that an inspection can be written to a folder: it is new, empty or holds an earlier one and nothing else.

    Raises:
        InputError: it is a file, or holds something else.
    """
    check_result_folder("out", out, WHAT, FILES)


def write_inspection(found: Inspection, warnings: Sequence[str], out: Path) -> None:
    """Write inspect.json and inspect.png, both or neither. Needs matplotlib.

    Raises:
        InputError: see `check_out`.
        OSError: a file cannot be written.
    """
    from fdsl.evaluate.quality.picture import draw_picture

    picture = draw_picture(found, warnings)
    with result_folder("out", out, WHAT, FILES) as folder:
        write_json(folder / JSON_FILE, {**found.to_json(), "warnings": list(warnings)})
        write_bytes(folder / PICTURE_FILE, picture)
