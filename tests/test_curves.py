"""Bezier curves against Bernstein's formula in float64, and their pixels against Pillow."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import fdsl
from fdsl.errors import InputError
from fdsl.formulas.grid import MAX_SIDE, cells
from fdsl.geometry.curves import basis, polylines, vertices_for

SEED = 3
FAMILY = fdsl.BezierCurveDB(classes=1024)
TABLE = FAMILY.table(SEED, [0, 5, 24, 143, 992, 1023], [0, 1, 2, 3, 4, 5])


def exact_basis(points: int, t: np.ndarray) -> np.ndarray:
    """Bernstein's polynomials by his formula, float64 [points, T]."""
    degree = points - 1
    return np.stack([comb(degree, j) * t**j * (1 - t) ** (degree - j) for j in range(points)])


def places_of(vertices: int) -> np.ndarray:
    u = np.linspace(0, 1, vertices)
    return 3 * u**2 - 2 * u**3


@pytest.mark.parametrize("points", [2, 3, 4, 11, 34, 102])
def test_the_basis_is_bernstein_s(points):
    ours = basis(points)
    exact = exact_basis(points, places_of(vertices_for(points)))
    np.testing.assert_allclose(ours, exact, atol=3e-7)
    np.testing.assert_allclose(ours.sum(axis=0, dtype=np.float64), 1, atol=1e-6)
    assert (ours[:, 0] == np.eye(points)[0]).all(), "a curve begins at its first control point"
    assert (ours[:, -1] == np.eye(points)[-1]).all(), "and ends at its last"


@pytest.mark.parametrize("row", range(len(TABLE)))
def test_polylines_lie_on_the_curves(row):
    controls_CP2, lines_CT2 = polylines(TABLE, row)
    weights_PT = exact_basis(controls_CP2.shape[1], places_of(lines_CT2.shape[1]))
    exact = np.einsum("pt,cpx->ctx", weights_PT, controls_CP2.astype(np.float64))
    np.testing.assert_allclose(lines_CT2, exact, atol=2e-3)
    assert len(lines_CT2) == TABLE.curves[row]


@pytest.mark.parametrize("points", [3, 4, 10, 34, 102])
def test_polylines_are_fine_enough(points):
    """No point of 200 curves lies further from its polyline than a third of a canvas pixel."""
    controls_CP2 = np.random.default_rng(0).uniform(0, 512, (200, points, 2))
    u = np.linspace(0, 1, 4 * (vertices_for(points) - 1) + 1)
    curve_CT2 = np.einsum("pt,cpx->ctx", exact_basis(points, 3 * u**2 - 2 * u**3), controls_CP2)
    start, end = curve_CT2[:, :-4:4], curve_CT2[:, 4::4]
    farthest = 0.0
    for part in (1, 2, 3):
        way, chord = curve_CT2[:, part::4] - start, end - start
        share = np.clip((way * chord).sum(2) / (chord**2).sum(2), 0, 1)
        farthest = max(farthest, np.linalg.norm(way - share[:, :, None] * chord, axis=2).max())
    assert farthest < 1 / 3


def pillow_image(table, row: int, size: int, view: np.ndarray) -> np.ndarray:
    place = (view * (size / table.canvas)).astype(np.float32)
    expected = Image.new("L", (size, size), table.background)
    pen = ImageDraw.Draw(expected)
    for line_T2 in polylines(table, row, place)[1].tolist():
        pen.line([tuple(point) for point in line_T2], fill=table.value, width=1)
    return np.asarray(expected)


@settings(max_examples=25)
@given(
    st.sampled_from([64, 224, 512]),
    st.tuples(*4 * [st.floats(-3, 3)], *2 * [st.floats(-700, 700)]).filter(
        lambda v: abs(v[0] * v[3] - v[1] * v[2]) > 0.01
    ),
)
def test_pixels_equal_pillow_s(size, numbers):
    """Under any view, where lines leave the canvas and come back."""
    view = np.array([[*numbers[:2], numbers[4]], [*numbers[2:4], numbers[5]]])
    images = fdsl.Renderer(size, "crisp")(TABLE, view)
    for row in range(len(TABLE)):
        assert (images[row] == pillow_image(TABLE, row, size, view)).all(), f"row {row}"


def test_first_and_last_control_points_are_lit():
    images = fdsl.Renderer(512, "crisp")(TABLE)
    for row in range(len(TABLE)):
        controls_CP2, _ = polylines(TABLE, row)
        x, y = np.trunc(controls_CP2[:, [0, -1]]).astype(int).reshape(-1, 2).T
        assert (images[row, y, x] == 255).all()


def test_a_view_moves_control_points_and_the_curve_follows():
    view = np.array([[1.7, -0.4, 30.0], [0.9, 2.1, -200.0]])
    for row in range(len(TABLE)):
        controls_CP2, lines_CT2 = polylines(TABLE, row)
        viewed = polylines(TABLE, row, view.astype(np.float32))
        for ours, before in zip(viewed, (controls_CP2, lines_CT2), strict=True):
            np.testing.assert_allclose(ours, before @ view[:, :2].T + view[:, 2], atol=2e-3)


def test_control_points_are_uniform_on_the_canvas():
    table = FAMILY.table(SEED, np.full(40, 1023), np.arange(40))
    points = np.concatenate([polylines(table, row)[0].reshape(-1, 2) for row in range(len(table))])
    assert points.min() >= 0
    assert points.max() < 512
    counts, *_ = np.histogram2d(*points.T, bins=8, range=[[0, 512]] * 2)
    expected = len(points) / 64
    assert (
        (counts - expected) ** 2 / expected
    ).sum() < 110  # chi-squared of 63 degrees of freedom: 1 in 5,000
    assert len(np.unique(points, axis=0)) == len(points)


@pytest.mark.parametrize("side", [12, 32])
def test_the_published_counts_are_square_grids(side):
    family = fdsl.BezierCurveDB(classes=side**2)
    table = family.table(SEED, np.arange(side**2), np.zeros(side**2, int))
    seen = set(zip(table.points.tolist(), table.curves.tolist(), strict=True))
    assert seen == set(product(range(3, side + 3), range(1, side + 1)))


def test_cells_are_counted_by_growing_squares():
    a, b = cells(np.arange(MAX_SIDE**2))
    assert len(set(zip(a.tolist(), b.tolist(), strict=True))) == MAX_SIDE**2
    assert (np.maximum(a, b) == np.floor(np.sqrt(np.arange(MAX_SIDE**2)))).all()
    assert list(zip(a[:9].tolist(), b[:9].tolist(), strict=True)) == [
        (0, 0), (1, 0), (1, 1), (0, 1), (2, 0), (2, 1), (2, 2), (1, 2), (0, 2),
    ]  # fmt: skip


def test_a_category_is_the_same_for_any_seed():
    assert FAMILY.category(0, 143) == FAMILY.category(9, 143) == {"control_points": 3, "curves": 12}


def test_masks_are_where_lines_are():
    renderer = fdsl.Renderer(224, "crisp")
    k, i = np.arange(0, 1024, 100), np.arange(11)
    drawn, mask = renderer(FAMILY.table(SEED, k, i)), renderer(FAMILY.mask_table(SEED, k, i))
    assert (mask == (drawn == 255)).all()
    assert (FAMILY.contents(SEED, k, i) == k[:, None]).all()


@pytest.mark.parametrize("family", [fdsl.BezierCurveDB, fdsl.PerlinNoiseDB])
def test_more_classes_than_the_grid_has_are_refused(family):
    assert family(classes=10_000).category(0, 9_999)
    with pytest.raises(InputError, match=r"classes must be in 2\.\.10000, got 10001: .*neighbouring cells"):
        family(classes=10_001)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("points", np.full(6, 1, np.int32), r"points must be in 2\.\.256, got 1\.\.1"),
        ("points", np.full(6, 257, np.int32), "points must be in"),
        ("points", np.full(6, 3.0), r"points must be int32 \[N\], got float64"),
        ("curves", np.full(6, -1, np.int32), r"curves must be in 0\.\.65536, got -1\.\.-1"),
        ("curves", np.full(5, 1, np.int32), r"curves must be int32 \[6\], got int32 \[5\]"),
        ("address", TABLE.address[:2], r"address must be uint32 \[6, 4\]"),
        ("value", 256, r"value must be in 0\.\.255, got 256"),
        ("canvas", 16, "canvas must be in"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        replace(TABLE, **{field: value})


def test_no_curves_draw_nothing():
    assert not fdsl.Renderer(64)(replace(TABLE, curves=np.zeros(6, np.int32))).any()
