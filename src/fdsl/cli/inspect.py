"""`fdsl inspect`: how separable and how varied a family's images are, and which are blank, before any training."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.evaluate.quality.concerns import concerns, percent
from fdsl.evaluate.quality.config import InspectConfig
from fdsl.evaluate.quality.inspecting import Inspection, Told, inspect, quartiles
from fdsl.evaluate.quality.writing import PICTURE_FILE, check_out, write_inspection

WIDTH = 110


def run(argv: list[str]) -> None:
    """Parse `argv` into an `InspectConfig`, inspect the family, print what was found and write it if asked to."""
    config = parse(InspectConfig, "inspect", argv)
    if config.out is not None:
        require("inspect --out", "report")
        check_out(config.out)
    with _bar("inspecting") as told:
        found = inspect(config, told)
    warnings = concerns(found)
    console = Console(width=min(WIDTH, shutil.get_terminal_size((WIDTH, 24)).columns))
    console.print(_table(found))
    for warning in warnings:
        console.print(f"warning: {warning}", markup=False, highlight=False)
    if config.out is not None:
        write_inspection(found, warnings, config.out)
        print(f"{config.out / PICTURE_FILE}: images and distances; the numbers are beside it")


@contextmanager
def _bar(title: str) -> Iterator[Told]:
    """Show a bar on a terminal, which is gone afterwards; the first images may wait for a search of categories."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, images: bar.update(task, completed=done, total=images)


def _table(found: Inspection) -> Table:
    """Return what was measured, a line a measure, with its spread over categories or images."""
    config = found.config
    what = ", ".join([config.base().name, *config.alter])
    shown = Table(
        box=None,
        pad_edge=False,
        title=f"{what}: {len(found.numbers)} of {found.family.classes:,} categories, {config.instances} images of "
        f"each at {config.size} px, {found.seconds:.1f} s",
        title_justify="left",
        title_style="bold",
    )
    for column, justify in (("", "left"), ("", "right"), ("quartiles", "right"), ("", "left")):
        shown.add_column(column, justify=justify)  # type: ignore[arg-type]
    for line in (*_of_categories(found), *_of_images(found)):
        shown.add_row(*line)
    return shown


def _of_categories(found: Inspection) -> Iterator[tuple[str, str, str, str]]:
    spread, accuracy = found.spreads, found.accuracy
    error = statistics.stdev(accuracy.tolist()) / len(accuracy) ** 0.5
    yield (
        "separability", f"{100 * accuracy.mean():.1f}% ± {100 * error:.1f}", _three(100 * accuracy, "%"),
        f"the nearest image is of the same category; chance {percent(found.chance)}",
    )  # fmt: skip
    yield "silhouette", f"{found.silhouette:+.2f}", "", "-1 to 1; 0: another category is as near"
    yield (
        "compactness", f"{spread.compactness:.2f}", _three(spread.within),
        f"spread within categories over {spread.overall:.2f} overall; 1: no more alike than any two",
    )  # fmt: skip
    yield (
        "distance",
        f"{sorted(found.distance)[len(found.distance) // 2]:.2f}",
        _three(found.distance),
        ("of a category's mean to the nearest other"),
    )
    yield "near duplicates", f"{found.involved}", "", f"categories, in {len(found.duplicates):,} pairs"
    yield (
        "identical images",
        f"{found.repeats.images:,}",
        "",
        (f"in {len(found.repeats.within)} categories, or shared by {len(found.repeats.across):,} pairs"),
    )


def _of_images(found: Inspection) -> Iterator[tuple[str, str, str, str]]:
    config, pixels = found.config, found.pixels
    limit = f"under {percent(config.blank)} of the pixels drawn on" if found.background else "a single value"
    yield "blank", percent(float(found.blank.mean())), "", f"of the images: {limit}"
    if found.background:
        yield (
            "saturated", percent(float(found.saturated.mean())), "",
            f"of the images: over {percent(config.saturated)} of the pixels drawn on",
        )  # fmt: skip
        yield (
            "fill",
            percent(float(pixels.fill.mean())),
            _three(100 * pixels.fill, "%"),
            "of the pixels drawn on",
        )
        yield (
            "box",
            percent(float(pixels.box.mean())),
            _three(100 * pixels.box, "%"),
            "of the canvas around them",
        )
        yield "border", percent(float(pixels.border.mean())), "", "of the images draw on the outermost pixels"
    else:
        yield "fill", "-", "", "does not apply: the images have no background"
    yield (
        "contrast",
        f"{pixels.contrast.mean():.0f}",
        _three(pixels.contrast),
        "standard deviation, grays of 255",
    )


def _three(values: object, unit: str = "") -> str:
    """Return the three quartiles, to three digits at most."""
    _, *inner, _ = quartiles(values)  # type: ignore[arg-type]
    digits = 0 if max(map(abs, inner)) >= 10 else 1 if unit else 2
    return " ".join(f"{value:.{digits}f}" for value in inner) + unit
