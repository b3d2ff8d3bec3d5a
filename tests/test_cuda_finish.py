"""Averaging and resampling by CUDA kernels: the CPU's images, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.radial import RadialStrokes
from fdsl.render.cpu.finish import finish_image, finishing
from fdsl.render.cuda.compiled import SIMULATED
from fdsl.render.cuda.device import device_of
from fdsl.render.cuda.finish import finisher
from fdsl.render.frame import FARTHEST, Frame, drawn_natively, drawn_to_size

CANVAS = 128
VIEWS_HERE = {name: np.array(view) * [1, 1, CANVAS / 512] for name, view in VIEWS.items()}


def contours(count: int = 3, **fields: object) -> RadialStrokes:
    table = fdsl.RCDB(classes=10).table(0, np.arange(count), np.arange(count))
    smaller = np.float32(CANVAS / table.canvas)
    return replace(
        table, canvas=CANVAS, start=table.start * smaller, centre=table.centre * smaller,
        vertices=np.full(count, 13, np.int32), strokes=np.full(count, 5, np.int32), **fields,
    )  # fmt: skip


def finished(frame: Frame, canvases: NDArray[np.uint8], background: int) -> NDArray[np.uint8]:
    """Return what the GPU makes of canvases, uint8 [N, side^2, C], as uint8 [N, H, W, C]."""
    channels, device = canvases.shape[2], device_of(0)
    count, values = len(canvases), frame.size**2 * channels
    with device.batch(0):
        finish = finisher(frame, background, channels, device)
        assert finish is not None
        (there,) = device.upload((canvases.reshape(count, -1),))
        images = device.empty((count, values))
        # in two parts: rows are those of the table
        half = count // 2
        if half:
            finish(there[:half], images[:half], 0)
        finish(there[half:], images[half:], half)
    copy = images if SIMULATED else images.copy_to_host()
    return copy.reshape(count, frame.size, frame.size, channels)


def finished_on_cpu(frame: Frame, canvases: NDArray[np.uint8], background: int) -> NDArray[np.uint8]:
    count, _, channels = canvases.shape
    images = np.empty((count, frame.size, frame.size) + (3,) * (channels == 3), np.uint8)
    finish = finishing(frame, images, background)
    for row in range(count):
        for channel in range(channels):
            finish.canvas[:-1] = canvases[row, :, channel]
            finish_image(finish, row, channel)
    return images.reshape(count, frame.size, frame.size, channels)


def assert_finished_alike(frame: Frame, channels: int, count: int, background: int = 7) -> None:
    rng = np.random.default_rng(count)
    canvases = rng.integers(0, 256, (count, frame.drawn**2, channels)).astype(np.uint8)
    canvases[rng.random(canvases.shape) < 0.3] = 255
    expected = finished_on_cpu(frame, canvases, background)
    np.testing.assert_array_equal(finished(frame, canvases, background), expected)


def random_tones(count: int) -> NDArray[np.uint8]:
    return np.random.default_rng(5).integers(0, 256, (count, 256)).astype(np.uint8)


@pytest.mark.parametrize("lines", ["area", "native"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_drawing_is_the_cpus(lines: str, view: str) -> None:
    assert_drawn_alike(contours(2), lines=lines, view=VIEWS_HERE[view], blank=view == "far")


@pytest.mark.parametrize("lines", ["area", "native"])
@pytest.mark.parametrize("size", [33, 48, 64, 100])
def test_any_size_and_tones_of_each_image(lines: str, size: int) -> None:
    assert_drawn_alike(contours(2, background=3), size, lines, tone=random_tones(2))


@pytest.mark.parametrize("lines", ["area", "native"])
def test_a_batch_in_parts_is_the_same(lines: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * CANVAS**2)
    views = np.array([VIEWS_HERE["turned"], VIEWS_HERE["mirrored"], VIEWS_HERE["whole"]])
    assert_drawn_alike(contours(3), 40, lines, view=views, tone=random_tones(3))


def test_views_of_a_batch_are_averaged_over_blocks_of_their_own() -> None:
    zooms = [0.2, 0.5, 1.0, 2.0, 5.0, 20.0]
    views = np.array([[[zoom, 0.1, 3], [-0.1, zoom, 1]] for zoom in zooms])
    assert len(set(drawn_natively(32, CANVAS, views, random_tones(6)).shrink)) > 4
    assert_drawn_alike(contours(6, background=9), lines="native", view=views, tone=INVERTED)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("factor", [2, 3, 5, 6, 31, 32])
def test_blocks_of_any_side_are_averaged(factor: int, channels: int) -> None:
    views = np.tile(np.eye(2, 3), (2, 1, 1))
    assert_finished_alike(drawn_to_size(9, factor, 9, views, random_tones(2)), channels, 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [32, 71, 96])
def test_resampled_colours(size: int, channels: int) -> None:
    views = np.array(
        [*VIEWS_HERE.values(), [[0.3, 0, 0], [0, 2.5, -9]], [[0.05, 0.02, 7], [-0.02, 0.05, 30]]]
    )
    frame = drawn_natively(size, CANVAS, views, random_tones(len(views)))
    assert_finished_alike(frame, channels, len(views))


def test_a_view_of_less_than_a_point_shows_background() -> None:
    frame = drawn_natively(32, CANVAS, np.tile(np.eye(2, 3), (1, 1, 1)), random_tones(1))
    frame.backs[:] = [[[0, 0, -FARTHEST], [0, 0, -FARTHEST]]]
    assert_finished_alike(frame, 1, 1)
    frame.backs[:] = [[[FARTHEST, -FARTHEST, FARTHEST], [-FARTHEST, 0, 5]]]
    assert_finished_alike(frame, 3, 1)


ENTRY = st.floats(-4, 4, width=32)
SHIFT = st.floats(-200, 200, width=32)


@given(
    st.tuples(ENTRY, ENTRY, SHIFT, ENTRY, ENTRY, SHIFT),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 3]),
    st.integers(0, 255),
)
@settings(max_examples=25)
def test_any_way_back_is_looked_up_alike(back, shrink, channels, background) -> None:
    frame = drawn_natively(32, 64, np.tile(np.eye(2, 3), (1, 1, 1)), random_tones(1))
    frame.shrink[:] = shrink
    frame.backs[:] = np.array(back, np.float32).reshape(1, 2, 3)
    assert_finished_alike(frame, channels, 1, background)
