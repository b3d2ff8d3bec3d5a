"""Affine maps of space by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.maps import thresholds


def clouds(points: int = 700, count: int = 2, textured: bool = False, **fields: object) -> AffineMaps3D:
    table = fdsl.ExFractalDB().table(0, np.arange(count), np.arange(count))
    return replace(table, points=points, textures=table.address if textured else None, **fields)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("textured", [False, True])
def test_every_view_of_a_drawing_is_the_cpus(view: str, textured: bool) -> None:
    table = clouds(textured=textured)
    assert_drawn_alike(table, view=np.array(VIEWS[view]) * table.canvas / 512, blank=view == "far")


@pytest.mark.parametrize("textured", [False, True])
def test_tones_and_larger_images(textured: bool) -> None:
    assert_drawn_alike(clouds(textured=textured), 60, tone=np.stack([INVERTED, INVERTED // 2]))


@pytest.mark.parametrize("points", [1, 2, 31, 32, 33, 255, 256, 257])
@pytest.mark.parametrize("textured", [False, True])
def test_any_number_of_points(points: int, textured: bool) -> None:
    assert_drawn_alike(clouds(points, textured=textured), blank=True)


@pytest.mark.parametrize("textured", [False, True])
def test_systems_that_diverge_sooner_or_later(textured: bool) -> None:
    table = clouds(1000, 6, textured)
    factors = np.array([1.0, 1.1, 1.2, 1.4, 2.0, 1e30], np.float32)
    images = assert_drawn_alike(replace(table, maps=table.maps * factors[:, None, None]))
    assert not images[-1].any()


def test_coefficients_that_are_no_numbers() -> None:
    table = clouds(count=1)
    table.maps[0, 1, 0] = np.nan
    assert_drawn_alike(table, blank=True)


def test_a_cloud_of_one_point_has_no_extent() -> None:
    table = clouds()
    assert not assert_drawn_alike(replace(table, maps=0 * table.maps), blank=True).any()


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8])
def test_any_number_of_maps(count: int) -> None:
    generator = np.random.default_rng(count)
    chances = generator.random((2, 8)) * (np.arange(8) < count)
    table = clouds(maps=generator.uniform(-0.6, 0.6, (2, 8, 12)).astype(np.float32))
    assert_drawn_alike(replace(table, begins=thresholds(chances, np.full(2, count))), blank=count == 1)


def test_points_at_one_depth_are_told_apart_by_their_grays() -> None:
    table = clouds(2000, textured=True)
    maps = table.maps.copy()
    maps[:, :, [2, 5, 8, 11]] = 0  # flat along the third axis
    assert_drawn_alike(replace(table, maps=maps, rotation=np.tile(np.eye(3), (2, 1, 1))))


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * 8 * 32**2)
    assert_drawn_alike(clouds(count=5, textured=True))


def test_masks() -> None:
    assert set(np.unique(assert_drawn_alike(clouds(textured=True).mask()))) == {0, 1}


@pytest.mark.parametrize("family", ["ExFractalDB", "MVFractalDB"])
def test_images_of_a_family(family: str) -> None:
    assert_drawn_alike(fdsl.family(family).table(0, [3], [1]), 64)
