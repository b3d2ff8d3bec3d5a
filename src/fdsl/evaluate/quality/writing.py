"""The folder of an inspection: inspect.json and inspect.png, new or in the place of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fdsl.errors import DataError, InputError
from fdsl.evaluate.quality.inspecting import Inspection
from fdsl.files import is_leftover, read_object, write_bytes, write_json

JSON_FILE, PICTURE_FILE = "inspect.json", "inspect.png"
OURS = (JSON_FILE, PICTURE_FILE)


def check_out(field: str, out: Path) -> None:
    """Check that an inspection can be written to a folder: it is new, empty or holds an earlier one and nothing else.

    Raises:
        InputError: it is a file, or holds something else.
    """
    if blocking := [path for path in (out, *out.parents) if path.exists() and not path.is_dir()]:
        raise InputError(f"{field} must be a folder, got {out}: {blocking[0]} is a file")
    names = sorted(path.name for path in out.iterdir() if not is_leftover(path)) if out.is_dir() else []
    foreign = [name for name in names if name not in OURS]
    if JSON_FILE in names and not foreign:
        try:
            foreign = [] if read_object(out / JSON_FILE).get("what") == "inspect" else [JSON_FILE]
        except DataError:
            foreign = [JSON_FILE]
    elif names and not foreign:
        foreign = names
    if foreign:
        raise InputError(
            f"{field} must be new, empty or hold an earlier inspection, got {out}: it holds {foreign[0]}"
        )


def write_inspection(found: Inspection, warnings: Sequence[str], out: Path) -> None:
    """Write inspect.json and inspect.png; each appears whole or not at all. Needs matplotlib.

    Raises:
        InputError: see `check_out`.
        OSError: a file cannot be written.
    """
    from fdsl.evaluate.quality.picture import draw_picture

    check_out("out", out)
    picture = draw_picture(found, warnings)
    write_json(out / JSON_FILE, {**found.to_json(), "warnings": list(warnings)})
    write_bytes(out / PICTURE_FILE, picture)
