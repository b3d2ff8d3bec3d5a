"""Filled polygons against half-planes, a slow even-odd rule and Pillow."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fdsl.render.cpu.polygons import fill_polygon
from test_lines import our_polygon

INK = 9
Points = list[tuple[int, int]]


def filled(side: int, points: Points) -> np.ndarray:
    """Return which pixels are filled, bool [side, side]."""
    x_V, y_V = np.array([*points, points[0]], np.int32).T.copy()
    canvas, crossings = np.zeros(side * side, np.uint8), np.zeros(side * side, np.uint8)
    fill_polygon(canvas, side, x_V, y_V, len(points), crossings, np.uint8(INK))
    assert not crossings.any()  # ready for the next one
    assert set(canvas.tolist()) <= {0, INK}
    return canvas.reshape(side, side) == INK


def outlined(side: int, points: Points) -> np.ndarray:
    return our_polygon(side, [(float(x), float(y)) for x, y in points]) != 255


def edges(side: int, points: Points) -> tuple[np.ndarray, ...]:
    """Return x0, y0, x1, y1 of each edge, [V, 1, 1], and y, x of each pixel, [H, 1] and [W]."""
    start_V2 = np.array(points, np.int64)[:, :, None, None]
    end_V2 = np.roll(start_V2, -1, axis=0)
    y_H1, x_W = np.ogrid[:side, :side]
    return start_V2[:, 0], start_V2[:, 1], end_V2[:, 0], end_V2[:, 1], y_H1, x_W.reshape(-1)


def sides(side: int, points: Points) -> np.ndarray:
    """Return on which side of each edge every pixel's middle lies, and how far, int64 [V, H, W]; 0 is on its line."""
    x0, y0, x1, y1, y, x = edges(side, points)
    return (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0)


def on_an_edge(side: int, points: Points) -> np.ndarray:
    x0, y0, x1, y1, y, x = edges(side, points)
    beside = (np.minimum(x0, x1) <= x) & (x <= np.maximum(x0, x1))
    beside = beside & (np.minimum(y0, y1) <= y) & (y <= np.maximum(y0, y1))
    return ((sides(side, points) == 0) & beside).any(axis=0)


def odd_to_the_right(side: int, points: Points) -> np.ndarray:
    """The even-odd rule as it is told: whether a ray to the right meets an odd number of edges."""
    _, y0, _, y1, y, _ = edges(side, points)
    across = (np.minimum(y0, y1) <= y) & (y < np.maximum(y0, y1))
    right = (sides(side, points) > 0) == (y1 > y0)
    return (across & right & (sides(side, points) != 0)).sum(axis=0) % 2 == 1


corner = st.tuples(*2 * [st.integers(-40, 80)])
far_corner = st.tuples(*2 * [st.integers(-(1 << 20), 1 << 20)])
some_polygon = st.one_of(
    st.lists(corner, min_size=1, max_size=9), st.lists(far_corner, min_size=3, max_size=5)
)


@given(st.lists(corner, min_size=3, max_size=3))
def test_triangles_are_three_half_planes(points):
    signs = np.sign(sides(41, points))
    ours, within = filled(41, points), (signs == 1).all(axis=0) | (signs == -1).all(axis=0)
    border = on_an_edge(41, points)
    assert (ours[~border] == within[~border]).all()
    assert ((ours | outlined(41, points)) >= (within | border)).all()


@given(st.integers(-20, 50), st.integers(-20, 50), st.integers(0, 60), st.integers(0, 60))
def test_rectangles_are_slices(left, top, wide, high):
    points = [(left, top), (left + wide, top), (left + wide, top + high), (left, top + high)]
    expected = np.zeros((41, 41), bool)
    expected[max(top, 0) : max(top + high, 0), max(left, 0) : max(left + wide, 0)] = True
    assert (filled(41, points) == expected).all()


@given(st.sampled_from([32, 37]), some_polygon)
def test_polygons_follow_the_even_odd_rule(side, points):
    """Also those that cross themselves and leave the canvas; middles on an edge are the outline's."""
    elsewhere = ~on_an_edge(side, points)
    assert (filled(side, points)[elsewhere] == odd_to_the_right(side, points)[elsewhere]).all()
    assert (outlined(side, points) | elsewhere).all()


@given(some_polygon, st.integers(0, 8))
def test_where_a_polygon_begins_and_which_way_it_runs_is_all_one(points, turn):
    turned = points[turn % len(points) :] + points[: turn % len(points)]
    assert (filled(32, turned) == filled(32, points)).all()
    assert (filled(32, points[::-1]) == filled(32, points)).all()


def beside(lit: np.ndarray) -> np.ndarray:
    """Return the pixels that are lit or touch one that is."""
    padded = np.pad(lit, 1)
    high, wide = lit.shape
    return np.any([padded[y : y + high, x : x + wide] for y in range(3) for x in range(3)], axis=0)


def test_polygons_with_their_outlines_are_pillows_but_for_few_pixels_beside_an_edge():
    """Pillow finds the ends of its spans in floats and rounds them: one pixel in 75,000 is another, next to an edge."""
    rng = np.random.default_rng(0)
    different = lit = 0
    for corners in rng.integers(3, 10, 500):
        points = [(int(x), int(y)) for x, y in rng.integers(-40, 80, (corners, 2))]
        image = Image.new("1", (41, 41))
        pen = ImageDraw.Draw(image)
        pen.polygon(points, fill=1)
        pen.line([*points, points[0]], fill=1)
        outline = outlined(41, points)
        ours = filled(41, points) | outline
        other = np.asarray(image) != ours
        assert not (other & ~beside(outline)).any()
        different, lit = different + other.sum(), lit + ours.sum()
    assert different < 1e-4 * lit
