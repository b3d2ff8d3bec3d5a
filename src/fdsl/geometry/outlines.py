"""The outlines of radial contours: where each ends, after its last stroke."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdsl.compiled import kernel
from fdsl.geometry.radial import RadialStrokes, direction_table, moved, noise_block, wavy


@kernel
def _trace_last(
    address, vertices, strokes, start, gain, offset, frequencies, cos_T, sin_T, direction_begin, points_RV2
):  # type: ignore[no-untyped-def]  # fmt: skip
    for row in range(len(vertices)):
        first, count = direction_begin[row], vertices[row]
        cos_V, sin_V = cos_T[first : first + count], sin_T[first : first + count]
        for vertex in range(count):
            own = wavy(offset[row], sin_V, vertex, count, frequencies[row])
            x, y = cos_V[vertex] * start[row, 0], sin_V[vertex] * start[row, 1]
            for stroke in range(0, strokes[row], 2):
                a, b, c, d = noise_block(address[row], stroke, vertex, count)
                x = moved(x, cos_V[vertex], a, gain[row], own)
                y = moved(y, sin_V[vertex], b, gain[row], own)
                if stroke + 1 < strokes[row]:
                    x = moved(x, cos_V[vertex], c, gain[row], own)
                    y = moved(y, sin_V[vertex], d, gain[row], own)
            points_RV2[row, vertex, 0], points_RV2[row, vertex, 1] = x, y
        for vertex in range(count, points_RV2.shape[1]):
            points_RV2[row, vertex, 0] = points_RV2[row, count - 1, 0]
            points_RV2[row, vertex, 1] = points_RV2[row, count - 1, 1]


def last_polygons(table: RadialStrokes) -> NDArray[np.float32]:
    """Return the last polygon of each contour about its centre, canvas units, float32 [R, V, 2].

    V is that of the contour with the most vertices; the others repeat their last one. Without strokes it is the ellipse
    that they would start from.
    """
    points_RV2 = np.empty((len(table.vertices), int(table.vertices.max(initial=0)), 2), np.float32)
    if len(points_RV2):
        (cos_T, sin_T), direction_begin = direction_table(table.vertices)
        _trace_last(
            table.address, table.vertices, table.strokes, table.start, table.gain, table.offset, table.frequencies,
            cos_T, sin_T, direction_begin, points_RV2,
        )  # fmt: skip
    return points_RV2
