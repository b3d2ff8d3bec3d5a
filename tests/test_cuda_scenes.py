"""Scenes by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, assert_drawn_alike
from fdsl.geometry.scenes import FractalScenes

VIEWS = {
    "whole": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "shifted": [[1.0, 0.0, -30.0], [0.0, 1.0, -50.0]],
    "turned": [[1.3, 0.4, -40.0], [-0.3, 1.1, 15.0]],
    "mirrored": [[-1.2, 0.0, 240.0], [0.0, 1.1, -10.0]],
    "quarter": [[0.0, 1.0, 0.0], [-1.0, 0.0, 224.0]],
    "small": [[0.2, 0.1, 80.0], [-0.1, 0.2, 90.0]],
    "near": [[6.0, 1.0, -500.0], [-1.0, 7.0, -400.0]],
    "nearer": [[30.0, 0.0, -3000.0], [0.0, 30.0, -3000.0]],
    "oblique": [[9.0, 8.9, -900.0], [0.0, 9.0, -900.0]],
    "smallest": [[1e-3, 9e-4, 5.0], [0.0, 1e-3, 20.0]],
}
"""Of a canvas of 224 pixels."""


def scenes(count: int = 2, **fields: Any) -> FractalScenes:
    points = fields.pop("points", 400)
    return fdsl.MultiFractal(classes=8, points=points, **fields).table(0, np.arange(count), np.arange(count))


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_scene_is_the_cpus(view: str) -> None:
    assert_drawn_alike(scenes(), view=np.array(VIEWS[view]))


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_masks(view: str) -> None:
    assert_drawn_alike(scenes().mask(), view=np.array(VIEWS[view]), blank=True)


@pytest.mark.parametrize("view", VIEWS)
def test_objects_in_place(view: str) -> None:
    assert_drawn_alike(scenes(most_objects=1, variant="black"), view=np.array(VIEWS[view]), blank=True)


@pytest.mark.parametrize("blur", [0, 1, 60, 85])
def test_blur(blur: int) -> None:
    assert_drawn_alike(replace(scenes(), blur=np.array([blur, 0], np.int32)), 33)


@pytest.mark.parametrize("size", [224, 260])
def test_pixels_that_are_the_fields_points(size: int) -> None:
    """260 a side are more than there are: these are looked up, as on any other canvas."""
    assert_drawn_alike(replace(scenes(1, points=2000), canvas=size), size)


def test_a_scene_as_published() -> None:
    assert_drawn_alike(fdsl.MultiFractal(classes=8).table(0, [1], [1]), 224, view=np.array(VIEWS["turned"]))


def test_a_canvas_without_objects_or_without_anything() -> None:
    none = np.zeros(2, np.int32)
    assert_drawn_alike(replace(scenes(), count=none))
    assert (assert_drawn_alike(replace(scenes(variant="black"), count=none), blank=True) == 0).all()


@pytest.mark.parametrize("variant", ["diamond_square", "black"])
def test_objects_in_place_and_resized_lie_in_order(variant: str) -> None:
    table = scenes(3, variant=variant)
    grain = np.where(np.arange(5) % 2 == 0, table.grain, 0).astype(np.int32)
    assert_drawn_alike(replace(table, grain=grain, count=np.full(3, 5, np.int32)), 48)


@pytest.mark.parametrize("patch", [0, 1, 16, 256, 511])
def test_patches(patch: int) -> None:
    table = scenes(variant="black")
    assert_drawn_alike(replace(table, patches=np.full_like(table.patches, patch)), blank=patch == 0)


@pytest.mark.parametrize("points", [0, 1, 128, 129, 1100])
def test_any_number_of_points(points: int) -> None:
    table = scenes(variant="black")
    assert_drawn_alike(replace(table, points=np.full_like(table.points, points)), blank=points < 2)


def test_objects_whose_orbits_diverge() -> None:
    table = scenes(variant="black")
    maps = table.maps.copy()
    maps[0, :, 1] *= 9
    maps[1, 0] *= 1e30
    assert_drawn_alike(replace(table, maps=maps))


@pytest.mark.parametrize("flips", range(8))
def test_flips(flips: int) -> None:
    table = scenes(1, variant="black")
    assert_drawn_alike(replace(table, flips=np.full_like(table.flips, flips)))


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * (450 << 10))
    assert_drawn_alike(scenes(5, points=150))


def test_tones() -> None:
    tones = np.stack([INVERTED, np.arange(256).astype(np.uint8)])
    assert_drawn_alike(scenes(), 48, tone=tones)
    assert_drawn_alike(scenes().mask(), 48, tone=tones)
