"""The Python and the command line that make what is shown."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from fdsl.explore.parameters import published_classes
from fdsl.explore.scene import UNALTERED, Scene
from fdsl.formulas.altered import read_alterations

PUBLISHED_SHEET = {"seed": 0, "lines": "auto", "first_category": 0, "first_instance": 0}
"""What a sheet is like when it is not told."""


def file_name(scene: Scene, what: str) -> str:
    """Return a name for the picture of a scene, such as RCDB-sheet-seed0.png."""
    return f"{scene.family}-{what}-seed{scene.seed}.png"


def sheet_command(scene: Scene, out: str) -> str:
    """Return the `fdsl preview` command that writes the sheet of a scene to the file `out`."""
    words = [
        f"fdsl preview {scene.family} --out {shlex.quote(out)}",
        f"--categories {scene.categories} --instances {scene.instances} --size {scene.size}",
    ]
    words += [f"--{name.replace('_', '-')} {value}" for name, value in _told(scene)]
    if scene.classes != published_classes(scene.kind):
        words.append(f"--classes {scene.classes}")
    if scene.options:
        pairs = (f"{name}={_json(value)}" for name, value in scene.options.items())
        words.append("--options " + " ".join(map(shlex.quote, pairs)))
    if scene.alter != UNALTERED:
        words.append(f"--alter {scene.alter}")
    return " \\\n    ".join(words)


def sheet_python(scene: Scene, out: str) -> str:
    """Return Python that writes the sheet of a scene to the file `out`."""
    told = "".join(f", {name}={value!r}" for name, value in _told(scene))
    return "\n".join(
        [
            "import fdsl",
            "from fdsl.evaluate.sheet import family_sheet, save_picture",
            "",
            f"family = {formula_python(scene)}",
            f"sheet = family_sheet(family, {scene.categories}, {scene.instances}, size={scene.size}{told})",
            f"save_picture(sheet, {out!r})",
            "",
        ]
    )


def augmented_python(scene: Scene, recipe: Mapping[str, Any], rows: int, columns: int, out: str) -> str:
    """Return Python that writes the sheet of `draw_augmented` to the file `out`; no command draws it."""
    count = rows * columns
    arguments = "\n".join(f"    {name}={value!r}," for name, value in recipe.items())
    return f"""import fdsl
import numpy as np
from fdsl.evaluate.sheet import grid, save_picture

family = {formula_python(scene)}
recipe = fdsl.Augmentation(
{arguments}
)
category, instance = np.full({count}, {scene.first_category}), np.full({count}, {scene.first_instance})
table = family.table({scene.seed}, category, instance)
plan = recipe.plan(
    {scene.seed}, category, instance, epochs=np.arange({count}),
    canvas=table.canvas, size={scene.size}, channels=table.channels,
)
images = fdsl.Renderer({scene.size}, {scene.lines!r})(table, plan.view, plan.tone, plan.retouch)
save_picture(grid(images.reshape({rows}, {columns}, *images.shape[1:])), {out!r})
"""


def formula_python(scene: Scene) -> str:
    """Return the expression that builds a scene's family."""
    fields = dict(scene.options)
    if scene.classes != published_classes(scene.kind):
        fields = {"classes": scene.classes, **fields}
    built = f"fdsl.{scene.family}({', '.join(f'{name}={value!r}' for name, value in fields.items())})"
    if scene.alter == UNALTERED:
        return built
    ((cls, strength),) = read_alterations("alter", [scene.alter])
    return f"fdsl.{cls.__name__}({built}, {cls.strength}={strength})"


def _told(scene: Scene) -> list[tuple[str, Any]]:
    return [
        (name, getattr(scene, name))
        for name, usual in PUBLISHED_SHEET.items()
        if getattr(scene, name) != usual
    ]


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
