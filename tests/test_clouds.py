"""Free labels of clouds: points, cameras and depths against each other and against the image, in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from fdsl.errors import InputError
from fdsl.geometry import affine3d
from fdsl.geometry.affine3d import FAR, FIRST, NEAR
from fdsl.render.clouds import cameras, clouds, depths

SEED, CLASSES = 7, 6
ROUNDING = 2e-7
"""Of the image's side: how far float32 may put a point from its place in float64. Of all points 2 in 10,000 lie that
near to an edge of a pixel at 224; half of it was seen to be enough for all."""
FAMILIES = (fdsl.MVFractalDB, fdsl.ExFractalDB, fdsl.OFDB3D)


def table_of(cls) -> affine3d.AffineMaps3D:
    return cls(classes=CLASSES).table(SEED, np.arange(24) % CLASSES, np.arange(24))


def projected(table, size, view) -> tuple[np.ndarray, np.ndarray]:
    """Places on the image [N, P, 2] and depths [N, P] of all points, the places of clipped ones at -2."""
    points = clouds(table).astype(np.float64)
    ahead = np.concatenate([points, np.ones_like(points[..., :1])], axis=2)
    places = ahead @ cameras(table, size, view).transpose(0, 2, 1)
    depth = places[..., 2]
    seen = (depth >= NEAR) & (depth <= FAR)
    return np.where(seen[..., None], places[..., :2] / np.where(seen, depth, 1)[..., None], -2.0), depth


def nearest(pixels, values, size) -> np.ndarray:
    """Least value in each pixel, [size, size], infinite where there is none."""
    least = np.full((size, size), np.inf)
    x, y = pixels[((pixels >= 0) & (pixels < size)).all(axis=1)].T
    np.minimum.at(least, (y, x), values[((pixels >= 0) & (pixels < size)).all(axis=1)])
    return least


@pytest.mark.parametrize("cls", FAMILIES)
@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("views", ["whole", "augmented"])
def test_points_cameras_depths_and_images_agree(cls, size, views):
    """A point well within a pixel lights it and is no nearer than its depth; a lit pixel has a point of its depth."""
    table = table_of(cls)
    identity = np.arange(len(table))
    plan = fdsl.Augmentation(hflip=0.5).plan(0, identity, identity, 0, canvas=224, size=size, channels=1)
    view = None if views == "whole" else plan.view
    images, drawn = fdsl.Renderer(size, "crisp")(table, view), depths(table, size, view)
    assert ((drawn > 0) == (images > 0)).all()
    places, depth = projected(table, size, view)
    margin, points = ROUNDING * size, clouds(table)
    assert (images.any(axis=(1, 2)) <= points.any(axis=(1, 2))).all()
    assert points.any(axis=(1, 2)).mean() > 0.8
    for row in np.flatnonzero(points.any(axis=(1, 2))):  # a scaled system may diverge
        lit = drawn[row] > 0
        sure = np.abs(places[row] - np.rint(places[row])).min(axis=1) > margin
        assert sure.mean() > 0.999
        least = nearest(np.floor(places[row, sure]).astype(int), depth[row, sure], size)
        assert lit[least < np.inf].all()
        assert (drawn[row] <= least + 1e-5)[least < np.inf].all()
        off = np.full((size, size), np.inf)
        for shift in ((-margin, -margin), (-margin, margin), (margin, -margin), (margin, margin)):
            pixels = np.floor(places[row] + shift).astype(int)
            x, y = np.clip(pixels, 0, size - 1).T
            off = np.minimum(off, nearest(pixels, np.abs(depth[row] - drawn[row, y, x]), size))
        assert (off[lit] < 1e-5).all()


def test_clouds_are_the_drawn_points_normalised():
    table, orbits = table_of(fdsl.OFDB3D), affine3d.new_orbits(10_000)
    for row, cloud in enumerate(clouds(table)):
        affine3d.trace(table.address[row], table.maps[row], table.begins[row], orbits)
        traced = orbits.points_3P[:, FIRST : FIRST + 10_000].T.astype(np.float64)
        wanted = 2 * (traced - traced.mean(axis=0)) / np.ptp(traced)
        np.testing.assert_allclose(cloud, wanted, atol=1e-6)
        np.testing.assert_allclose(cloud.mean(axis=0), 0, atol=1e-6)


def test_the_camera_is_4_from_the_origin_and_looks_at_the_middle():
    table = table_of(fdsl.OFDB3D)
    camera = cameras(table, 96)
    np.testing.assert_allclose(camera[:, :, 3], np.tile([4 * 48, 4 * 48, 4], (24, 1)))
    eyes = 4 * table.rotation[:, 2]  # the camera stands on its backward axis
    ahead = np.concatenate([eyes, np.ones((24, 1))], axis=1)
    np.testing.assert_allclose(np.einsum("nij,nj->ni", camera, ahead), 0, atol=1e-12)


def test_views_act_on_pixels():
    table, view = table_of(fdsl.OFDB3D), np.array([[-1.0, 0, 224], [0, 1, 0]])
    plain, flipped = depths(table, 224), depths(table, 224, view)
    mirrored = (plain[:, :, ::-1] > 0) == (flipped > 0)
    assert mirrored.mean() > 0.9999  # but for points on an edge
    both = (plain[:, :, ::-1] > 0) & (flipped > 0)
    assert (np.abs(plain[:, :, ::-1] - flipped)[both] < 1e-5).mean() > 0.999


def test_a_cloud_that_diverges_has_no_points_and_no_depth():
    table = table_of(fdsl.OFDB3D)
    maps = table.maps.copy()
    maps[1] *= 50
    table = replace(table, maps=maps)
    assert not clouds(table)[1].any()
    assert not depths(table, 64)[1].any()
    assert clouds(table)[[0, 2]].any(axis=(1, 2)).all()
    assert not fdsl.Renderer(64, "crisp")(table)[1].any()


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_and_neighbours_change_nothing(threads):
    table = table_of(fdsl.MVFractalDB)
    alone = fdsl.MVFractalDB(classes=CLASSES).table(SEED, [3], [9])
    assert (clouds(table, threads) == clouds(table, 1)).all()
    assert (depths(table, 96, threads=threads) == depths(table, 96, threads=1)).all()
    assert (clouds(table)[9] == clouds(alone)[0]).all()
    assert (depths(table, 96)[9] == depths(alone, 96)[0]).all()
    assert (cameras(table, 96)[9] == cameras(alone, 96)[0]).all()


@pytest.mark.parametrize("points", [1, 31, 33, 1024, 1025, 5000])
def test_any_number_of_points_is_labelled(points):
    table = fdsl.OFDB3D(classes=CLASSES, points=points).table(SEED, [0, 1], [0, 1])
    assert clouds(table).shape == (2, points, 3)
    lit = fdsl.Renderer(64, "crisp")(table) > 0
    assert ((depths(table, 64) > 0) == lit).all()
    assert lit.any(axis=(1, 2)).all()


def test_no_rows_are_no_labels():
    table = fdsl.OFDB3D(classes=CLASSES).table(SEED, np.zeros(0, int), np.zeros(0, int))
    assert clouds(table).shape == (0, 10_000, 3)
    assert cameras(table, 64).shape == (0, 3, 4)
    assert depths(table, 64).shape == (0, 64, 64)


def test_bad_input_is_named():
    flat, table = fdsl.RCDB(classes=2).table(0, [0], [0]), table_of(fdsl.OFDB3D)
    for label in (clouds, lambda t: cameras(t, 64), lambda t: depths(t, 64)):
        with pytest.raises(InputError, match="table must be one of clouds, AffineMaps3D, got RadialStrokes"):
            label(flat)
    for label in (cameras, depths):
        with pytest.raises(InputError, match="size must be in"):
            label(table, 5)
        with pytest.raises(InputError, match="view must be"):
            label(table, 64, np.zeros((2, 3)))
    with pytest.raises(InputError, match="threads must be in"):
        depths(table, 64, threads=0)
    with pytest.raises(InputError, match="threads must be in"):
        clouds(table, threads=0)
