"""`fdsl attention`: picture where models look, and how much of it lies on contours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.files import check_there

if TYPE_CHECKING:
    from rich.table import Table

    from fdsl.evaluate.attention.measures import Spread
    from fdsl.evaluate.attention.result import AttentionResult


def run(argv: list[str]) -> None:
    """Parse `argv` into an `AttentionConfig`, look, and print the numbers."""
    require("attention", "train", "report")
    from fdsl.evaluate.attention.config import AttentionConfig

    config = parse(AttentionConfig, "attention", argv)
    for weights in config.weights:
        check_there(
            "weights", "a folder or a file of weights", weights
        )  # said before torch takes its seconds
    import rich

    from fdsl.evaluate.attention.attending import attend
    from fdsl.evaluate.attention.result import RESULT_FILE
    from fdsl.train.progress import say

    result = attend(config)
    rich.get_console().print(_table(result))
    for line in _notes(result):
        say(line)
    say(f"{result.out}: {', '.join(result.pictures)} and {RESULT_FILE}")


def _table(result: AttentionResult) -> Table:
    from rich.table import Table

    table = Table("model", "on", title=f"where {result.models[0].method} looks", title_justify="left")
    for heading in ("share", "lift", "elsewhere", "correlation"):
        table.add_column(heading, justify="right")
    for model in result.models:
        for marked, measures in (("contours", model.rendered), ("edges", model.real)):
            if measures is not None:
                table.add_row(
                    model.name,
                    marked,
                    _number(measures.share, percent=True),
                    _spread(measures.lift),
                    _number(measures.control),
                    _number(measures.correlation),
                )
    return table


def _number(value: Spread, *, percent: bool = False) -> str:
    if value.mean is None:
        return "none"
    return f"{value.mean:.1%}" if percent else f"{value.mean:.2f}"


def _spread(value: Spread) -> str:
    return _number(value) + (f" ± {value.deviation:.2f}" if value.deviation is not None else "")


def _notes(result: AttentionResult) -> list[str]:
    area = _number(result.area_share, percent=True)
    first = (
        f"contours cover {area} of {result.measured} images of {result.family}, some far less than others; lift is how "
        "many times its contours' area the attention on them is, image by image, mean ± deviation: images with little "
        "on them weigh most; elsewhere is the same on another image's contours: what lift has beyond it is owed to the "
        "image"
    )
    lines = [first]
    if result.data is not None and result.edge_area_share is not None:
        edge, count = _number(result.edge_area_share, percent=True), result.real_measured
        lines.append(f"edges are the steepest {edge} of {count} images of {result.data}: found, not known")
        if count < max(result.measured, result.images):
            lines.append(f"{result.data} has {count} test images alone: all were taken")
    for model in result.models:
        if model.grid == 1:
            lines.append(
                f"{model.name}: its map is a single cell at {model.size} pixels, and says nothing of where"
            )
        if model.standardized_by != "weights":
            whose = f"{model.name}: nothing tells mean and deviation of its images;"
            lines.append(f"{whose} those of the {model.standardized_by} were taken")
        if blank := result.measured - model.rendered.share.images:
            lines.append(
                f"{model.name}: no map of {blank} rendered images, where nothing speaks for the class"
            )
    return lines
