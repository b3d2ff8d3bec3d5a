"""The last polygon of a contour as a target: drawn by Pillow it gives the pixels of the last stroke."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fdsl
from fdsl.errors import InputError
from fdsl.geometry.radial import RadialStrokes, polygons
from fdsl.render.outlines import outlines

COUNT, SEED = 8, 5


def table_of(name: str) -> RadialStrokes:
    return fdsl.family(name, classes=COUNT).table(SEED, np.arange(COUNT), np.arange(COUNT) % 3)


def pillow(polygon_V2: np.ndarray, size: int) -> np.ndarray:
    image = Image.new("1", (size, size))
    points = [tuple(point) for point in polygon_V2.tolist()]
    ImageDraw.Draw(image).line([*points, points[0]], fill=1, width=1)
    return np.asarray(image)


@pytest.mark.parametrize("name", ["RCDB", "VisualAtom"])
@pytest.mark.parametrize("size", [64, 512])
@pytest.mark.parametrize("views", ["whole", "augmented"])
def test_pillow_draws_the_last_stroke_from_it(name, size, views):
    """The image is what all strokes but the last draw, and over it the polygon in the last one's gray."""
    table, n = table_of(name), np.arange(COUNT)
    plan = fdsl.Augmentation(hflip=0.5).plan(0, n, n, 0, canvas=512, size=size, channels=1)
    view = None if views == "whole" else plan.view
    renderer = fdsl.Renderer(size, "crisp")
    images, before = renderer(table, view), renderer(replace(table, strokes=table.strokes - 1), view)
    drawn = 0
    for row, polygon in enumerate(outlines(table, size, view)):
        stroke = pillow(polygon, size)
        gray = polygons(table, row)[1][-1]
        assert (images[row] == np.where(stroke, gray, before[row])).all(), f"image {row}"
        drawn += stroke.any()
    assert drawn >= COUNT // 2


def test_it_is_the_last_of_the_polygons_padded_with_its_last_vertex():
    table = table_of("RCDB")
    polygon_NV2 = outlines(table, 512)
    assert polygon_NV2.dtype == np.float32
    assert polygon_NV2.shape == (COUNT, table.vertices.max(), 2)
    for row, vertices in enumerate(table.vertices):
        np.testing.assert_allclose(polygon_NV2[row, :vertices], polygons(table, row)[0][-1], atol=1e-3)
        assert (polygon_NV2[row, vertices:] == polygon_NV2[row, vertices - 1]).all()


def test_views_act_on_vertices():
    table, view = table_of("VisualAtom"), np.array([[0.5, 0.25, 30], [-0.5, 2, -7]])
    plain = outlines(table, 128)
    np.testing.assert_allclose(
        outlines(table, 128, view), plain @ view[:, :2].T + view[:, 2] / 4, rtol=1e-5, atol=1e-3
    )


def test_images_of_several_contours_have_a_row_a_contour():
    table = fdsl.SegRCDB(classes=COUNT, contours=4).table(SEED, [0, 5], [0, 1])
    view = np.array([[[1.0, 0, 0], [0, 1, 0]], [[-1, 0, 512], [0, 1, 0]]])
    polygon_RV2 = outlines(table, 512, view)
    assert polygon_RV2.shape[:1] == (8,)
    flipped = polygons(table, 6)[0][-1] * np.array([-1, 1]) + np.array([512, 0])
    np.testing.assert_allclose(polygon_RV2[6, : table.vertices[6]], flipped, atol=1e-3)


def test_threads_and_neighbours_change_nothing():
    table = table_of("RCDB")
    alone = fdsl.RCDB(classes=COUNT).table(SEED, [3], [0])
    assert (outlines(table, 96, threads=3) == outlines(table, 96, threads=1)).all()
    assert (outlines(alone, 96)[0] == outlines(table, 96)[3, : alone.vertices[0]]).all()


def test_without_strokes_it_is_the_ellipse_that_they_start_from():
    table = replace(table_of("RCDB"), strokes=np.zeros(COUNT, np.int32))
    angles = np.arange(table.vertices[2]) * (2 * np.pi / table.vertices[2])
    ellipse = np.stack([np.cos(angles), np.sin(angles)], axis=1) * table.start[2] + table.centre[2]
    np.testing.assert_allclose(outlines(table, 512)[2, : len(angles)], ellipse, atol=1e-3)
    nobody = fdsl.RCDB(classes=2).table(0, np.zeros(0, int), np.zeros(0, int))
    assert outlines(nobody, 512).shape == (0, 0, 2)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="table must be one of contours, RadialStrokes, got AffineMaps2D"):
        outlines(fdsl.FractalDB(classes=2).table(0, [0], [0]), 64)
    with pytest.raises(InputError, match="size must be in"):
        outlines(table_of("RCDB"), 5000)
    with pytest.raises(InputError, match="view must be"):
        outlines(table_of("RCDB"), 64, np.zeros((2, 3)))
