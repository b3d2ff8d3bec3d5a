"""The page: controls to the left, what they make to the right.

Nothing is kept on the server: a request holds all controls, and `views.show` checks every one of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import Any

import gradio as gr

from fdsl.errors import FdslError, InputError, check_choice, check_int
from fdsl.evaluate.catalogue import entry
from fdsl.explore.drawing import Strengths
from fdsl.explore.parameters import Control, default_classes, most_classes
from fdsl.explore.scene import MOST_COLUMNS, MOST_ROWS, MOST_STRENGTH, UNALTERED, Scene
from fdsl.explore.style import PICTURES_JS
from fdsl.explore.views import VIEWS, names, scene_of, show, waits
from fdsl.formulas import Family, families
from fdsl.formulas.altered import ALTERATIONS
from fdsl.render.renderer import LINES

AT_ONCE, PATIENCE = 2, 20.0
"""Requests that are drawn at once: one that searches does not keep another from drawing. Others wait for so many
seconds, and are told that there are too many."""
LONGEST = 400
"""Characters of a message."""
SHEET_SIZES, ZOOM_SIZES = (32, 256, 8), (128, 1024, 32)
LARGE = 2**32 - 1

Blocks = list[Any]


@dataclass
class Controls:
    """The page's controls by name, and what is shown or hidden.

    Attributes:
        named: all that a request holds, in order.
        families: the controls of each family.
        views: the controls of each view.
    """

    named: dict[str, Any] = field(default_factory=dict)
    families: dict[str, Any] = field(default_factory=dict)
    views: list[tuple[tuple[str, ...], Any]] = field(default_factory=list)

    def add(self, name: str, made: Any) -> Any:
        """Keep a control under its name, and return it."""
        self.named[name] = made
        return made


def build_page(threads: int | None = None) -> gr.Blocks:
    """Return the page; `threads` draw, None for all cores. Nothing is drawn until a browser asks."""
    controls = Controls()
    with gr.Blocks(title="fdsl explore", analytics_enabled=False, fill_width=True) as page:
        gr.HTML('<div class="fdsl-head"><h1>fdsl explore</h1><p>Images drawn from formulas, redrawn as you move '
                "their parameters. All of it on this machine.</p></div>")  # fmt: skip
        with gr.Row(elem_id="explorer"):
            with gr.Column(scale=2, min_width=300, elem_id="controls"):
                _family_controls(controls)
                _image_controls(controls)
            with gr.Column(scale=5, min_width=300, elem_id="shown"):
                _view_controls(controls)
                message = gr.HTML(elem_id="message")
                pictures = gr.HTML(js_on_load=PICTURES_JS, elem_id="pictures")
                with gr.Accordion("Code that makes this", open=True, elem_id="code"):
                    python = gr.Code(language="python", label="Python", interactive=False, elem_id="python")
                    command = gr.Code(
                        language="shell", label="Command line", interactive=False, elem_id="command"
                    )
                with gr.Accordion("About this family", open=False):
                    about = gr.HTML(_about(Scene().kind), elem_id="about")
        _wire(page, controls, threads, message, [pictures, message, python, command], about)
    return page


def _family_controls(controls: Controls) -> None:
    usual = Scene().family
    controls.add("family", gr.Dropdown(list(families()), value=usual, label="Family", elem_id="family"))
    for name, cls in families().items():
        with gr.Column(visible=name == usual, min_width=280, elem_id=f"own-{name}") as group:
            for full, control in names(cls).items():
                made = _classes(cls) if control is None else _control(control, full.replace(".", "-"))
                controls.add(full, made)
        controls.families[name] = group


def _classes(cls: type[Family]) -> gr.Number:
    most = most_classes(cls)
    return _number(f"classes, 2 to {most:,}", default_classes(cls), 2, most, f"{cls.name}-classes")


def _control(control: Control, name: str) -> Any:
    if control.span is None:
        return gr.Dropdown(list(control.choices), value=control.default, label=control.label, elem_id=name)
    low, high, step = control.span
    return gr.Slider(low, high, value=control.default, step=step, label=control.label, elem_id=name)


def _image_controls(controls: Controls) -> None:
    usual = Scene()
    with gr.Group():
        _slider(controls, "categories", 1, MOST_ROWS, usual.categories, "categories (rows)")
        _slider(controls, "instances", 1, MOST_COLUMNS, usual.instances, "instances (columns)")
        low, high, step = SHEET_SIZES
        _slider(controls, "size", low, high, usual.size, "size, pixels", step)
        with gr.Row():
            for name, label in (("first_category", "first category"), ("first_instance", "first instance")):
                controls.add(name, _number(label, 0, 0, LARGE, name))
            controls.add("seed", _number("seed", usual.seed, 0, LARGE, "seed"))
    with gr.Accordion("Lines and alterations", open=False):
        controls.add("lines", gr.Dropdown(list(LINES), value=usual.lines, label="lines", elem_id="lines"))
        kinds = [UNALTERED, *ALTERATIONS]
        controls.add("alter", gr.Dropdown(kinds, value=UNALTERED, label="alter", elem_id="alter"))
        _slider(controls, "strength", 0, MOST_STRENGTH, 1, "strength: lines an image, or pixels")


def _view_controls(controls: Controls) -> None:
    view = gr.Radio(list(VIEWS), value="Sheet", label="View", show_label=False, elem_id="view")
    controls.add("view", view)
    with gr.Row(visible=False) as image:
        controls.add("category", _number("category", 0, 0, LARGE, "category"))
        controls.add("instance", _number("instance", 0, 0, LARGE, "instance"))
    with gr.Row(visible=False) as zoom:
        low, high, step = ZOOM_SIZES
        _slider(controls, "zoom_size", low, high, 512, "size of the zoom, pixels", step)
    with gr.Row(visible=False) as augment:
        usual = Strengths()
        for name, label in CHANCES.items():
            least = 0.02 if name == "crop" else 0.0
            _slider(controls, name, least, 1.0, getattr(usual, name), label, 0.01)
        _slider(controls, "layers", 0, 4, usual.layers, "RandAugment, operations")
        _slider(controls, "magnitude", 0, 10, usual.magnitude, "RandAugment, magnitude")
    with gr.Row(visible=False) as compare:
        controls.add("copy", gr.Button("Copy A to B", elem_id="copy"))
        controls.add("reset", gr.Button("B as published", elem_id="reset"))
    controls.add("other", gr.Textbox("", visible=False, elem_id="other"))
    controls.views = [
        (("Zoom", "Augment"), image), (("Zoom",), zoom), (("Augment",), augment), (("Compare",), compare),
    ]  # fmt: skip


CHANCES = {
    "crop": "crop, least share of the area",
    "hflip": "left-right flip, probability",
    "vflip": "top-bottom flip, probability",
    "erasing": "erasing, probability",
}


def _slider(
    controls: Controls, name: str, low: float, high: float, value: float, label: str, step: float = 1
) -> None:
    slider = gr.Slider(low, high, value=value, step=step, label=label, elem_id=name, min_width=200)
    controls.add(name, slider)


def _number(label: str, value: int, low: int, high: int, name: str) -> gr.Number:
    return gr.Number(
        value, label=label, minimum=low, maximum=high, precision=0, step=1, elem_id=name, min_width=90
    )


def _wire(
    page: gr.Blocks, controls: Controls, threads: int | None, message: Any, outputs: Blocks, about: Any
) -> None:
    """Say what follows what: every control redraws.

    All drawing is one event, also what follows another, which then sets `tick`: Gradio draws the last position of one
    event again, and keeps its answers in order, but not those of two.
    """
    buttons = {name: controls.named.pop(name) for name in ("copy", "reset")}
    named, inputs = tuple(controls.named), list(controls.named.values())
    tick = gr.Textbox("", visible="hidden", elem_id="tick")
    gr.on(
        [*_moved(controls, searching=False), tick.change], _redraw(named, threads), inputs, outputs,
        **{**QUIET, "api_visibility": "undocumented"}, trigger_mode="always_last", api_name="draw",
    )  # fmt: skip
    tell = {"fn": _tell(named), "inputs": inputs, "outputs": [message, tick], **QUIET}
    gr.on([page.load, *_moved(controls, searching=True)], **tell, trigger_mode="always_last")
    family, view, other = (controls.named[name] for name in ("family", "view", "other"))
    groups, shown = list(controls.families.values()), [group for _, group in controls.views]
    family.input(_choose, [family], [*groups, about], **QUIET).then(**tell)
    view.input(_switch(controls), [view], [tick, *shown], **QUIET)
    place = [controls.named[name] for name in ("first_category", "first_instance")]
    to = [view, controls.named["category"], controls.named["instance"], tick, *shown]
    outputs[0].click(_pick(controls), place, to, **QUIET)
    buttons["copy"].click(_copy(named), inputs, [other, message, tick], **QUIET)
    buttons["reset"].click(lambda: ("", _now()), None, [other, tick], **QUIET)


def _now() -> str:
    """Return a text that has not been before."""
    return str(time.monotonic_ns())


def _moved(controls: Controls, searching: bool) -> Blocks:
    """Return what happens when a control is moved: those that may start a search, or the others."""
    events = []
    for name, made in controls.named.items():
        field_name = name.split(".")[-1]
        if name in ("family", "view", "other") or (field_name in SEARCHING) != searching:
            continue
        # a slider changes, without input, when a number typed beyond its end is put back to it, or it is reset
        events.append(made.change if isinstance(made, gr.Slider) else made.input)
    return events


QUIET: dict[str, Any] = {
    "show_progress": "hidden",
    "preprocess": False,
    "queue": False,
    "api_visibility": "private",
}
"""No spinner over a sheet that comes in milliseconds; values as they were sent, for our own checks; and an answer at
once: Gradio's queue would send the position in it first, and look for work every so often."""
SEARCHING = ("seed", "classes", "least_variance", "sigma", "delta")


def _redraw(named: tuple[str, ...], threads: int | None) -> Callable[..., tuple[Any, ...]]:
    places = threading.BoundedSemaphore(AT_ONCE)

    def redraw(*given: Any) -> tuple[Any, ...]:
        if not places.acquire(timeout=PATIENCE):
            return (
                gr.skip(),
                said(InputError("the server is busy with other requests: try again")),
                gr.skip(),
                gr.skip(),
            )
        try:
            shown = show(dict(zip(named, given, strict=True)), threads)
        except FdslError as error:
            return gr.skip(), said(error), gr.skip(), gr.skip()
        finally:
            places.release()
        return shown.html, "", shown.python, shown.command

    return redraw


def _tell(named: tuple[str, ...]) -> Callable[..., tuple[str, str]]:
    def tell(*given: Any) -> tuple[str, str]:
        try:
            reason = waits(dict(zip(named, given, strict=True)))
        except FdslError as error:
            return said(error), _now()
        return f'<div class="fdsl-wait" role="status">{escape(reason)}</div>' if reason else "", _now()

    return tell


def said(error: FdslError) -> str:
    """Return an error as the page shows it, one line; what was sent may be long and may be HTML."""
    text = " ".join(str(error).split())
    text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
    return f'<div class="fdsl-error" role="alert">{escape(text)}</div>'


def _choose(name: object) -> list[Any]:
    cls = families()[_or_error("family", name, families())]
    return [*(gr.update(visible=cls.name == one) for one in families()), _about(cls)]


def _switch(controls: Controls) -> Callable[[object], list[Any]]:
    def switch(view: object) -> list[Any]:
        chosen = _or_error("view", view, VIEWS)
        return [_now(), *(gr.update(visible=chosen in of) for of, _ in controls.views)]

    return switch


def _pick(controls: Controls) -> Callable[..., list[Any]]:
    def pick(first_category: object, first_instance: object, event: gr.EventData) -> list[Any]:
        try:
            row = check_int("row", event._data.get("row"), 0, MOST_ROWS - 1)
            column = check_int("column", event._data.get("column"), 0, MOST_COLUMNS - 1)
            category = check_int("first_category", first_category, 0, LARGE) + row
            instance = check_int("first_instance", first_instance, 0, LARGE) + column
        except FdslError as error:
            raise gr.Error(escape(str(error))[:LONGEST], print_exception=False) from None
        return ["Zoom", category, instance, *_switch(controls)("Zoom")]

    return pick


def _copy(named: tuple[str, ...]) -> Callable[..., tuple[Any, Any, Any]]:
    def copy(*given: Any) -> tuple[Any, Any, Any]:
        try:
            return scene_of(dict(zip(named, given, strict=True))).to_json(), "", _now()
        except FdslError as error:
            return gr.skip(), said(error), gr.skip()

    return copy


def _or_error(field_name: str, value: object, choices: Any) -> str:
    try:
        return check_choice(field_name, value, choices)
    except FdslError as error:
        raise gr.Error(escape(str(error))[:LONGEST], print_exception=False) from None


def _about(cls: type[Family]) -> str:
    one = entry(cls)
    rows = "".join(f"<tr><td>{escape(row.name)}</td><td>{escape(row.text)}</td></tr>" for row in one.fields)
    parts = "".join(f"<p>{escape(part)}</p>" for part in (one.drawn, *one.more, f"Source: {one.source}."))
    return f'<div class="fdsl-about">{parts}<table>{rows}</table></div>'
