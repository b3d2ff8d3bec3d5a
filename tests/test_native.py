"""`lines="native"`: the canvas drawn at its native size and seen through the view, as pixels would be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import fdsl

ROWS = 4


@pytest.fixture(scope="module", params=["RCDB", "FractalDB", "ExFractalDB"])
def table(request):
    return fdsl.family(request.param, classes=ROWS).table(0, np.arange(ROWS), np.arange(ROWS))


def canvases(table) -> np.ndarray:
    return fdsl.Renderer(table.canvas, "crisp")(table)


def test_whole_pixels_are_the_canvas_s_own(table):
    side = table.canvas
    whole = canvases(table)
    assert (fdsl.Renderer(side, "native")(table) == whole).all()
    mirrored = fdsl.Renderer(side, "native")(table, [[-1, 0, side], [0, 1, 0]])
    assert (mirrored == whole[:, :, ::-1]).all()
    quarter = fdsl.Renderer(side // 2, "native")(table, [[2, 0, -side / 2], [0, 2, -side / 4]])
    assert (quarter == whole[:, side // 8 : side // 8 + side // 2, side // 4 : side // 4 + side // 2]).all()
    shifted = fdsl.Renderer(side, "native")(table, [[1, 0, 30], [0, 1, -20]])
    assert (shifted[:, : side - 20, 30:] == whole[:, 20:, : side - 30]).all()
    assert (shifted[:, :, :30] == table.background).all()
    assert (shifted[:, side - 20 :] == table.background).all()


@pytest.mark.parametrize("degrees", [0, 17, 200])
def test_enlarged_pixels_equal_pillow_s_bilinear_transform(table, degrees):
    side, zoom, angle = table.canvas, 2.3, np.radians(degrees)
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    view = np.concatenate([turn, np.array([[40.0], [-25.0]])], axis=1)
    back = np.linalg.inv(np.vstack([view, [0, 0, 1]]))[:2]
    ours = fdsl.Renderer(side, "native")(table, view)
    for row, canvas in enumerate(canvases(table)):
        # Pillow repeats the edge under the last half pixel: a frame of background gives both the same neighbours
        framed = np.pad(canvas, 2, constant_values=table.background)
        coefficients = back.copy()
        coefficients[:, 2] += 2
        expected = Image.fromarray(framed).transform(
            (side, side), Image.Transform.AFFINE, coefficients.ravel().tolist(), Image.Resampling.BILINEAR,
            fillcolor=table.background,
        )  # fmt: skip
        # a gray between two pixels may round to either side in float32
        assert np.abs(ours[row].astype(int) - np.asarray(expected)).max() <= 1


def test_shrunk_pixels_keep_the_ink(table):
    """The mean gray survives, where every other line would be lost without averaging."""
    whole = canvases(table).astype(float).mean(axis=(1, 2))
    for size in (224, 96, 32):
        small = fdsl.Renderer(size, "native")(table).astype(float).mean(axis=(1, 2))
        assert np.abs(small - whole).max() < 2.5


@pytest.mark.parametrize("zoom", [0.5, 0.2])
def test_much_smaller_drawings_are_means_too(table, zoom):
    """Blocks of 32 and more pixels a side, whose sums are large."""
    middle = table.canvas / 2
    small = fdsl.Renderer(32, "native")(
        table, [[zoom, 0, middle - zoom * middle], [0, zoom, middle - zoom * middle]]
    )
    ink = np.abs(small.astype(float) - table.background).sum(axis=(1, 2))
    whole = np.abs(canvases(table).astype(float) - table.background).sum(axis=(1, 2))
    assert np.allclose(ink, whole * (32 * zoom / table.canvas) ** 2, rtol=0.35, atol=60)
    assert (small[:, 0] == table.background).all()


def test_a_view_that_shows_less_than_a_point_is_background():
    table = fdsl.RCDB(classes=ROWS).table(0, np.arange(ROWS), np.arange(ROWS))
    thin = fdsl.Renderer(64, "native")(table, [[1e-13, 0, 100], [0, 100, 0]])
    assert (thin == table.background).all()


def test_a_turned_canvas_has_corners_of_background(table):
    side = table.canvas
    half, turn = side / 2, np.sqrt(0.5)
    view = [[turn, -turn, half - turn * half + turn * half], [turn, turn, half - 2 * turn * half]]
    turned = fdsl.Renderer(side, "native")(table, view)
    for corner in (turned[:, :20, :20], turned[:, :20, -20:], turned[:, -20:, :20], turned[:, -20:, -20:]):
        assert (corner == table.background).all()


def test_tones_come_after_resampling(table):
    renderer, curve = fdsl.Renderer(100, "native"), np.arange(256, dtype=np.uint8)[::-1].copy()
    assert (renderer(table, tone=curve) == curve[renderer(table)]).all()


def test_strokes_widen_with_the_view():
    table = fdsl.RCDB(classes=ROWS).table(0, np.arange(ROWS), np.arange(ROWS))
    view = [[4, 0, -3 * 256], [0, 4, -3 * 256]]
    inked = [(fdsl.Renderer(512, lines)(table, view) < 255).mean() for lines in ("crisp", "native")]
    assert inked[1] > 2.5 * inked[0] > 0


def test_colours_are_resampled_a_channel_each():
    table = fdsl.FractalDB(classes=2, variant="patch_color").table(0, [0, 1], [0, 0])
    whole = fdsl.Renderer(512, "crisp")(table)
    quarter = fdsl.Renderer(256, "native")(table, [[2, 0, -100], [0, 2, -60]])
    assert (quarter == whole[:, 30:286, 50:306]).all()
