"""Labels that come free with a cloud of points: its points, its camera, and the depth of what each pixel shows.

Pixels are those of `Renderer(size, "crisp")` under the same view. World coordinates are those of the normalised cloud:
scaled so that it spans 2 from the least to the greatest of all its coordinates, then moved so that its centroid is the
origin; y upward, the camera at a distance of 4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError
from fdsl.geometry.affine3d import DISTANCE, FOCAL, AffineMaps3D
from fdsl.geometry.table import Table
from fdsl.render.cpu.affine3d import plane_to_canvas
from fdsl.render.cpu.clouds import cloud_writer, depth_drawer
from fdsl.render.frame import drawn_to_size
from fdsl.render.renderer import Renderer, check_tone, check_view, spread


def clouds(table: Table, threads: int | None = None) -> NDArray[np.float32]:
    """Return the points that are drawn, in world coordinates.

    Args:
        table: of a family of clouds, N rows of P points.
        threads: how many threads work; None for as many as the process may use.

    Returns:
        float32 [N, P, 3], in the order in which they are drawn; zeros for a system that diverges.

    Raises:
        InputError: the table is of another geometry, or `threads` out of range.
    """
    table = _of_clouds(table)
    threads = Renderer(threads=threads).threads
    points = np.empty((len(table), table.points, 3), np.float32)
    if len(table):
        spread(cloud_writer(table, points), len(table), threads)
    return points


def cameras(table: Table, size: int, view: ArrayLike | None = None) -> NDArray[np.float64]:
    """Return the homogeneous projections from world coordinates to pixels.

    Args:
        table: of a family of clouds, N rows.
        size: side of the image, pixels.
        view: as `Renderer` takes it.

    Returns:
        float64 [N, 3, 4]: for (u, v, d) = camera @ (x, y, z, 1) the depth is d, the place on the image (u / d, v / d):
        x right, y down, pixel i the interval [i, i + 1). Points at depths beyond 1..100 are not drawn.

    Raises:
        InputError: the table is of another geometry, or `size` or `view` cannot be drawn.
    """
    table = _of_clouds(table)
    size = Renderer(size, threads=1).size
    projections = np.zeros((len(table), 3, 4))
    projections[:, :, :3] = table.rotation * np.array([FOCAL, -FOCAL, -1.0])[:, None]
    projections[:, 2, 3] = DISTANCE
    places = np.tile(np.eye(3), (len(table), 1, 1))
    places[:, :2] = check_view(view, len(table)) * (size / table.canvas) @ plane_to_canvas(table.canvas)
    return places @ projections


def depths(
    table: Table, size: int, view: ArrayLike | None = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Return the depth of the nearest point in each pixel, along the camera's axis.

    Args:
        table: of a family of clouds, N rows.
        size: side of the image, pixels.
        view: as `Renderer` takes it.
        threads: how many threads draw; None for as many as the process may use.

    Returns:
        float32 [N, size, size], in world units from the camera, 1..100; 0, which no point has, where there is none.

    Raises:
        InputError: the table is of another geometry, or `size`, `view` or `threads` cannot be drawn.
    """
    table = _of_clouds(table)
    renderer, count = Renderer(size, "crisp", threads), len(table)
    drawn = np.empty((count, renderer.size**2), np.float32)
    if count:
        frame = drawn_to_size(
            renderer.size, 1, table.canvas, check_view(view, count), check_tone(None, count)
        )
        spread(depth_drawer(table, frame, drawn), count, renderer.threads)
    return drawn.reshape(count, renderer.size, renderer.size)


def _of_clouds(table: Table) -> AffineMaps3D:
    if not isinstance(table, AffineMaps3D):
        raise InputError(f"table must be one of clouds, AffineMaps3D, got {type(table).__name__}")
    return table
