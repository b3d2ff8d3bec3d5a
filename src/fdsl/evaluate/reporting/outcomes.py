"""What fdsl probe, fdsl attention and fdsl inspect wrote, as tables and pictures of a page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from fdsl.errors import DataError
from fdsl.evaluate.reporting.entries import Entries, Outcome, What, printable, read_as_written
from fdsl.evaluate.reporting.page import Picture, Table, fact, few_colours
from fdsl.evaluate.reporting.tables import NOTHING, percent, percents

WIDEST = 1400
"""Pixels of a picture at most: the page is no wider than 960."""
NOT_NUMBERS = frozenset({"what", "config", "command", "machine", "versions", "warnings", "name", "per_class"})


@dataclass(frozen=True, kw_only=True)
class Section:
    """An outcome as the page shows it; `further` pictures are folded away."""

    heading: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    further: tuple[Picture, ...] = ()


def section(outcome: Outcome, entries: Entries) -> Section:
    """Return an outcome as the page shows it.

    Raises:
        DataError: its JSON is not of the form that its command writes, or a picture is damaged.
    """
    with read_as_written(outcome):
        return READERS[outcome.what](outcome, entries)


def _probe(outcome: Outcome, entries: Entries) -> Section:
    content = outcome.content
    weights = entries.where(content.get("weights"))
    scores = {"linear classifier": content["linear"], "nearest neighbours": content["knn"]}
    rows = [
        [
            name,
            percents(one),
            _interval(one),
            percent(one.get("class_average")),
            _points(one.get("calibration_error")),
        ]
        for name, one in scores.items()
    ]
    head = ["on frozen features", "accuracy", "95% interval", "class average", "calibration error, points"]
    seeds = content.get("seeds") or []
    caption = (
        f"Weights: {weights}. {content['data']}, {fact(content['labels'])} labelled images, "
        f"{fact(content['test_images'])} to test on, seeds {fact(seeds)}"
    )
    tables = [Table(caption=printable(caption), head=head, rows=rows)]
    if robust := content.get("robustness"):
        rows = [[kind, percent(one.get("linear")), percent(one.get("knn"))] for kind, one in robust.items()]
        tables.append(
            Table(
                caption="Accuracy on altered test images", head=["images", "linear", "neighbours"], rows=rows
            )
        )
    notes = []
    if content.get("shape_bias") is not None:
        notes.append(_shape(content))
    pictures = _pictures(outcome, {
        "confusion": "What is taken for what.",
        "calibration": "How far confidence can be believed.",
        "shape": "The altered images, and what is left of the accuracy.",
    })  # fmt: skip
    return Section(
        heading=f"Probe: {outcome.name}", tables=tuple(tables), notes=tuple(notes), pictures=pictures
    )


def _shape(content: Mapping[str, Any]) -> str:
    """Return the shape bias in the words that `fdsl probe` has for it."""
    text = f"Shape bias {content['shape_bias']:.2f}"
    if bounds := content.get("shape_bias_interval"):
        text += f" (95% interval {bounds[0]:.2f} to {bounds[1]:.2f})"
    return f"{text}: 1 is recognising by edges alone, 0 by shuffled patches alone."


def _attention(outcome: Outcome, entries: Entries) -> Section:
    content = outcome.content
    rows = [
        [
            str(one["name"]),
            entries.where(one.get("weights")),
            str(one["method"]),
            _measured(one["contour_share"], 100, "%"),
            _measured(one["lift"], 1, ""),
            _measured(one["control"], 1, ""),
        ]
        for one in content["models"]
    ]
    head = ["model", "weights", "method", "attention on contours", "times the share of the area", "elsewhere"]
    area = _measured(content["area_share"], 100, "%")
    caption = (
        f"Means and deviations over {fact(content['measured'])} images of {content['family']}, of whose area contours "
        f"take {area}. Elsewhere: the same on the contours of another image; what is beyond it is owed to the image"
    )
    pictures = _pictures(outcome, {"attention": "Where each model looks, on drawings and on real images."})
    heads = tuple(
        _picture(path, f"Every head: {path.stem.removeprefix('heads-')}")
        for path in sorted(outcome.folder.glob("heads-*.png"))
    )
    return Section(
        heading=f"Attention: {outcome.name}" if outcome.name else "",
        tables=(
            Table(caption=printable(caption), head=head, rows=[list(map(printable, row)) for row in rows]),
        ),
        pictures=pictures,
        further=heads,
    )


def _inspect(outcome: Outcome, _: Entries) -> Section:
    content = outcome.content
    rows = [[name.replace("_", " "), printable(value)] for name, value in _flat(content)]
    family = printable(str(content["family"]))
    notes = tuple(printable(str(text)) for text in content.get("warnings") or ()) or ("No warnings.",)
    return Section(
        heading=f"Inspection: {outcome.name}",
        tables=(Table(caption=f"Images of {family} before any training", head=["measured", ""], rows=rows),),
        notes=notes,
        pictures=_pictures(outcome, {"inspect": f"{family}: what was measured, in pictures."}),
    )


READERS: dict[What, Callable[[Outcome, Entries], Section]] = {
    "probe": _probe,
    "attention": _attention,
    "inspect": _inspect,
}


def _flat(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the numbers and texts of an object, those of an object within it by both names, of a list their number."""
    found: list[tuple[str, str]] = []
    for name, value in content.items():
        if name in NOT_NUMBERS:
            continue
        if isinstance(value, Mapping):
            found += [(f"{name}, {inner}", text) for inner, text in _flat(value)]
        elif isinstance(value, list) and any(isinstance(part, (list, Mapping)) for part in value):
            found.append((name, f"{len(value)} of them"))
        else:
            found.append((name, f"{value:.4g}" if isinstance(value, float) else fact(value)))
    return found


def _measured(value: Mapping[str, Any], factor: float, unit: str) -> str:
    """Return a mean and its deviation, of things that are told as {"mean", "deviation"}; a dash for none."""
    if value["mean"] is None:  # no image has the number: a map of Grad-CAM where nothing speaks for the class
        return NOTHING
    mean, deviation = factor * float(value["mean"]), value.get("deviation")
    digits = 1 if factor == 100 else 2
    text = f"{mean:.{digits}f}"
    return (
        f"{text} ± {factor * float(deviation):.{digits}f}{unit}" if deviation is not None else f"{text}{unit}"
    )


def _interval(score: Mapping[str, Any]) -> str:
    bounds = score.get("interval")
    return f"{100 * bounds[0]:.1f} to {100 * bounds[1]:.1f}%" if bounds else NOTHING


def _points(share: object) -> str:
    return f"{100 * share:.1f}" if isinstance(share, (int, float)) else NOTHING


def _pictures(outcome: Outcome, captions: Mapping[str, str]) -> tuple[Picture, ...]:
    """Return the pictures of these names that lie in the folder."""
    paths = ((outcome.folder / f"{name}.png", caption) for name, caption in captions.items())
    return tuple(_picture(path, caption) for path, caption in paths if path.is_file())


def _picture(path: Path, caption: str) -> Picture:
    """Return a picture no wider than a page needs.

    Raises:
        DataError: it is damaged.
    """
    try:
        with Image.open(path) as file:
            image = file.convert("L" if file.mode == "L" else "RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError) as error:
        raise DataError(f"{path} must be a picture, but cannot be read: {error}") from error
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    return Picture(image=few_colours(image), caption=printable(caption))
