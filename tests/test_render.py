"""The renderer: views, tones, averaging, and what it refuses."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import fdsl
from fdsl.errors import InputError
from fdsl.render.cpu.finish import finishing
from fdsl.render.frame import drawn_to_size

SHIFT = np.array([[1.0, 0.0, 40.0], [0.0, 1.0, -24.0]])


@pytest.fixture(scope="module", params=["RCDB", "FractalDB", "ExFractalDB"])
def table(request):
    return fdsl.family(request.param, classes=6).table(0, np.arange(6), np.arange(6))


@pytest.mark.parametrize("size", [32, 100, 224, 1024])
def test_any_size(table, size):
    images = fdsl.Renderer(size)(table)
    assert images.shape == (6, size, size)
    assert images.dtype == np.uint8
    assert images.std(axis=(1, 2)).min() > 0


def test_area_is_the_average_of_the_larger_drawing(table):
    size, factor = 64, max(2, round(table.canvas / 64))
    small = fdsl.Renderer(size, "area")(table)
    large = fdsl.Renderer(size * factor, "crisp")(table).astype(np.int64)
    blocks = large.reshape(6, size, factor, size, factor).sum(axis=(2, 4))
    assert (small == (blocks + factor**2 // 2) // factor**2).all()


def test_auto_is_area_below_160(table):
    assert (fdsl.Renderer(128)(table) == fdsl.Renderer(128, "area")(table)).all()
    assert (fdsl.Renderer(160)(table) == fdsl.Renderer(160, "crisp")(table)).all()


def test_the_identity_view_and_tone_change_nothing(table):
    renderer = fdsl.Renderer(96)
    plain = renderer(table)
    assert (renderer(table, np.eye(2, 3)) == plain).all()
    assert (renderer(table, tone=np.arange(256, dtype=np.uint8)) == plain).all()


def test_a_whole_pixel_shift_moves_the_picture(table):
    renderer = fdsl.Renderer(table.canvas, "crisp")
    plain, moved = renderer(table), renderer(table, SHIFT)
    same = moved[:, 100:150, 100:150] == plain[:, 124:174, 60:110]
    assert same.mean() > 0.999  # float32 rounds a coordinate differently at another place


def test_a_view_of_each_image_is_its_own(table):
    renderer = fdsl.Renderer(64)
    views = np.stack([np.eye(2, 3) if n % 2 else SHIFT for n in range(6)])
    mixed = renderer(table, views)
    assert (mixed[1::2] == renderer(table)[1::2]).all()
    assert (mixed[::2] == renderer(table, SHIFT)[::2]).all()


def test_zoom_equals_a_larger_drawings_corner():
    table = fdsl.RCDB(classes=6).table(0, np.arange(6), np.arange(6))
    zoom = np.array([[2.0, 0, 0], [0, 2.0, 0]])
    corner = fdsl.Renderer(512, "crisp")(table, zoom)
    whole = fdsl.Renderer(1024, "crisp")(table)
    assert (corner == whole[:, :512, :512]).all()


def test_tone_maps_every_gray(table):
    renderer = fdsl.Renderer(64)
    plain = renderer(table)
    curves = np.stack([np.roll(np.arange(256), n).astype(np.uint8) for n in range(6)])
    toned = renderer(table, tone=curves)
    for row in range(6):
        assert (toned[row] == curves[row][plain[row]]).all()


def test_out_is_filled(table):
    out = np.zeros((6, 64, 64), np.uint8)
    assert fdsl.Renderer(64)(table, out=out) is out
    assert (out == fdsl.Renderer(64)(table)).all()
    with pytest.raises(InputError, match="out must be C-contiguous writeable uint8"):
        fdsl.Renderer(64)(table, out=out[:5])


@pytest.mark.parametrize("variant", ["point_color", "patch_color"])
def test_colour_families_have_three_channels(variant):
    family = fdsl.FractalDB(classes=2, variant=variant)
    gray = fdsl.FractalDB(classes=2, variant=variant.replace("color", "gray"))
    images = fdsl.Renderer(128, "crisp")(family.table(0, [0, 1], [0, 0]))
    assert images.shape == (2, 128, 128, 3)
    assert len(np.unique(images.reshape(-1, 3), axis=0)) > 60
    lit = fdsl.Renderer(128, "crisp")(gray.table(0, [0, 1], [0, 0])) > 0
    assert ((images > 0).all(axis=3) == lit).all()


def test_anything_but_a_table_is_refused():
    with pytest.raises(InputError, match="table must be one of RadialStrokes, AffineMaps2D, AffineMaps3D"):
        fdsl.Renderer(64)(object())


def test_no_rows_no_pixels():
    table = fdsl.RCDB(classes=2).table(0, np.empty(0, int), np.empty(0, int))
    assert fdsl.Renderer(32)(table).shape == (0, 32, 32)


@pytest.mark.parametrize("size", [0, -5, 31, 1025, 10**9, 64.0, "64", None])
def test_sizes_out_of_range_are_refused(size):
    with pytest.raises(InputError, match="size must be"):
        fdsl.Renderer(size)


@pytest.mark.parametrize(("field", "value"), [("lines", "soft"), ("threads", 0), ("threads", -2)])
def test_other_arguments_are_checked(field, value):
    with pytest.raises(InputError, match=f"{field} must be"):
        fdsl.Renderer(64, **{field: value})


@pytest.mark.parametrize(
    ("view", "message"),
    [
        (np.eye(3), "shape"),
        (np.full((2, 3), np.nan), "finite"),
        (np.array([[1, 0, np.inf], [0, 1, 0]]), "finite"),
        (np.array([[1, 0, 1e9], [0, 1, 0]]), "finite"),
        (np.zeros((2, 3)), "singular"),
    ],
)
def test_unusable_views_are_refused(table, view, message):
    with pytest.raises(InputError, match=f"view must be .*{message}|view must have {message}"):
        fdsl.Renderer(64)(table, view)


@pytest.mark.parametrize("tone", [np.arange(256), np.zeros((2, 256), np.uint8), np.zeros(255, np.uint8)])
def test_unusable_tones_are_refused(table, tone):
    with pytest.raises(InputError, match="tone must be uint8"):
        fdsl.Renderer(64)(table, tone=tone)


@pytest.mark.parametrize("shape", [(), (3,)])
def test_one_image_has_the_type_of_many(shape):
    """Else kernels are compiled once more for it, which takes longer than a minute's drawing."""
    frame = drawn_to_size(32, 1, 224, np.tile(np.eye(2, 3), (3, 1, 1)), np.zeros((3, 256), np.uint8))
    one, many = (finishing(frame, np.zeros((count, 32, 32, *shape), np.uint8), 0) for count in (1, 3))
    assert numba.typeof(one) == numba.typeof(many)
