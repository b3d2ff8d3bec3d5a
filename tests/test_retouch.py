"""Retouching: equal to Pillow gray for gray, noise where it belongs, and what is refused before anything is drawn."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.render.cpu.retouch import retouched
from fdsl.render.retouch import QUANTILES, Retouch, Step

PILLOW = {
    Step.AUTOCONTRAST: lambda image, _: ImageOps.autocontrast(image),
    Step.EQUALIZE: lambda image, _: ImageOps.equalize(image),
    Step.CONTRAST: lambda image, factor: ImageEnhance.Contrast(image).enhance(factor),
    Step.COLOR: lambda image, factor: ImageEnhance.Color(image).enhance(factor),
    Step.SHARPNESS: lambda image, factor: ImageEnhance.Sharpness(image).enhance(factor),
}
STEP = st.sampled_from(list(Step))
FACTOR = st.one_of(st.sampled_from([0.0, 1.0, 2.0]), st.floats(0.0, 4.0, width=32))
SHAPE = st.sampled_from([(32, 32), (33, 33), (32, 32, 3), (33, 33, 3)])
NORMAL = stats.norm.ppf((np.arange(QUANTILES) + 0.5) / QUANTILES)


def retouch(count: int, layers: int, channels: int = 1, **changed) -> Retouch:
    """Return a retouch that does nothing but what `changed` says."""
    fields = {
        "steps": np.zeros((count, layers), np.uint8),
        "factors": np.ones((count, layers), np.float32),
        "which": np.zeros((count, layers), np.int32),
        "tables": np.zeros((0, 256), np.uint8),
        "boxes": np.zeros((count, 4), np.int32),
        "keys": np.arange(2 * count, dtype=np.uint32).reshape(count, 2),
        "quantiles": np.tile(np.clip(128 + 25 * NORMAL, 0, 255).astype(np.uint8), (channels, 1)),
    }
    return Retouch(**(fields | changed))


def applied(how: Retouch, images: np.ndarray) -> np.ndarray:
    """Return a retouched copy of `images`."""
    copy = images.copy()
    retouched(lambda begin, end: None, how, copy)(0, len(copy))
    return copy


@st.composite
def picture(draw) -> np.ndarray:
    """Return an image of any grays, or of few over a background, or in a narrow range, or of one."""
    shape, rng = draw(SHAPE), np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    low = draw(st.integers(0, 255))
    high = draw(st.integers(low, 255))
    image = rng.integers(low, high + 1, shape)
    if draw(st.booleans()):
        image = np.where(rng.random(shape) < draw(st.floats(0, 1)), draw(st.integers(0, 255)), image)
    return image.astype(np.uint8)


@given(picture(), st.lists(st.tuples(STEP, FACTOR), max_size=4), st.integers(0, 2**32 - 1))
@settings(max_examples=400)
def test_steps_equal_pillow_s(image, steps, seed):
    tables = np.random.default_rng(seed).integers(0, 256, (max(1, len(steps)), 256)).astype(np.uint8)
    want = Image.fromarray(image)
    for number, (step, factor) in enumerate(steps):
        if step == Step.TONE:
            want = want.point(tables[number].tolist() * (1 if image.ndim == 2 else 3))
        elif step != Step.NONE:
            want = PILLOW[step](want, factor)
    how = retouch(
        1, len(steps), 1 if image.ndim == 2 else 3,
        steps=np.array([[step for step, _ in steps]], np.uint8),
        factors=np.array([[factor for _, factor in steps]], np.float32),
        which=np.arange(len(steps), dtype=np.int32)[None],
        tables=tables,
    )  # fmt: skip
    assert (applied(how, image[None])[0] == np.asarray(want)).all()


@pytest.mark.parametrize("step", PILLOW)
def test_drawings_equal_pillow_s(step):
    plain = fdsl.Renderer(224)(fdsl.RCDB(classes=4).table(0, np.arange(4), np.arange(4)))
    how = retouch(
        4,
        1,
        steps=np.full((4, 1), step, np.uint8),
        factors=np.array([[0.1], [0.7], [1.3], [1.9]], np.float32),
    )
    for image, got, factor in zip(plain, applied(how, plain), how.factors[:, 0].tolist(), strict=True):
        assert (got == np.asarray(PILLOW[step](Image.fromarray(image), factor))).all()


@pytest.mark.parametrize("threads", [1, 3])
def test_the_renderer_retouches_the_rows_it_draws(threads):
    table = fdsl.RCDB(classes=20).table(0, np.arange(20), np.arange(20))
    rng = np.random.default_rng(0)
    how = retouch(
        20, 2,
        steps=rng.choice([0, 0, 2, 3, 4, 6], (20, 2)).astype(np.uint8),
        factors=rng.uniform(0.1, 1.9, (20, 2)).astype(np.float32),
        boxes=np.where(rng.random((20, 1)) < 0.5, [[3, 4, 20, 30]], 0).astype(np.int32),
    )  # fmt: skip
    renderer = fdsl.Renderer(64, threads=threads)
    plain, got = renderer(table), renderer(table, retouch=how)
    assert (got == applied(how, plain)).all()
    assert (got[~how.busy] == plain[~how.busy]).all()
    assert (got[how.busy] != plain[how.busy]).any(axis=(1, 2)).sum() > 12


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_fills_the_rectangle_and_nothing_else(channels):
    images = np.full((3, 96, 96, channels), 7, np.uint8).reshape((3, 96, 96) + (3,) * (channels == 3))
    boxes = np.array([[0, 0, 96, 95], [10, 20, 1, 3], [95, 95, 1, 1]], np.int32)
    quantiles = np.full((channels, QUANTILES), 9, np.uint8)
    got = applied(retouch(3, 0, channels, boxes=boxes, quantiles=quantiles), images)
    want = images.copy()
    for image, (top, left, height, width) in zip(want, boxes, strict=True):
        image[top : top + height, left : left + width] = 9
    assert (got == want).all()


def test_noise_is_normal_and_independent():
    box = np.array([[0, 0, 200, 200]] * 2, np.int32)
    got = applied(retouch(2, 0, 3, boxes=box), np.zeros((2, 200, 200, 3), np.uint8)).astype(float)
    edges = np.arange(40, 216, 8)
    want = np.histogram(np.clip(128 + 25 * NORMAL, 0, 255).astype(np.uint8), edges)[0]
    seen = np.histogram(got, edges)[0]
    assert (
        stats.chisquare(seen[want > 8], want[want > 8] / want[want > 8].sum() * seen[want > 8].sum()).pvalue
        > 1e-3
    )
    planes = got.transpose(0, 3, 1, 2).reshape(6, 200, 200)
    assert np.abs(np.corrcoef(planes.reshape(6, -1)) - np.eye(6)).max() < 0.02
    for plane in planes:
        for dy, dx in ((0, 1), (1, 0), (0, 8), (1, 1)):
            pair = plane[dy:, dx:].ravel(), plane[: 200 - dy, : 200 - dx].ravel()
            assert abs(np.corrcoef(*pair)[0, 1]) < 0.025


def test_noise_depends_on_the_key_alone():
    box = np.array([[5, 6, 40, 30]], np.int32)
    one, elsewhere = retouch(1, 0, boxes=box), retouch(1, 0, boxes=box + np.array([[7, 9, 0, 0]], np.int32))
    blank = np.zeros((1, 64, 64), np.uint8)
    first, moved = applied(one, blank)[0], applied(elsewhere, blank)[0]
    assert (first[5:45, 6:36] == moved[12:52, 15:45]).all()
    other = applied(dataclasses.replace(one, keys=one.keys + np.uint32(1)), blank)[0]
    assert (other[5:45, 6:36] != first[5:45, 6:36]).mean() > 0.9


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("steps", np.zeros((4, 2), np.int64), "steps must be uint8"),
        ("steps", np.zeros(4, np.uint8), "steps must be uint8"),
        ("steps", [[0, 0]] * 4, "steps must be uint8"),
        ("steps", np.full((4, 2), 7, np.uint8), r"steps must be in 0\.\.6, got 7"),
        ("factors", np.ones((4, 2)), "factors must be float32"),
        ("factors", np.ones((4, 1), np.float32), r"factors must be float32 \[4, 2\]"),
        ("factors", np.full((4, 2), np.nan, np.float32), "factors must be finite"),
        ("factors", np.full((4, 2), -1, np.float32), "factors must be finite and >= 0"),
        ("which", np.zeros((4, 2), np.int64), "which must be int32"),
        ("which", np.full((4, 2), 1, np.int32), r"which must name one of 1 tables, got 1\.\.1"),
        ("tables", np.zeros((1, 255), np.uint8), "tables must be uint8"),
        ("boxes", np.zeros((3, 4), np.int32), r"boxes must be int32 \[4, 4\]"),
        ("keys", np.zeros((4, 2), np.int64), "keys must be uint32"),
        ("quantiles", np.zeros((1, 100), np.uint8), "quantiles must be uint8"),
    ],
)
def test_unusable_arrays_are_refused(field, value, message):
    steps = np.array([[Step.TONE, Step.CONTRAST]] * 4, np.uint8)
    with pytest.raises(InputError, match=message):
        retouch(4, 2, **({"steps": steps, "tables": np.zeros((1, 256), np.uint8)} | {field: value}))


@pytest.mark.parametrize(
    ("how", "message"),
    [
        (retouch(3, 1), "retouch must have a row for each of 2 images, got 3"),
        (retouch(2, 1, 3), "retouch must be for 1 channels"),
        (
            retouch(2, 1, boxes=np.array([[0, 0, 33, 1]] * 2, np.int32)),
            r"within 32 x 32 pixels.*\[0, 0, 33, 1\]",
        ),
        (retouch(2, 1, boxes=np.array([[-1, 0, 3, 1]] * 2, np.int32)), "within 32 x 32"),
        (retouch(2, 1, boxes=np.array([[0, 2**31 - 1, 3, 3]] * 2, np.int32)), "within 32 x 32"),
    ],
)
def test_a_retouch_of_other_images_is_refused_before_drawing(how, message):
    out = np.full((2, 32, 32), 5, np.uint8)
    with pytest.raises(InputError, match=message):
        fdsl.Renderer(32)(fdsl.RCDB(classes=2).table(0, [0, 1], [0, 0]), retouch=how, out=out)
    assert (out == 5).all()


def test_no_images_no_retouch():
    table = fdsl.RCDB(classes=2).table(0, np.empty(0, int), np.empty(0, int))
    assert fdsl.Renderer(32)(table, retouch=retouch(0, 2)).shape == (0, 32, 32)
