"""Where the objects of a scene lie: all that is known of one before its points are, on any processor."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import float32
from numpy.typing import NDArray

from fdsl.compiled import inlined, inner, kernel
from fdsl.geometry.affine2d import fit
from fdsl.geometry.scenes import FLIP_X, FLIP_Y, TRANSPOSE

MOST_CELLS = 1.5
"""Cells a side of what is seen of an object, for each pixel of the canvas."""
MARGIN = 2
"""Cells drawn on either side of what is seen: patches reach one, lookups another."""


class Plan(NamedTuple):
    """How an object is drawn; arrays of many objects' plans have more axes before these."""

    cells_1: NDArray[np.int32]
    """[1], cells a side that are drawn; 0 if nothing of the object is seen."""
    way_23: NDArray[np.float64]
    """From a place in the object, of 1 a side, to cells."""
    back_23: NDArray[np.float32]
    """From the canvas's pixel indices to cells, where those are not pixels."""
    ends_22: NDArray[np.float32]
    """[2, 2], x and y of the first cell of the whole object, and of the last."""
    covered_22: NDArray[np.int32]
    """[2, 2], the ranges of the canvas's columns and lines that the object reaches into."""


def new_plans(*shape: int) -> Plan:
    """Return unset plans, so many, or one."""
    return Plan(
        np.empty((*shape, 1), np.int32), np.empty((*shape, 2, 3)), np.empty((*shape, 2, 3), np.float32),
        np.empty((*shape, 2, 2), np.float32), np.empty((*shape, 2, 2), np.int32),
    )  # fmt: skip


def most_cells(side: int) -> int:
    """Return how many cells a side an object is drawn in at most, on a canvas of this side."""
    return math.ceil(MOST_CELLS * side) + 2 * MARGIN + 2


@inlined
def _seen(box, back, side, axis):  # type: ignore[no-untyped-def]
    """Return from where to where the canvas shows an object, of 1; its bounds, where the view turns."""
    x, y = back[axis, 0] * side, back[axis, 1] * side
    low = back[axis, 2] + min(x, 0.0) + min(y, 0.0)
    high = back[axis, 2] + max(x, 0.0) + max(y, 0.0)
    begin, reach = box[axis], box[2 + axis]
    return min(max((low - begin) / reach, 0.0), 1.0), min(max((high - begin) / reach, 0.0), 1.0)


@inlined
def _covered(box, place, axis, side):  # type: ignore[no-untyped-def]
    """Return the range of the canvas's columns (axis 0) or lines (1) that a box reaches into, at most one too wide."""
    a, b = place[axis, 0], place[axis, 1]
    x, y = a * box[2], b * box[3]
    start = a * box[0] + b * box[1] + place[axis, 2]
    low, high = start + min(x, 0.0) + min(y, 0.0), start + max(x, 0.0) + max(y, 0.0)
    return int(min(max(low, 0.0), float(side))), int(min(max(high + 1.0, 0.0), float(side)))


@inner
def _plan_in_place(box, place, side, plan):  # type: ignore[no-untyped-def]
    """Plan an object whose cells are the canvas's own pixels."""
    plan.cells_1[0] = side
    for axis in range(2):
        a, b = place[axis, 0], place[axis, 1]
        plan.way_23[axis, 0], plan.way_23[axis, 1] = a * box[2], b * box[3]
        plan.way_23[axis, 2] = a * box[0] + b * box[1] + place[axis, 2]
        plan.covered_22[axis, 0], plan.covered_22[axis, 1] = 0, side
    plan.back_23[:] = 0
    plan.ends_22[:] = 0


@inner
def _plan_resized(box, grain, place, back, side, seen_x, seen_y, plan):  # type: ignore[no-untyped-def]
    """Plan an object that is drawn in cells of its own, which are resized.

    There are as many cells as the released program has on a canvas that is so much larger, and all are drawn, so that
    colours do not depend on what a view shows. Where they would be more than a drawing's own pixels, those are drawn
    that are seen, and fewer of them where a view is oblique.
    """
    larger = math.sqrt(abs(place[0, 0] * place[1, 1] - place[0, 1] * place[1, 0]))
    whole, begin_x, begin_y = max(int(grain * larger), 2), 0, 0
    drawn, limit = whole, MOST_CELLS * side
    if whole > limit:
        whole = int(min(float(whole), limit / max(seen_x[1] - seen_x[0], seen_y[1] - seen_y[0])))
        begin_x, begin_y = max(int(seen_x[0] * whole) - MARGIN, 0), max(int(seen_y[0] * whole) - MARGIN, 0)
        end_x, end_y = int(seen_x[1] * whole) + 1 + MARGIN, int(seen_y[1] * whole) + 1 + MARGIN
        drawn = min(max(end_x - begin_x, end_y - begin_y), whole)
    plan.cells_1[0] = drawn
    cells = float(whole)
    for axis in range(2):
        begin = begin_x if axis == 0 else begin_y
        plan.way_23[axis, axis], plan.way_23[axis, 1 - axis] = cells - 1.0, 0.0
        plan.way_23[axis, 2] = -begin
        a, b, each = back[axis, 0], back[axis, 1], cells / box[2 + axis]
        plan.back_23[axis, 0], plan.back_23[axis, 1] = float32(a * each), float32(b * each)
        plan.back_23[axis, 2] = float32((back[axis, 2] + 0.5 * (a + b) - box[axis]) * each - 0.5 - begin)
        plan.ends_22[0, axis], plan.ends_22[1, axis] = float32(-begin), float32(cells - 1.0 - begin)
        plan.covered_22[axis, 0], plan.covered_22[axis, 1] = _covered(box, place, axis, side)


@inner
def plan_object(box, grain, place, back, side, plan):  # type: ignore[no-untyped-def]
    """Plan one object.

    Args:
        box: float64 [4], as in `FractalScenes`, and
        grain: likewise.
        place: float64 [2, 3], from native coordinates to the canvas's pixels.
        back: float64 [2, 3], the way back.
        side: of the canvas.
        plan: written.
    """
    seen_x, seen_y = _seen(box, back, side, 0), _seen(box, back, side, 1)
    plan.cells_1[0] = 0
    if seen_x[0] < seen_x[1] and seen_y[0] < seen_y[1]:
        if grain == 0:
            _plan_in_place(box, place, side, plan)
        else:
            _plan_resized(box, grain, place, back, side, seen_x, seen_y, plan)


@kernel
def plan_objects(count, boxes, grain, places, backs, side, plans):  # type: ignore[no-untyped-def]
    """Plan all objects of a table; those beyond an image's count are not seen."""
    cells, ways, backs_, ends, covered = plans
    for row in range(boxes.shape[0]):
        for o in range(boxes.shape[1]):
            cells[row, o, 0] = 0
            if o < count[row]:
                plan = Plan(cells[row, o], ways[row, o], backs_[row, o], ends[row, o], covered[row, o])
                plan_object(boxes[row, o], grain[row, o], places[row], backs[row], side, plan)


@inner
def place_points(low_x, high_x, low_y, high_y, flips, way, matrix):  # type: ignore[no-untyped-def]
    """Write float32 [2, 3] from an orbit's coordinates to cells: fit to 1 a side, transpose, flip, then `Plan.way_23`.

    The orbit's coordinates reach from low to high.
    """
    scale_x, offset_x = fit(low_x, high_x, 1.0, 0.0)
    scale_y, offset_y = fit(low_y, high_y, 1.0, 0.0)
    for axis in range(2):
        a, b, c = way[axis, 0], way[axis, 1], way[axis, 2]
        if flips & FLIP_X:
            a, c = -a, c + a
        if flips & FLIP_Y:
            b, c = -b, c + b
        if flips & TRANSPOSE:
            a, b = b, a
        matrix[axis, 0] = float32(a * scale_x)
        matrix[axis, 1] = float32(b * scale_y)
        matrix[axis, 2] = float32(a * offset_x + b * offset_y + c)
