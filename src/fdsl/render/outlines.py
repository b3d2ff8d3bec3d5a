"""Contours as targets: the last polygon of each, in pixels of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError
from fdsl.geometry.radial import RadialStrokes
from fdsl.geometry.table import Table
from fdsl.render.cpu.radial import outline_writer
from fdsl.render.frame import drawn_to_size
from fdsl.render.renderer import Renderer, check_tone, check_view, spread


def outlines(
    table: Table, size: int, view: ArrayLike | None = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Return the polygon that each contour's last stroke draws, on the image of `Renderer(size, "crisp")`.

    Args:
        table: of a family of contours, N images.
        size: side of the image, pixels.
        view: as `Renderer` takes it.
        threads: how many threads work; None for as many as the process may use.

    Returns:
        float32 [R, V, 2], (x, y) a vertex, x right, y down; a row a contour, in the order of the table, one an image
        but where an image holds several. V is the most vertices that a contour of this table has; the others repeat
        their last one. Vertices may lie off the image. The renderer truncates their coordinates toward zero and joins
        them, the last one to the first. Without strokes it is the ellipse that they would start from.

    Raises:
        InputError: the table is of another geometry, or `size`, `view` or `threads` cannot be drawn.
    """
    if not isinstance(table, RadialStrokes):
        raise InputError(f"table must be one of contours, RadialStrokes, got {type(table).__name__}")
    renderer, count = Renderer(size, "crisp", threads), len(table)
    frame = drawn_to_size(renderer.size, 1, table.canvas, check_view(view, count), check_tone(None, count))
    rows, most = len(table.vertices), int(table.vertices.max(initial=0))
    points_RV2 = np.empty((rows, most, 2), np.float32)
    if rows:
        spread(outline_writer(table, frame, points_RV2), rows, renderer.threads)
    return points_RV2
