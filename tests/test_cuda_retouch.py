"""Retouching by CUDA kernels: the CPU's bytes, which tests there compare with Pillow's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import fdsl
from drawn_alike import assert_drawn_alike
from fdsl.render.cpu.retouch import retouched
from fdsl.render.cuda.compiled import SIMULATED
from fdsl.render.cuda.device import device_of
from fdsl.render.cuda.retouch import retouch_on
from fdsl.render.retouch import QUANTILES, Retouch, Step

MEASURED = (Step.AUTOCONTRAST, Step.EQUALIZE, Step.CONTRAST)
MANY = 1 << 29


def retouch(count: int, layers: int, channels: int = 1, **changed: object) -> Retouch:
    """Return a retouch that does nothing but what `changed` says; tables and noise are random."""
    rng = np.random.default_rng(count + 10 * layers)
    fields = {
        "steps": np.zeros((count, layers), np.uint8),
        "factors": np.ones((count, layers), np.float32),
        "which": rng.integers(0, 5, (count, layers)).astype(np.int32),
        "tables": rng.integers(0, 256, (5, 256)).astype(np.uint8),
        "boxes": np.zeros((count, 4), np.int32),
        "keys": rng.integers(0, 2**32, (count, 2)).astype(np.uint32),
        "quantiles": rng.integers(0, 256, (channels, QUANTILES)).astype(np.uint8),
    }
    return Retouch(**(fields | changed))


def pictures(count: int, side: int, channels: int = 1, low: int = 0, high: int = 255) -> NDArray[np.uint8]:
    """Return images of grays low..high on half of a background, uint8 [N, H, W] or [N, H, W, 3]."""
    rng = np.random.default_rng(side)
    shape = (count, side, side) + (3,) * (channels == 3)
    grays = rng.integers(low, high + 1, shape)
    return np.where(rng.random(shape) < 0.5, low, grays).astype(np.uint8)


def retouched_by_cuda(how: Retouch, images: NDArray[np.uint8], most: int = MANY) -> NDArray[np.uint8]:
    device = device_of(0)
    with device.batch(0):
        (there,) = device.upload((images.reshape(len(images), -1),))
        retouch_on(device, how, there, images.shape[1], most)
    return (there if SIMULATED else there.copy_to_host()).reshape(images.shape)


def assert_retouched_alike(how: Retouch, images: NDArray[np.uint8], most: int = MANY) -> NDArray[np.uint8]:
    """Retouch images both ways, compare every byte, and return the result."""
    expected = images.copy()
    retouched(lambda begin, end: None, how, expected)(0, len(images))
    np.testing.assert_array_equal(retouched_by_cuda(how, images, most), expected)
    return expected


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("side", [32, 33])
@pytest.mark.parametrize("step", list(Step)[1:])
def test_every_step_is_the_cpus(step: Step, side: int, channels: int) -> None:
    factors = np.array([[0.0], [0.3], [1.0], [1.9], [100.0]], np.float32)
    images = pictures(5, side, channels, 9, 240)
    got = assert_retouched_alike(
        retouch(5, 1, channels, steps=np.full((5, 1), step, np.uint8), factors=factors), images
    )
    assert (got != images).any() or (step == Step.COLOR and channels == 1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("step", MEASURED)
def test_images_of_one_gray_or_few(step: Step, channels: int) -> None:
    images = pictures(6, 32, channels)
    images[0], images[1], images[2] = 0, 255, 77
    images[3] = images[3] % 2 + 254
    images[4], images[4, 0, 0], images[4, 0, 1] = 100, 3, 250
    images[5] = np.arange(32)[:, None, None] if channels == 3 else np.arange(32)[:, None]
    steps, factors = np.full((6, 1), step, np.uint8), np.full((6, 1), 1.5, np.float32)
    assert_retouched_alike(retouch(6, 1, channels, steps=steps, factors=factors), images)


@pytest.mark.parametrize("low", [0, 1, 100, 254])
def test_every_range_is_stretched_alike(low: int) -> None:
    images = np.full((12, 32, 32), low, np.uint8)
    for row, high in enumerate(np.linspace(low, 255, 12).astype(int)):
        images[row, :16] = np.linspace(low, high, 512).astype(np.uint8).reshape(16, 32)
    steps = np.full((12, 1), Step.AUTOCONTRAST, np.uint8)
    assert_retouched_alike(retouch(12, 1, steps=steps), images)


STEPS = st.lists(st.tuples(st.sampled_from(list(Step)), st.floats(0.0, 4.0, width=32)), max_size=5)


@given(STEPS, st.sampled_from([1, 3]), st.sampled_from([2, 3, 17, 32]), st.integers(0, 2**31))
@settings(max_examples=60)
def test_steps_in_any_order(steps, channels: int, side: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    low = int(rng.integers(0, 256))
    images = pictures(1, side, channels, low, int(rng.integers(low, 256)))
    how = retouch(
        1, len(steps), channels,
        steps=np.array([[step for step, _ in steps]], np.uint8).reshape(1, -1),
        factors=np.array([[factor for _, factor in steps]], np.float32).reshape(1, -1),
    )  # fmt: skip
    assert_retouched_alike(how, images)


@pytest.mark.parametrize("channels", [1, 3])
def test_rectangles_of_noise(channels: int) -> None:
    boxes = [
        [0, 0, 33, 33],
        [0, 0, 33, 1],
        [5, 2, 1, 31],
        [32, 32, 1, 1],
        [4, 9, 7, 11],
        [3, 3, 0, 9],
        [3, 3, 9, 0],
    ]
    images = pictures(7, 33, channels)
    got = assert_retouched_alike(retouch(7, 0, channels, boxes=np.array(boxes, np.int32)), images)
    changed = (got != images).any(axis=tuple(range(1, images.ndim)))
    assert changed[[0, 1, 2, 4]].all()
    assert not changed[5:].any()


def test_no_tables_and_noise_after_steps() -> None:
    steps = np.array([[Step.SHARPNESS, Step.EQUALIZE], [Step.CONTRAST, Step.NONE]], np.uint8)
    boxes = np.array([[1, 2, 20, 9], [0, 0, 30, 30]], np.int32)
    how = retouch(
        2, 2, steps=steps, boxes=boxes, tables=np.zeros((0, 256), np.uint8), factors=np.full((2, 2), 0.2, np.float32)
    )  # fmt: skip
    assert_retouched_alike(how, pictures(2, 32))


def test_nothing_to_do_launches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("launched")

    monkeypatch.setattr("fdsl.render.cuda.device.Device.launch", refuse)
    images = pictures(3, 32)
    assert (retouched_by_cuda(retouch(3, 2), images) == images).all()


def test_only_busy_images_change_and_in_parts_alike() -> None:
    steps = np.zeros((9, 2), np.uint8)
    steps[[1, 2, 5, 7, 8], [0, 1, 0, 1, 0]] = Step.SHARPNESS
    steps[[1, 5, 6], [1, 1, 0]] = Step.EQUALIZE
    how, images = retouch(9, 2, steps=steps, factors=np.full((9, 2), 1.8, np.float32)), pictures(9, 32)
    for most in (1, 3 * 32 * 32, MANY):
        got = assert_retouched_alike(how, images, most)
        assert (got[~how.busy] == images[~how.busy]).all()


def recipe(count: int, size: int, channels: int = 1, **normal: object) -> fdsl.Plan:
    """Return the plan of a recipe that leaves hardly an image as it is drawn."""
    augmentation = fdsl.Augmentation(auto_augment="rand-m9-mstd0.5-inc1-p1-n4", random_erasing=0.5)
    numbers = np.arange(count)
    return augmentation.plan(1, numbers, numbers, 0, canvas=512, size=size, channels=channels, **normal)


@pytest.mark.parametrize(("lines", "count"), [("crisp", 8), ("area", 2), ("native", 2)])
def test_drawings_of_a_recipe(lines: str, count: int) -> None:
    family, plan = fdsl.RCDB(classes=16, vertices=(5, 12), strokes=(3, 9)), recipe(count, 32)
    assert plan.retouch.busy.any()
    assert_drawn_alike(
        family.table(0, np.arange(count), np.arange(count)), 32, lines,
        view=plan.view, tone=plan.tone, retouch=plan.retouch,
    )  # fmt: skip


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_of_a_recipe(channels: int) -> None:
    retouch = recipe(24, 40, channels, mean=0.3, std=0.2).retouch
    steps = set(Step) - ({Step.COLOR} if channels == 1 else set())
    assert set(retouch.steps.ravel()) == steps
    assert retouch.busy.sum() > 12
    assert_retouched_alike(retouch, pictures(24, 40, channels))
