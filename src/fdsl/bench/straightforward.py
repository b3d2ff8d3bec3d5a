"""The baseline everyone would write first: Python, NumPy and Pillow, an image at a time, a point at a time.

The images show the same strokes and the same maps as the renderer's. Radial polygons are traced by this
package's own kernel, so that there the baseline is charged for Pillow's drawing alone; control points of curves and
gradients of noise are drawn by it, too. Scenes stand before another noise of the same kind.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import DISTANCE, FOCAL, AffineMaps3D
from fdsl.geometry.curves import BezierCurves, polylines
from fdsl.geometry.maps import BURN_IN, NEVER
from fdsl.geometry.noise import GAIN, NODES_A_BLOCK, ZERO, NoiseField, gradients
from fdsl.geometry.radial import RadialStrokes, polygons
from fdsl.geometry.scenes import FractalScenes
from fdsl.geometry.table import Table

CURVE_VERTICES = 200
"""Of every curve, at equal steps: as many as this package's curves have on average."""
HUES, OCTAVES = 180, 7


def draw(table: Table, row: int, size: int) -> Image.Image:
    """Draw image `row` of `table` at `size` pixels, one pixel a point or stroke width (3 x 3 for patches)."""
    if type(table) not in _DRAWINGS:
        raise TypeError(f"no straightforward drawing of {type(table).__name__}")
    return _DRAWINGS[type(table)](table, row, size)


def _draw_strokes(table: RadialStrokes, image: int, size: int) -> Image.Image:
    picture = Image.new("L", (size, size), table.background)
    pen = ImageDraw.Draw(picture)
    for row in range(image * table.objects, (image + 1) * table.objects):
        points_LV2, grays_L = polygons(table, row)
        points_LV2 *= size / table.canvas
        for points_V2, gray in zip(points_LV2.tolist(), grays_L.tolist(), strict=True):
            corners = [tuple(point) for point in points_V2]
            pen.line([*corners, corners[0]], fill=gray)
    return picture


def _draw_plane(table: AffineMaps2D, row: int, size: int) -> Image.Image:
    chance = random.Random(row)
    points_P2 = _play(table.maps[row], table.begins[row], table.points, chance)
    padding = table.padding * size / table.canvas
    low, high = points_P2.min(axis=0), points_P2.max(axis=0)
    places_P2 = (padding + (points_P2 - low) / (high - low) * (size - 2 * padding)).astype(int)
    # A border of one pixel saves every patch from being clipped.
    canvas = np.zeros((size + 2, size + 2), np.uint8)
    patches = _patches(table)
    for (column, line), patch in zip(
        places_P2.tolist(), chance.choices(patches, k=len(places_P2)), strict=True
    ):
        if table.ink == "point":
            canvas[line + 1, column + 1] = table.value
        elif table.ink == "or":
            canvas[line : line + 3, column : column + 3] |= patch
        else:
            canvas[line : line + 3, column : column + 3] = patch
    inside = canvas[1:-1, 1:-1]
    if table.flips[row] & 1:
        inside = inside[:, ::-1]
    # Without a flip y points up.
    return Image.fromarray(np.ascontiguousarray(inside if table.flips[row] & 2 else inside[::-1]))


def _play(
    maps: NDArray[np.float32], begins: NDArray[np.int32], points: int, chance: random.Random
) -> NDArray[np.float64]:
    """Return the points of a chaos game in the plane, float64 [points, 2]."""
    coefficients, picks = _choices(maps, begins, points, chance)
    x = y = 0.0
    found = []
    for pick in picks:
        a, b, c, d, e, f = coefficients[pick]
        x, y = a * x + b * y + e, c * x + d * y + f
        found.append((x, y))
    return np.array(found[BURN_IN:])


def _patches(table: AffineMaps2D) -> list[NDArray[np.uint8]]:
    """Return the 511 patterns of 3 x 3 pixels that are not empty, in the table's gray."""
    bits = (np.arange(1, 512)[:, None] >> np.arange(9)) & 1
    return list((bits * table.value).astype(np.uint8).reshape(-1, 3, 3))


def _draw_space(table: AffineMaps3D, row: int, size: int) -> Image.Image:
    maps, picks = _choices(table.maps[row], table.begins[row], table.points, random.Random(row))
    x = y = z = 0.0
    points = []
    for pick in picks:
        a, b, c, d, e, f, g, h, i, j, k, m = maps[pick]
        x, y, z = a * x + b * y + c * z + j, d * x + e * y + f * z + k, g * x + h * y + i * z + m
        points.append((x, y, z))
    points_P3 = np.array(points[BURN_IN:])
    points_P3 *= 2 / (points_P3.max() - points_P3.min())
    right_P, up_P, back_P = table.rotation[row] @ (points_P3 - points_P3.mean(axis=0)).T
    scale_P = FOCAL / (DISTANCE - back_P)
    places_P2 = ((1 + np.stack([right_P * scale_P, -up_P * scale_P], axis=1)) * size / 2).astype(int)
    picture = Image.new("L", (size, size), table.background)
    for column, line in places_P2.tolist():
        if 0 <= column < size and 0 <= line < size:
            picture.putpixel((column, line), table.value)
    return picture


def _draw_curves(table: BezierCurves, row: int, size: int) -> Image.Image:
    picture = Image.new("L", (size, size), table.background)
    pen = ImageDraw.Draw(picture)
    degree, t = int(table.points[row]) - 1, np.linspace(0, 1, CURVE_VERTICES)
    weights = np.stack([comb(degree, j) * t**j * (1 - t) ** (degree - j) for j in range(degree + 1)], axis=1)
    for controls_P2 in polylines(table, row)[0] * (size / table.canvas):
        pen.line([tuple(point) for point in (weights @ controls_P2).tolist()], fill=table.value)
    return picture


def _draw_noise(table: NoiseField, row: int, size: int) -> Image.Image:
    across, down = table.cells[row].tolist()
    x_RC, y_RC = gradients(table, row, 0, 0, across // NODES_A_BLOCK + 1, down + 1)
    x, y = np.meshgrid(*((np.arange(size) + 0.5) * (cells / size) for cells in (across, down)))
    column, line = x.astype(int), y.astype(int)
    u, v = x - column, y - line

    def corner(right: int, below: int) -> NDArray[np.float64]:
        node = line + below, column + right
        return x_RC[node] * (u - right) + y_RC[node] * (v - below)

    share_x, share_y = (t**3 * (t * (6 * t - 15) + 10) for t in (u, v))
    above = corner(0, 0) + share_x * (corner(1, 0) - corner(0, 0))
    below = corner(0, 1) + share_x * (corner(1, 1) - corner(0, 1))
    noise = above + share_y * (below - above)
    return Image.fromarray((ZERO + 0.5 + GAIN * noise).astype(np.uint8))


def _draw_scene(table: FractalScenes, row: int, size: int) -> Image.Image:
    """Draw coloured densities on a background of noise whose octaves Pillow resizes."""
    chance, scale = random.Random(row), size / table.canvas
    picture = Image.new("RGB", (size, size)) if table.backdrop is None else _backdrop(chance, size)
    for number in range(int(table.count[row])):
        points_P2 = _play(
            table.maps[row, number], table.begins[row, number], int(table.points[row, number]), chance
        )
        left, top, width, height = (table.boxes[row, number] * scale).tolist()
        cells = int(table.grain[row, number]) or size
        counts = np.histogram2d(points_P2[:, 1], points_P2[:, 0], bins=cells)[0]
        hue, saturation, value = table.colours[row, number].tolist()
        # hues of the table count to 179 around the circle, Pillow's to 255
        hues = (255 * counts / counts.max() + hue) % 256 % HUES * (256 / HUES)
        parts = np.stack([hues, np.full_like(hues, saturation), np.full_like(hues, value)], axis=2)
        square = max(1, round(width)), max(1, round(height))
        drawn = Image.fromarray(parts.astype(np.uint8), "HSV").convert("RGB").resize(square)
        lit = Image.fromarray((255 * (counts > 0)).astype(np.uint8)).resize(square, Image.Resampling.NEAREST)
        picture.paste(drawn, (round(left), round(top)), lit)
    return picture.filter(ImageFilter.GaussianBlur(0.75)) if table.blur[row] else picture


def _backdrop(chance: random.Random, size: int) -> Image.Image:
    total = np.zeros((size, size))
    for level in range(OCTAVES):
        side = 1 + 2**level
        octave = np.array([chance.uniform(-1, 1) for _ in range(side * side)], np.float32)
        total += 0.5**level * np.asarray(Image.fromarray(octave.reshape(side, side)).resize((size, size)))
    hue, saturation, value = (64 * total + 128) % 256, 30 * total + 128, 60 * total + 128
    parts = np.clip(np.stack([hue, saturation, value], axis=2), 0, 255)
    return Image.fromarray(parts.astype(np.uint8), "HSV").convert("RGB")


def _choices(
    maps: NDArray[np.float32], begins: NDArray[np.int32], points: int, chance: random.Random
) -> tuple[list[list[float]], list[int]]:
    """Return the maps' coefficients, and which map each of `points` steps after the burn-in applies."""
    weights = np.diff(np.append(begins, NEVER)).tolist()
    return maps.tolist(), chance.choices(range(len(weights)), weights, k=points + BURN_IN)


_DRAWINGS: dict[type, Callable[[Any, int, int], Image.Image]] = {
    RadialStrokes: _draw_strokes,
    AffineMaps2D: _draw_plane,
    AffineMaps3D: _draw_space,
    BezierCurves: _draw_curves,
    NoiseField: _draw_noise,
    FractalScenes: _draw_scene,
}
