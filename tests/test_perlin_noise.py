"""Gradient noise: against a slow reference in float64, and what is known of it by definition."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fdsl
from fdsl.errors import InputError
from fdsl.geometry.noise import GAIN, ZERO, NoiseField, gradients
from fdsl.random import Purpose, blocks
from fdsl.render.cpu.noise import MOST_NODES, lattice
from fdsl.render.frame import drawn_to_size

SEED = 5
FAMILY = fdsl.PerlinNoiseDB(classes=1296)
CANVAS = FAMILY.native_size
CRISP = fdsl.Renderer(CANVAS, "crisp")


def field(across: int, down: int, count: int = 1, category: int = 0) -> NoiseField:
    """Instances 0.. of a frequency, whichever category it belongs to."""
    table = FAMILY.table(SEED, np.full(count, category), np.arange(count))
    return replace(table, cells=np.tile(np.array([[across, down]], np.int32), (count, 1)))


def reference(category: int, instance: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The noise at lattice coordinates, by the textbook, its gradients' bits asked for node by node."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = x - column, y - row

    def says(right: int, below: int) -> np.ndarray:
        c, r = column + right, row + below
        i = ((r & 0xFFFF) << 16) | ((c >> 5) & 0xFFFF)
        words = blocks(SEED, FAMILY.stream, category, instance, Purpose.FIELD, i)
        word = np.take_along_axis(words, ((c & 31) >> 3)[..., None], axis=-1)[..., 0]
        angle = ((word >> (4 * (c & 7)).astype(np.uint32)) & 15) * np.pi / 8
        return np.cos(angle) * (u - right) + np.sin(angle) * (v - below)

    def faded(t: np.ndarray) -> np.ndarray:
        return 6 * t**5 - 15 * t**4 + 10 * t**3

    above = says(0, 0) + faded(u) * (says(1, 0) - says(0, 0))
    below = says(0, 1) + faded(u) * (says(1, 1) - says(0, 1))
    return above + faded(v) * (below - above)


def reference_grays(
    category: int, instance: int, cells: list[int], size: int, view: np.ndarray
) -> np.ndarray:
    """An image as if gray levels were continuous, float64 [size, size]."""
    matrix = np.vstack([view * (size / CANVAS), [0, 0, 1]])
    middles = np.stack([*np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5), np.ones((size, size))])
    x, y, _ = np.einsum("ij,jyx->iyx", np.linalg.inv(matrix), middles)
    noise = reference(category, instance, x * cells[0] / CANVAS, y * cells[1] / CANVAS)
    return ZERO + 0.5 + GAIN * noise


numbers = st.floats(-2, 2)
straight = st.tuples(numbers, st.just(0.0), st.just(0.0), numbers)
turned = st.tuples(numbers, numbers, numbers, numbers)


@settings(max_examples=40)
@given(
    st.integers(0, 1295),
    st.sampled_from([33, 64]),
    st.one_of(straight, turned).filter(lambda v: abs(v[0] * v[3] - v[1] * v[2]) > 0.02),
    st.tuples(*2 * [st.floats(-2000, 2000)]),
)
def test_images_equal_the_reference_within_a_gray(category, size, linear, shift):
    """Straight and turned, mirrored, zoomed, and far off the canvas on any side."""
    view = np.column_stack([np.reshape(linear, (2, 2)), shift])
    table = FAMILY.table(SEED, [category], [3])
    # further out a pixel is many cells, and an image of more than 2^20 of them is plain
    cells_WH = np.abs(np.linalg.inv(view[:, :2])).sum(axis=1) * table.cells[0]
    assume((cells_WH + 8).prod() < 1 << 19)
    image = fdsl.Renderer(size, "crisp")(table, view)[0]
    exact = reference_grays(category, 3, table.cells[0].tolist(), size, view)
    assert np.abs(image + 0.5 - exact).max() < 0.55


def test_gradients_are_those_of_the_reference_s_bits():
    """Near a corner the noise is the way from there, as its gradient sees it."""
    x_RC, y_RC = gradients(field(4, 4), 0, group=-1, line=-3, groups=2, lines=6)
    column, row = np.meshgrid(np.arange(-32, 32), np.arange(-3, 3))
    for ours, dx, dy in ((x_RC, 1e-7, 0), (y_RC, 0, 1e-7)):
        np.testing.assert_allclose(ours, reference(0, 0, column + dx, row + dy) / 1e-7, atol=1e-4)
    np.testing.assert_allclose(x_RC**2 + y_RC**2, 1, atol=1e-6)


def test_noise_is_zero_at_the_corners_of_cells():
    half_pixel = np.array([[1, 0, 0.5], [0, 1, 0.5]])  # the middle of pixel 0 is the canvas's corner
    images = CRISP(field(8, 16, 20), half_pixel)
    assert (images[:, ::16, ::32] == ZERO).all()
    assert (images[:, 8::16, 16::32] != ZERO).any()


@pytest.mark.parametrize("turn", [0.0, 0.4])
def test_noise_is_continuous_across_cells(turn):
    """Its slope is below 3 a cell, and a pixel is 1/128 of one."""
    view = [[np.cos(turn), np.sin(turn), 40], [-np.sin(turn), np.cos(turn), 20]]
    images = fdsl.Renderer(1024, "crisp")(field(8, 8, 3), view).astype(int)
    for axis in (1, 2):
        assert np.abs(np.diff(images, axis=axis)).max() <= 3 * GAIN / 128 + 1


@pytest.mark.parametrize(("across", "down"), [(4, 8), (32, 16), (1, 1)])
def test_a_view_shifted_by_a_cell_shows_the_next_cells(across, down):
    wide, high = CANVAS // across, CANVAS // down
    here = CRISP(field(across, down, 4))
    there = CRISP(field(across, down, 4), [[1, 0, -wide], [0, 1, high]])
    assert (here[:, : CANVAS - high, wide:] == there[:, high:, : CANVAS - wide]).all()


def test_the_field_does_not_repeat():
    """Gradients of 128 x 64 nodes on all sides of the canvas's corner do not resemble those some nodes further on."""
    x_RC, y_RC = gradients(field(4, 4), 0, group=-2, line=-32, groups=4, lines=64)
    for shift in (1, 2, 3, 16, 32, 64):
        for axis in (0, 1):
            if shift < x_RC.shape[axis]:
                alike = np.roll(x_RC, shift, axis) * x_RC + np.roll(y_RC, shift, axis) * y_RC
                assert abs(alike.mean()) < 0.04  # cosines of independent angles: 0 +- 0.008


def test_gradients_are_uniform_and_independent_of_identity():
    table = FAMILY.table(SEED, [0, 0, 1, 0], [0, 1, 0, 0])
    sixteenths = []
    for row in range(4):
        x_RC, y_RC = gradients(table, row, group=0, line=0, groups=4, lines=128)
        sixteenths.append(np.rint(np.arctan2(y_RC, x_RC) * 8 / np.pi).astype(int).ravel() % 16)
    for way in sixteenths:
        expected = len(way) / 16
        assert (
            (np.bincount(way, minlength=16) - expected) ** 2 / expected
        ).sum() < 40  # 15 degrees of freedom
    assert (sixteenths[0] == sixteenths[3]).all()
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert abs((sixteenths[one] == sixteenths[other]).mean() - 1 / 16) < 0.01


@pytest.mark.parametrize(("across", "down"), [(8, 8), (16, 4), (32, 12), (9, 36)])
def test_the_spectrum_lies_at_the_category_s_frequencies(across, down):
    """The mean frequency along either axis is 0.38 cycles a cell."""
    images = CRISP(field(across, down, 100)) - float(ZERO)
    window = np.hanning(CANVAS)
    power = (np.abs(np.fft.rfft2(images * window * window[:, None])) ** 2).mean(axis=0)
    along_x, along_y = power.sum(axis=0), power[: CANVAS // 2].sum(axis=1)
    for along, frequency in ((along_x, across), (along_y, down)):
        centre = (along * np.arange(len(along))).sum() / along.sum()
        assert abs(centre / frequency - 0.38) < 0.05


def test_grays_are_spread_about_the_middle():
    images = CRISP(field(36, 36, 60)).astype(float)
    assert abs(images.mean() - ZERO) < 0.5
    assert 36 < images.std() < 42
    assert 0 < images.min() < 15
    assert 240 < images.max() <= 255


@pytest.mark.parametrize("side", [10, 36])
def test_the_published_counts_are_square_grids(side):
    table = fdsl.PerlinNoiseDB(classes=side**2).table(SEED, np.arange(side**2), np.zeros(side**2, int))
    assert {tuple(cells) for cells in table.cells.tolist()} == set(product(range(1, side + 1), repeat=2))
    assert FAMILY.category(0, 99) == FAMILY.category(9, 99) == {"frequency_x": 1, "frequency_y": 10}


def test_averaged_images_are_means_of_larger_ones():
    table = FAMILY.table(SEED, np.arange(0, 1296, 100), np.arange(13))
    large = CRISP(table).reshape(13, 64, 4, 64, 4).astype(int).sum(axis=(2, 4))
    assert (fdsl.Renderer(64, "area")(table) == (large + 8) // 16).all()


@pytest.mark.parametrize("lines", ["crisp", "area", "native"])
def test_tone_curves_apply_to_the_noise(lines):
    table, renderer = FAMILY.table(SEED, [35, 1295], [0, 1]), fdsl.Renderer(96, lines)
    tone = np.arange(255, -1, -1).astype(np.uint8)
    assert (renderer(table, tone=tone) == 255 - renderer(table)).all()


def test_native_images_are_the_canvas_and_its_mean_gray_beyond_it():
    table = FAMILY.table(SEED, [120], [0])
    assert (fdsl.Renderer(CANVAS, "native")(table) == CRISP(table)).all()
    half = fdsl.Renderer(CANVAS, "native")(table, [[1, 0, CANVAS / 2], [0, 1, 0]])[0]
    assert (half[:, : CANVAS // 2 - 1] == ZERO).all()


def test_a_view_of_more_cells_than_can_be_seen_is_flat():
    table = field(36, 36, 2)
    views = np.array([[[1e-3, 0, 0], [0, 1e-3, 0]], [[1, 0, 0], [0, 1, 0]]])
    images = fdsl.Renderer(64, "crisp")(table, views)
    assert (images[0] == ZERO).all()
    assert (images[1] != ZERO).mean() > 0.9
    for far in (
        [[1e-6, 0, 1e5], [0, 1e-6, -1e5]],
        [[100, 100, 1e5], [100, 100 - 1e-9, 1e5]],
        [[5.5e-5, 5.5e-5, 128], [5.5e-5, 5.5e-5 + 1.01e-12 / 5.5e-5, 128]],  # 2^64 nodes
    ):
        assert (fdsl.Renderer(64, "crisp")(table, far) == ZERO).all()


@given(
    st.tuples(*4 * [st.floats(-2, 2)]).filter(lambda v: abs(v[0] * v[3] - v[1] * v[2]) > 1e-3),
    st.tuples(*2 * [st.floats(-1e5, 1e5)]),
    st.sampled_from([1, 36, 100]),
)
def test_every_pixel_s_cell_lies_in_the_drawn_lattice(linear, shift, frequency):
    """Also after float32 has rounded its coordinates, in the order that kernels compute them."""
    views = np.column_stack([np.reshape(linear, (2, 2)), shift])[None]
    shown = lattice(
        np.full((1, 2), frequency, np.int32),
        CANVAS,
        drawn_to_size(64, 1, CANVAS, views, np.empty((1, 256), np.uint8)),
    )
    if not shown.shown[0]:
        assert shown.size[0].sum() == 0
        return
    assert shown.size[0].prod() * 32 <= MOST_NODES
    way, pixel = shown.ways[0], np.arange(64, dtype=np.float32)
    for axis, nodes in ((0, shown.size[0, 0] * 32), (1, shown.size[0, 1])):
        place = way[axis, 0] * pixel + (way[axis, 1] * pixel[:, None] + way[axis, 2])
        assert place.min() > -0.02
        assert int(place.max()) + 1 < nodes


def test_there_are_no_masks():
    with pytest.raises(InputError, match="mask must be of images with objects, got a NoiseField"):
        FAMILY.mask_table(SEED, [0], [0])


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cells", np.zeros((1, 2), np.int32), r"cells must be in 1\.\.4096, got 0\.\.0"),
        ("cells", np.full((1, 2), 4097, np.int32), "cells must be in"),
        ("cells", np.ones((1, 2)), r"cells must be int32 \[N, 2\], got float64"),
        ("cells", np.ones((2, 2), np.int32), r"address must be uint32 \[2, 4\]"),
        ("canvas", 2048, "canvas must be in"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(name, value, message):
    with pytest.raises(InputError, match=message):
        replace(field(4, 4), **{name: value})
