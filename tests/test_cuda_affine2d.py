"""Affine maps of the plane by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
from numba import cuda, float32, int32, uint32
from numpy.typing import NDArray

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.affine2d import AffineMaps2D, bounds, new_orbits, trace
from fdsl.geometry.maps import MAX_MAPS, thresholds
from fdsl.render.cuda import orbits
from fdsl.render.cuda.compiled import SIMULATED, kernel
from fdsl.render.cuda.device import device_of


class Found(NamedTuple):
    bounds_N5: NDArray[np.float32]


class Systems(NamedTuple):
    address: NDArray[np.uint32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]


@kernel
def find_all_bounds(table, points, found):  # type: ignore[no-untyped-def]
    """Find the bounds of one system after the other, in one block."""
    words = cuda.shared.array(4, uint32)
    begins = cuda.shared.array(MAX_MAPS, int32)
    tables = cuda.shared.array((6, MAX_MAPS), float32)
    bounds_5 = cuda.shared.array(5, float32)
    for row in range(len(table.maps)):
        system = orbits.System(words, begins, tables)
        orbits.load_system(table.address[row], uint32(row), table.maps[row], table.begins[row], system)
        orbits.find_bounds(system, points, bounds_5)
        if cuda.threadIdx.x == 0:
            for part in range(5):
                found.bounds_N5[row, part] = bounds_5[part]


INKS = [("point", False), ("point", True), ("paste", False), ("paste", True), ("or", False)]


def systems(points: int = 700, count: int = 2, **fields: object) -> AffineMaps2D:
    table = fdsl.FractalDB().table(0, np.arange(count), np.arange(count))
    return replace(table, points=points, **fields)


def diverging(*factors: float, **fields: object) -> AffineMaps2D:
    """Return systems that are the same but for a factor on all coefficients: the greater, the sooner orbits diverge."""
    table = systems(2000, len(factors), **fields)
    maps = table.maps[:1] * np.array(factors, np.float32)[:, None, None]
    return replace(
        table, maps=maps, begins=np.repeat(table.begins[:1], len(factors), axis=0), flips=0 * table.flips
    )


@pytest.mark.parametrize(("ink", "colour"), INKS)
def test_every_ink_is_the_cpus(ink: str, colour: bool) -> None:
    assert_drawn_alike(systems(ink=ink, colour=colour))


@pytest.mark.parametrize(("ink", "colour"), INKS)
def test_tones_reach_inks(ink: str, colour: bool) -> None:
    tone = np.stack([INVERTED, INVERTED // 2])
    assert_drawn_alike(systems(ink=ink, colour=colour), 40, tone=tone)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("ink", ["point", "paste"])
def test_every_view_of_a_drawing_is_the_cpus(view: str, ink: str) -> None:
    table = systems(300, ink=ink)
    assert_drawn_alike(table, view=np.array(VIEWS[view]) * table.canvas / 512, blank=view == "far")


@pytest.mark.parametrize("points", [1, 2, 127, 128, 129, 1023, 1024, 1025])
def test_any_number_of_points(points: int) -> None:
    assert_drawn_alike(systems(points), blank=True)


@pytest.mark.parametrize("flips", [0, 1, 2, 3])
def test_flips_and_patches_of_their_own(flips: int) -> None:
    table = systems(count=1, flips=np.full(1, flips, np.uint8))
    other = replace(table, patterns=table.address + np.uint32(1))
    assert (assert_drawn_alike(table) != assert_drawn_alike(other)).any()


@pytest.mark.parametrize("points", [0, 1, 3000])
def test_bounds_of_systems_in_turn_under_streams_of_their_own(points: int) -> None:
    table = diverging(1.0, 1.35, 2.5, 1e30, 0.9)
    found, device = Found(np.empty((5, 5), np.float32)), device_of(0)
    rows = Systems(table.address, table.maps, table.begins)
    if SIMULATED:
        device.launch(find_all_bounds, 1, device.threads(128), rows, points, found)
    else:
        with device.batch(0):
            there = device.upload(found)
            device.launch(find_all_bounds, 1, device.threads(128), device.upload(rows), points, there)
            found = Found(there.bounds_N5.copy_to_host())
    for row in range(5):
        traced, address = new_orbits(points), table.address[row].copy()
        address[1] = row
        trace(address, table.maps[row], table.begins[row], traced)
        assert tuple(found.bounds_N5[row]) == bounds(traced)


@pytest.mark.parametrize("ink", ["point", "paste", "or"])
def test_systems_that_diverge_sooner_or_later(ink: str) -> None:
    images = assert_drawn_alike(diverging(1.0, 1.35, 1.5, 1.6, 1.7, 2.5, 1e30, ink=ink), 48)
    assert images[0].any()
    assert not images[-1].any()


def test_coefficients_that_are_no_numbers() -> None:
    table = systems(count=1)
    table.maps[0, 1, 0] = np.nan
    assert_drawn_alike(table, blank=True)


def test_a_system_of_one_point() -> None:
    table = systems(300, 1)
    assert_drawn_alike(replace(table, maps=0 * table.maps), blank=True)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 6, 7, 8])
def test_any_number_of_maps(count: int) -> None:
    generator = np.random.default_rng(count)
    chances = generator.random((2, 8)) * (np.arange(8) < count)
    chances[1, 0] = 0.0 if count > 1 else 1.0  # a map that is never taken
    table = systems(maps=generator.uniform(-0.6, 0.6, (2, 8, 6)).astype(np.float32))
    assert_drawn_alike(replace(table, begins=thresholds(chances, np.full(2, count))), blank=count == 1)


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * 4 * 34**2)
    assert_drawn_alike(systems(count=5))


def test_masks() -> None:
    assert_drawn_alike(systems().mask())


def test_images_of_a_family() -> None:
    assert_drawn_alike(fdsl.FractalDB().table(0, [3], [1]), 64)
