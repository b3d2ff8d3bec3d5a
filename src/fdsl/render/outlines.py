"""Contours as targets: the last polygon of each, in pixels of the image."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError
from fdsl.geometry.outlines import last_polygons
from fdsl.geometry.radial import RadialStrokes
from fdsl.render.cpu.radial import placements
from fdsl.render.frame import drawn_to_size
from fdsl.render.renderer import Renderer, check_tone, check_view


def outlines(table: RadialStrokes, size: int, view: ArrayLike | None = None) -> NDArray[np.float32]:
    """Return the polygon that each contour's last stroke draws, on the image of `Renderer(size, "crisp")`.

    Args:
        table: of a family of contours, N images.
        size: side of the image, pixels.
        view: as `Renderer` takes it.

    Returns:
        float32 [R, V, 2], (x, y) a vertex, x right, y down; a row a contour, in the table's order, which is one an image
        but where an image holds several. V is the most vertices that a contour of this table has; the others repeat
        their last one. Vertices may lie off the image. The renderer truncates their coordinates toward zero and joins
        them, the last one to the first.

    Raises:
        InputError: the table is of another geometry, or `size` or `view` cannot be drawn.
    """
    if not isinstance(table, RadialStrokes):
        raise InputError(f"table must be one of contours, RadialStrokes, got {type(table).__name__}")
    size, count = Renderer(size, threads=1).size, len(table)
    frame = drawn_to_size(size, 1, table.canvas, check_view(view, count), check_tone(None, count))
    place, points = placements(table, frame), last_polygons(table)
    x, y = points[:, :, 0], points[:, :, 1]
    # one operation after the other in float32, as the renderer's: a vertex lies in the pixel that is drawn
    placed = [a * x + b * y + c for a, b, c in place.transpose(1, 2, 0)[..., None]]
    return np.stack(placed, axis=2)
