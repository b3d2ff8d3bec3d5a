"""2D-OFDB and 3D-OFDB: what they share with FractalDB and ExFractalDB to the pixel, and what varies."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256

import numpy as np
import pytest
from scipy import ndimage, stats
from scipy.spatial.transform import Rotation

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import search
from fdsl.formulas.ofdb import turned_camera
from fdsl.geometry.affine3d import ORBITS
from fdsl.random import Purpose, philox4x32
from fdsl.render.clouds import cameras, clouds, depths

CLASSES, SEED = 4, 3


@pytest.mark.parametrize(("ours", "theirs"), [(fdsl.OFDB2D, fdsl.FractalDB), (fdsl.OFDB3D, fdsl.ExFractalDB)])
def test_categories_are_the_larger_datasets_and_found_by_its_search(ours, theirs, monkeypatch, tmp_path):
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "_found", {})
    family, larger = ours(classes=CLASSES), theirs(classes=CLASSES)
    assert [family.category(71, k) for k in range(CLASSES)] == [
        larger.category(71, k) for k in range(CLASSES)
    ]
    (file,) = tmp_path.glob("*.json")
    assert file.name.startswith(theirs.name)


@pytest.mark.parametrize("variant", ["patch_gray", "patch_or", "patch_color"])
def test_the_first_instance_is_fractaldbs(variant):
    ours, theirs = (cls(classes=CLASSES, variant=variant) for cls in (fdsl.OFDB2D, fdsl.FractalDB))
    assert ours.channels == theirs.channels
    renderer, k = fdsl.Renderer(128), np.arange(CLASSES)
    drawn = [renderer(family.table(SEED, k, np.zeros_like(k))) for family in (ours, theirs)]
    assert (drawn[0] == drawn[1]).all()


def test_published_files_are_drawn_as_by_fractaldb(tmp_path):
    for k in range(2):
        (tmp_path / f"{k}.csv").write_text(f"0.5,0,0,0.5,0,0,0.5\n0.5,0.{k},0,0.5,0.5,0.5,0.5\n")
    ours, theirs = (cls.from_csv(tmp_path) for cls in (fdsl.OFDB2D, fdsl.FractalDB))
    renderer = fdsl.Renderer(96)
    assert (renderer(ours.table(0, [0, 1], [0, 0])) == renderer(theirs.table(0, [0, 1], [0, 0]))).all()
    assert ours.digest(0) != theirs.digest(0)


def test_instances_redraw_the_patches_on_the_same_points():
    table = fdsl.OFDB2D(classes=CLASSES).table(SEED, [2] * 3, [0, 1, 900])
    renderer = fdsl.Renderer(512, "crisp")
    points = renderer(replace(table, ink="point"))
    assert (points == points[0]).all()
    under_patches = ndimage.binary_dilation(points[0] > 0, np.ones((3, 3)))
    images = renderer(table) > 0
    assert not images[:, ~under_patches].any()
    for image in images:  # a bit is set in 256 of the 511 patterns
        assert abs(image[under_patches].mean() - 256 / 511) < 0.01
    for a, b in ((0, 1), (0, 2), (1, 2)):  # and as often as not in another instance
        assert abs((images[a] == images[b])[under_patches].mean() - 0.5) < 0.01


def test_plain_points_have_no_pattern_to_vary():
    with pytest.raises(
        InputError, match="variant must be one of patch_gray, patch_or, patch_color, got 'point_gray'"
    ):
        fdsl.OFDB2D(variant="point_gray")
    with pytest.raises(InputError, match="points must be in"):
        fdsl.OFDB2D(points=0)


def test_clouds_are_exfractaldbs_first():
    k = np.arange(CLASSES)
    ours = fdsl.OFDB3D(classes=CLASSES).table(SEED, k, [0, 1, 5, 40])
    theirs = fdsl.ExFractalDB(classes=CLASSES).table(SEED, k, np.zeros_like(k))
    for column in ("address", "maps", "begins"):
        assert (getattr(ours, column) == getattr(theirs, column)).all(), column


@pytest.mark.parametrize(("views", "axes"), [(1, 1), (2, 1), (3, 1), (12, 1), (2, 2), (3, 3)])
def test_views_repeat_and_are_fixed(views, axes):
    family, count = fdsl.OFDB3D(classes=CLASSES, views=views, axes=axes), views**axes
    rotation = family.table(SEED, np.zeros(2 * count, int), np.arange(2 * count)).rotation
    assert (rotation[:count] == rotation[count:]).all()
    assert len({view.tobytes() for view in rotation}) == count
    assert np.allclose(rotation @ rotation.transpose(0, 2, 1), np.eye(3))
    assert np.allclose(np.linalg.det(rotation), 1)


def test_one_axis_turns_about_the_vertical_in_equal_steps_with_jitter():
    off = []
    for k in range(CLASSES):
        rotation = fdsl.OFDB3D(classes=CLASSES).table(SEED, np.full(12, k), np.arange(12)).rotation
        assert np.allclose(rotation[:, 1], [0, 1, 0])
        looking = -rotation[:, 2]
        degrees = np.degrees(np.arctan2(-looking[:, 2], looking[:, 0]))
        off.append((degrees - 30 - 30 * np.arange(12) + 180) % 360 - 180)
    assert 2.5 < np.abs(off).max() <= 3.15
    assert abs(np.mean(off)) < 1


def test_further_axes_turn_the_turned_camera():
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (50, 3))
    for axes in (1, 2, 3):
        turned = Rotation.from_euler("YZY"[:axes], angles[:, :axes]).as_matrix()
        rows = turned_camera(angles[:, :axes])
        for row, axis in ((0, [0, 0, 1]), (1, [0, 1, 0]), (2, [-1, 0, 0])):
            assert np.allclose(rows[:, row], turned @ axis)


def test_the_first_axis_changes_fastest():
    family = fdsl.OFDB3D(classes=CLASSES, views=4, axes=2)
    up = family.table(SEED, np.zeros(16, int), np.arange(16)).rotation[:, 1]
    roll = np.degrees(np.arccos(up[:, 1]))  # how far the camera is rolled: by the second axis alone
    assert np.allclose(roll, np.repeat([30, 120, 150, 60], 4), atol=3.2)


TEXTURED = fdsl.OFDB3D(classes=CLASSES, variant="random_texture")


def test_textures_light_the_pixels_of_plain_points():
    k, i = np.repeat(np.arange(CLASSES), 3), np.tile([0, 5, 17], CLASSES)
    plain, textured = fdsl.OFDB3D(classes=CLASSES).table(SEED, k, i), TEXTURED.table(SEED, k, i)
    for lines in ("crisp", "native"):
        renderer = fdsl.Renderer(224, lines)
        assert ((renderer(plain) > 0) == (renderer(textured) > 0)).all()
    assert (fdsl.Renderer(224)(plain.mask()) == fdsl.Renderer(224)(textured.mask())).all()
    assert (clouds(plain) == clouds(textured)).all()


def test_instances_beyond_the_views_redraw_the_texture_on_the_same_points():
    images = fdsl.Renderer(224, "crisp")(TEXTURED.table(SEED, [1] * 4, [3, 15, 15, 987]))
    lit = images[0] > 0
    assert ((images > 0) == lit).all()
    assert (images[1] == images[2]).all()
    for a, b in ((0, 1), (0, 3), (1, 3)):
        assert (images[a] == images[b])[lit].mean() < 0.02


def test_a_pixel_shows_the_gray_of_its_nearest_point():
    """Grays drawn again on the host, points placed in float64."""
    table = TEXTURED.table(SEED, [2], [7])
    point = np.arange(table.points)
    step, lane = np.divmod(point, ORBITS)
    seed, stream, category, instance = (int(v) for v in table.textures[0])
    counter = np.broadcast_arrays(category, instance, int(Purpose.TEXTURE), step // 8 * ORBITS + lane)
    word = philox4x32(np.stack(counter, axis=1), (seed, stream))[point, step % 8 // 2]
    gray = 1 + (255 * ((word >> (16 * (step % 2)).astype(np.uint32)) & 0xFFFF) >> 16)

    ahead = np.concatenate([clouds(table)[0].astype(float), np.ones((table.points, 1))], axis=1)
    place = ahead @ cameras(table, 224)[0].T
    x, y = np.floor(place[:, :2] / place[:, 2:]).astype(int).T
    image, depth = fdsl.Renderer(224, "crisp")(table)[0], depths(table, 224)[0]
    nearest = np.abs(place[:, 2] - depth[y, x]) < 1e-6
    assert nearest.sum() > 0.95 * (image > 0).sum()
    # but for two points at one depth, and one across the edge of a pixel
    assert (image[y, x] == gray)[nearest].mean() > 0.999


def test_grays_of_a_texture_are_uniform_without_black():
    k = np.arange(CLASSES)
    images = fdsl.Renderer(1024, "crisp")(TEXTURED.table(SEED, k, 40 + k))
    count = np.bincount(images[images > 0], minlength=256)
    assert count[0] == 0
    assert stats.chisquare(count[1:]).pvalue > 1e-3


def test_textures_keep_their_pixels():
    """A change of these publishes a new dataset: raise the family's `version` with it."""
    n = np.arange(8)
    table = fdsl.OFDB3D(classes=8, variant="random_texture").table(7, n, n)
    images = fdsl.Renderer(224, "crisp")(table)
    assert sha256(images.tobytes()).hexdigest()[:16] == "38524ecc2ac9f76a"


def test_tones_act_on_textures():
    table = TEXTURED.table(SEED, [0, 1], [0, 1])
    tone = np.arange(256, dtype=np.uint8)[::-1].copy()
    renderer = fdsl.Renderer(224, "crisp")
    assert (renderer(table, tone=tone) == 255 - renderer(table)).all()


def test_plain_is_the_published_and_named_as_before():
    plain = fdsl.OFDB3D(classes=CLASSES)
    assert plain == fdsl.OFDB3D(classes=CLASSES, variant="plain")
    assert "variant" not in plain.definition()
    assert TEXTURED.definition()["variant"] == "random_texture"
    assert plain.table(SEED, [0], [0]).textures is None
    with pytest.raises(InputError, match=r"textures must be uint32 \[1, 4\]"):
        replace(TEXTURED.table(SEED, [0], [0]), textures=np.zeros((2, 4), np.uint32))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variant": "textured"}, "variant must be one of plain, random_texture, got 'textured'"),
        ({"views": 0}, "views must be in 1..360, got 0"),
        ({"axes": 4}, "axes must be in 1..3, got 4"),
        ({"points": 0}, "points must be in"),
        ({"least_variance": -1.0}, "least_variance must be in"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        fdsl.OFDB3D(**fields)
