"""2D-OFDB and 3D-OFDB: what they share with FractalDB and ExFractalDB to the pixel, and what varies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.transform import Rotation

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import search
from fdsl.formulas.ofdb import turned_camera

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


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"views": 0}, "views must be in 1..360, got 0"),
        ({"axes": 4}, "axes must be in 1..3, got 4"),
        ({"points": 0}, "points must be in"),
        ({"least_variance": -1.0}, "least_variance must be in"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        fdsl.OFDB3D(**fields)
