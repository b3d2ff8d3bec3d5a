"""Strokes against Pillow, pixel for pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import fdsl
from fdsl.geometry.radial import lanes_for, polygons
from fdsl.render.cpu.segments import FRACTION, HALF, LONGEST, PLANES, draw_segments, prepare_segments

GRAY = 7


def pillow_polygon(side: int, points: list[tuple[float, float]]) -> np.ndarray:
    image = Image.new("L", (side, side), 255)
    ImageDraw.Draw(image).line([*points, points[0]], fill=GRAY, width=1)
    return np.asarray(image)


def our_polygon(side: int, points: list[tuple[float, float]]) -> np.ndarray:
    lanes = lanes_for(len(points))
    closed = np.array(points + points[:1] * (lanes + 1 - len(points)))
    x_V, y_V = np.trunc(closed).astype(np.int32).T.copy()
    segments_PV = np.empty((PLANES, lanes), np.int32)
    canvas = np.full(side * side + 1, 255, np.uint8)
    prepare_segments(x_V, y_V, side, segments_PV)
    draw_segments(canvas, side, x_V, y_V, len(points), segments_PV, np.uint8(GRAY))
    return canvas[:-1].reshape(side, side)


near = st.floats(-20, 60, width=32)
far = st.floats(-5000, 5000, width=32)
whole = st.integers(-40, 80).map(float)


@given(
    st.sampled_from([32, 33, 64]),
    st.one_of(*(st.lists(st.tuples(kind, kind), min_size=1, max_size=8) for kind in (near, far, whole))),
)
def test_polygons_equal_pillows(side, points):
    assert (our_polygon(side, points) == pillow_polygon(side, points)).all()


def test_fixed_point_offsets_are_the_exact_ones():
    """Of every pixel of every segment that is drawn in fixed point, lengths to 64 and the longest."""
    for n in [*range(1, 65), 500, *range(LONGEST - 8, LONGEST + 1)]:
        m_M, i_I1 = np.arange(n + 1), np.arange(n + 1)[:, None]
        y_V = np.zeros((n + 1, 17), np.int32)
        y_V[:, 1] = m_M
        segments_PV = np.empty((PLANES, 16), np.int32)
        slopes_M = np.empty(n + 1, np.int64)
        for m in m_M:
            prepare_segments(np.array([0, n] + 15 * [n], np.int32), y_V[m], 1024, segments_PV)
            slopes_M[m] = segments_PV[1, 0]
        offset_IM = HALF + i_I1 * slopes_M
        assert offset_IM.max() < 1 << 32
        assert ((offset_IM >> FRACTION) == (2 * i_I1 * m_M + n) // (2 * n)).all()


@given(
    st.sampled_from([1024, 1500, 2048]),
    st.lists(st.tuples(*2 * [st.floats(-600, 2600, width=32)]), min_size=2, max_size=6),
)
@settings(max_examples=25)
def test_long_segments_equal_pillows(side, points):
    """Longer than fixed point can hold, on the largest canvases that averaging draws."""
    assert (our_polygon(side, points) == pillow_polygon(side, points)).all()


def test_a_polygon_within_one_pixel_draws_it():
    canvas = our_polygon(32, [(5.1, 6.2), (5.9, 6.8), (5.5, 6.0)])
    assert canvas[6, 5] == GRAY
    assert (canvas != 255).sum() == 1


@pytest.mark.parametrize("family", [fdsl.RCDB(), fdsl.VisualAtom(), fdsl.VisualAtom(variant="script")])
def test_images_equal_pillows_at_the_native_canvas(family):
    count = 24 if family.name == "RCDB" else 5
    table = family.table(3, np.arange(count), np.arange(count) % 5)
    images = fdsl.Renderer(512, "crisp")(table)
    for row in range(len(table)):
        points_LV2, grays_L = polygons(table, row)
        expected = Image.new("L", (512, 512), family.background)
        pen = ImageDraw.Draw(expected)
        for points_V2, gray in zip(points_LV2.tolist(), grays_L.tolist(), strict=True):
            pen.line([tuple(point) for point in [*points_V2, points_V2[0]]], fill=gray, width=1)
        assert (images[row] == np.asarray(expected)).all(), f"category {row}"
