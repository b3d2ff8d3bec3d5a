"""Bezier curves: polynomials through the plane, pulled toward control points, as polylines fine enough to look smooth.

A curve is the sum of its control points, weighted by Bernstein's polynomials, which depend on nothing but the number of
points: they come in a table from the host, and a curve is a product with it. The places t in 0..1 at which it has a
vertex lie as close as the polynomials are narrow, which is in proportion to sqrt(t (1 - t) / degree).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, sqrt

import numpy as np
from numba import float32, uint32, uint64
from numpy.typing import NDArray

from fdsl.compiled import VECTOR, inlined, inner, kernel
from fdsl.errors import InputError
from fdsl.geometry.table import check_array, check_grays
from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

CURVE = int(Purpose.CURVE)
MAX_CONTROL_POINTS, MAX_CURVES = 256, 1 << 16
FINENESS = 48
"""Vertices a curve has for each square root of its degree: within a third of a pixel of the curve at 512 pixels."""


@dataclass(frozen=True)
class BezierCurves:
    """A parameter table, one row an image.

    Attributes:
        address: uint32 [N, 4], key and first counter words: seed, stream, category, instance.
        points: int32 [N], control points of each curve, uniform on the canvas.
        curves: int32 [N].
        value: gray of the lines.
        background: gray of the empty canvas.
        canvas: side of the native canvas, pixels.
    """

    address: NDArray[np.uint32]
    points: NDArray[np.int32]
    curves: NDArray[np.int32]
    value: int = 255
    background: int = 0
    canvas: int = 512

    channels = 1

    def __post_init__(self) -> None:
        check_array("points", self.points, np.int32, ("N",))
        check_array("curves", self.curves, np.int32, (len(self.points),))
        check_array("address", self.address, np.uint32, (len(self.points), 4))
        check_grays(self.canvas, value=self.value, background=self.background)
        for field, low, high in (("points", 2, MAX_CONTROL_POINTS), ("curves", 0, MAX_CURVES)):
            values = getattr(self, field)
            if len(values) and (values.min() < low or values.max() > high):
                raise InputError(f"{field} must be in {low}..{high}, got {values.min()}..{values.max()}")

    def __len__(self) -> int:
        return len(self.points)

    def mask(self) -> BezierCurves:
        """Return the table that draws 1 where this one draws lines, and 0 elsewhere."""
        return replace(self, value=1, background=0)


def vertices_for(points: int) -> int:
    """Return how many vertices a curve of so many control points has, whole VECTOR."""
    return ceil(FINENESS * sqrt(points - 1) / VECTOR) * VECTOR


@lru_cache(maxsize=MAX_CONTROL_POINTS)
def basis(points: int) -> NDArray[np.float32]:
    """Return Bernstein's polynomials of a curve's control points at its vertices, float32 [points, T].

    By de Casteljau's triangle, with additions and multiplications in float64, rounded once. t = u^2 (3 - 2 u) for
    equal steps of u, whose steps are as sqrt(t (1 - t)) to within a tenth.
    """
    u = np.linspace(0, 1, vertices_for(points))
    t = u * u * (3 - 2 * u)
    rows = [np.ones_like(t)]
    for _ in range(points - 1):
        rows = [
            (1 - t) * row + t * before for row, before in zip([*rows, 0 * t], [0 * t, *rows], strict=True)
        ]
    return np.stack(rows).astype(np.float32)


def basis_table(points: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Lay the polynomials of a batch end to end, float32, flat, and say where each image's begin, int64 [N]."""
    kinds, row_kind = np.unique(points, return_inverse=True)
    parts = [basis(int(count)).reshape(-1) for count in kinds]
    begins = np.concatenate([[0], np.cumsum([part.size for part in parts])[:-1]]).astype(np.int64)
    return np.concatenate(parts), begins[row_kind]


@inlined
def on_canvas(word, canvas):  # type: ignore[no-untyped-def]
    """Return a uniform coordinate on a canvas, from 24 bits of a uint32."""
    return float32(uint32(word) >> uint32(8)) * (float32(2.0**-24) * float32(canvas))


@inlined
def draw_pair(address, curve, pair, pairs, canvas, place, x_P, y_P):  # type: ignore[no-untyped-def]
    """Write two of the control points of `curve` through `place`, float32 [2, 3]: those of pair `pair` of `pairs`."""
    i = uint32(uint32(uint32(curve) * uint32(pairs)) + uint32(pair))
    words = philox_block(address[2], address[3], uint32(CURVE), i, address[0], address[1])
    a, b, c = place[0, 0], place[0, 1], place[0, 2]
    d, e, f = place[1, 0], place[1, 1], place[1, 2]
    x, y = on_canvas(words[0], canvas), on_canvas(words[1], canvas)
    z, w = on_canvas(words[2], canvas), on_canvas(words[3], canvas)
    first = uint64(pair) + uint64(pair)
    second = first + uint64(1)
    x_P[first], y_P[first] = a * x + b * y + c, d * x + e * y + f
    x_P[second], y_P[second] = a * z + b * w + c, d * z + e * w + f


@inner
def draw_points(address, curve, points, canvas, place, x_P, y_P):  # type: ignore[no-untyped-def]
    """Write the control points of `curve` through `place`, float32 [2, 3]; the arrays have room for an even number."""
    pairs = uint32((points + 1) // 2)
    for pair in range(pairs):
        draw_pair(address, curve, pair, pairs, canvas, place, x_P, y_P)


@inner
def weigh(position_P, points, basis_PT, position_T):  # type: ignore[no-untyped-def]
    """Write one coordinate of a curve's vertices, from its control points and the polynomials, flat."""
    vertices = uint64(len(position_T))
    for first in range(uint64(0), vertices, uint64(VECTOR)):
        for lane in range(VECTOR):
            position_T[first + uint64(lane)] = float32(0.0)
    for point in range(uint64(points)):
        position, row = position_P[point], point * vertices
        for first in range(uint64(0), vertices, uint64(VECTOR)):
            for lane in range(VECTOR):
                vertex = first + uint64(lane)
                position_T[vertex] += position * basis_PT[row + vertex]


@kernel
def _trace(address, points, canvas, place, basis_PT, controls_C2P, lines_C2T):  # type: ignore[no-untyped-def]
    for curve in range(len(lines_C2T)):
        x_P, y_P = controls_C2P[curve, 0], controls_C2P[curve, 1]
        draw_points(address, curve, points, canvas, place, x_P, y_P)
        weigh(x_P, points, basis_PT, lines_C2T[curve, 0])
        weigh(y_P, points, basis_PT, lines_C2T[curve, 1])


def polylines(
    table: BezierCurves, row: int, place: NDArray[np.float32] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the control points and the vertices of image `row`, after `place`, float32 [2, 3], or in canvas units.

    Returns:
        float32 [curves, points, 2] and [curves, T, 2].
    """
    points, curves = int(table.points[row]), int(table.curves[row])
    controls_C2P = np.empty((curves, 2, points + points % 2), np.float32)
    lines_C2T = np.empty((curves, 2, vertices_for(points)), np.float32)
    whole = np.eye(2, 3, dtype=np.float32) if place is None else place
    _trace(
        table.address[row], points, table.canvas, whole, basis(points).reshape(-1), controls_C2P, lines_C2T
    )
    return controls_C2P[:, :, :points].transpose(0, 2, 1), lines_C2T.transpose(0, 2, 1)
