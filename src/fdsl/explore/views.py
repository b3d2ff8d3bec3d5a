"""What the page shows for the state of its controls: checked, drawn, and as HTML with the code that makes it."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.data.augment import Augmentation
from fdsl.errors import check_choice
from fdsl.evaluate.catalogue import parameter_lines
from fdsl.explore.drawing import Strengths, draw_augmented, draw_sheet, encode, waits_for
from fdsl.explore.parameters import Control, controls
from fdsl.explore.scene import UNALTERED, Scene, alteration
from fdsl.explore.snippets import augmented_python, file_name, sheet_command, sheet_python
from fdsl.formulas import Family, families

NO_COMMAND = "# no command draws this sheet: the Python above does"
DIGEST_SHOWN = 12


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a view shows.

    Attributes:
        html: pictures with their captions.
        python: makes the pictures.
        command: the same on the command line.
    """

    html: str
    python: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture in the page.

    Attributes:
        pixels: uint8 [H, W] or [H, W, 3].
        scene: what it shows.
        what: sheet, zoom, a, b, image or augmented: a part of the file's name.
        title: stands above it.
        command: its file's comment.
        seconds: how long it took to draw.
        picked: whether a click on it zooms in.
    """

    pixels: NDArray[np.uint8]
    scene: Scene
    what: str
    title: str
    command: str
    seconds: float
    picked: bool = False

    def html(self) -> str:
        """Return it as a figure, the file itself within, so that nothing is asked for again or kept on disk."""
        started = time.perf_counter()
        file = encode(self.pixels, self.command)
        encoding = time.perf_counter() - started
        height, width = self.pixels.shape[:2]
        scene, name = self.scene, file_name(self.scene, self.what)
        digest = scene.formula.digest(scene.seed)[:DIGEST_SHOWN]
        grid = f"data-rows={scene.categories} data-columns={scene.instances}" if self.picked else ""
        return f"""<figure class="fdsl-figure"><div class="fdsl-title">{escape(self.title)}</div>
<img class="fdsl-picture" alt="{escape(self.title)}" data-what="{self.what}" {grid} width={width} height={height}
 decoding="sync" src="data:image/png;base64,{base64.b64encode(file).decode()}">
<figcaption><a class="fdsl-download" download="{escape(name)}" href="#">Download PNG</a>
<span>{width} x {height} px, drawn in {1000 * self.seconds:.0f} ms, encoded in {1000 * encoding:.0f} ms</span>
<span title="of the family and seed, as family.digest(seed) has it">digest {digest}</span></figcaption></figure>"""


def names(cls: type[Family]) -> dict[str, Control | None]:
    """Return the names of a family's controls, those of its categories first, which has no field of its own."""
    own = {
        f"{cls.name}.{one.field}" + ("" if one.end is None else f".{one.end}"): one for one in controls(cls)
    }
    return {f"{cls.name}.classes": None, **own}


def scene_of(values: Mapping[str, Any]) -> Scene:
    """Return the scene that the page's controls, by name, ask for.

    Raises:
        InputError: a value is none that the page could send.
    """
    cls = families()[check_choice("family", values["family"], families())]
    options: dict[str, Any] = {}
    for name, control in names(cls).items():
        if control is not None and control.end is None:
            options[control.field] = values[name]
        elif control is not None:
            options.setdefault(control.field, []).append(values[name])
    return Scene(
        family=cls.name,
        classes=values[f"{cls.name}.classes"],
        options=options,
        alter=alteration(values["alter"], values["strength"]),
        **{name: values[name] for name in ("seed", "lines", "categories", "instances", "size", *FIRSTS)},
    )


FIRSTS = ("first_category", "first_instance")


def waits(values: Mapping[str, Any]) -> str:
    """Return what keeps the view from being drawn at once, for people, or nothing; InputError as `show`."""
    scene = scene_of(values)
    other = other_of(values, scene) if values["view"] == "Compare" else scene
    return waits_for(scene) or waits_for(other)


def show(values: Mapping[str, Any], threads: int | None = None) -> Shown:
    """Draw the view that the page's controls ask for.

    Args:
        values: of all controls, by name.
        threads: how many threads draw; None for all cores.

    Raises:
        InputError: a value is none that the page could send; nothing is drawn.
    """
    view = VIEWS[check_choice("view", values["view"], VIEWS)]
    return view(values, scene_of(values), threads)


def _sheet(values: Mapping[str, Any], scene: Scene, threads: int | None) -> Shown:
    picture = _drawn(scene, "sheet", _title(scene), threads, picked=True)
    name = file_name(scene, "sheet")
    hint = '<p class="fdsl-hint">A row is a category, a column an instance. Click an image to zoom in.</p>'
    return Shown(
        html=picture.html() + hint, python=sheet_python(scene, name), command=sheet_command(scene, name)
    )


def _zoom(values: Mapping[str, Any], scene: Scene, threads: int | None) -> Shown:
    one = scene.one(values["category"], values["instance"], values["zoom_size"])
    title = f"{one.family}, category {one.first_category}, instance {one.first_instance}, seed {one.seed}"
    picture = _drawn(one, "zoom", title, threads)
    lines = escape("\n".join(parameter_lines(one.formula.category(one.seed, one.first_category))))
    name = file_name(one, "zoom")
    return Shown(
        html=f'{picture.html()}<div class="fdsl-title">Its category</div><pre class="fdsl-lines">{lines}</pre>',
        python=sheet_python(one, name),
        command=sheet_command(one, name),
    )


def _compare(values: Mapping[str, Any], scene: Scene, threads: int | None) -> Shown:
    other = other_of(values, scene)
    files = file_name(scene, "a"), file_name(other, "b")
    pictures = (
        _drawn(scene, "a", f"A: {_title(scene)}", threads),
        _drawn(other, "b", f"B: {_title(other)}", threads),
    )
    return Shown(
        html=f'<div class="fdsl-pair fdsl-two">{"".join(picture.html() for picture in pictures)}</div>',
        python="\n".join(sheet_python(one, file) for one, file in zip((scene, other), files, strict=True)),
        command="\n".join(sheet_command(one, file) for one, file in zip((scene, other), files, strict=True)),
    )


def other_of(values: Mapping[str, Any], scene: Scene) -> Scene:
    """Return B, the parameter set that is kept, of the same categories, instances and size as A.

    It is the family as published where none is kept.
    """
    kept = (
        Scene.from_json(values["other"]) if values["other"] else Scene(family=scene.family, seed=scene.seed)
    )
    layout = {name: getattr(scene, name) for name in ("categories", "instances", "size", *FIRSTS)}
    return replace(kept, **layout)


def _augment(values: Mapping[str, Any], scene: Scene, threads: int | None) -> Shown:
    strengths = Strengths(**{name: values[name] for name in Strengths.__dataclass_fields__})
    one = scene.one(values["category"], values["instance"], scene.size)
    rows, columns, fields = scene.categories, scene.instances, strengths.fields()
    plain = _drawn(
        one, "image", f"{one.family}, category {one.first_category}, instance {one.first_instance}", threads
    )
    started = time.perf_counter()
    pixels = draw_augmented(one, Augmentation(**fields), rows, columns, threads)
    sheet = Picture(
        pixels=pixels,
        scene=one,
        what="augmented",
        title=f"as a training sees it in {rows * columns} epochs",
        command=NO_COMMAND,
        seconds=time.perf_counter() - started,
    )
    return Shown(
        html=f'<div class="fdsl-pair">{plain.html()}{sheet.html()}</div>',
        python=augmented_python(one, fields, rows, columns, file_name(one, "augmented")),
        command=NO_COMMAND,
    )


def _drawn(scene: Scene, what: str, title: str, threads: int | None, picked: bool = False) -> Picture:
    started = time.perf_counter()
    pixels = draw_sheet(scene, threads)
    return Picture(
        pixels=pixels,
        scene=scene,
        what=what,
        title=title,
        command=sheet_command(scene, file_name(scene, what)),
        seconds=time.perf_counter() - started,
        picked=picked,
    )


def _title(scene: Scene) -> str:
    altered = "" if scene.alter == UNALTERED else f", {scene.alter}"
    own = "".join(f", {name} {_plain(value)}" for name, value in scene.options.items())
    return f"{scene.family}, seed {scene.seed}{own}{altered}"


def _plain(value: Any) -> str:
    return (
        " to ".join(map(_plain, value))
        if isinstance(value, tuple)
        else f"{value:g}"
        if isinstance(value, float)
        else str(value)
    )


View = Callable[[Mapping[str, Any], Scene, int | None], Shown]
VIEWS: dict[str, View] = {"Sheet": _sheet, "Zoom": _zoom, "Compare": _compare, "Augment": _augment}
"""By name, as the page has them."""
