"""The augmentation recipe: distributions equal timm's, images Pillow's where both are exact, plans are addressed."""

from __future__ import annotations

import math
import random
from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy import stats
from timm.data import auto_augment, random_erasing
from timm.data.transforms import RandomResizedCropAndInterpolation

import fdsl
from fdsl.data.augment import ERASED_RATIO, GEOMETRIC
from fdsl.data.randaugment import Operation
from fdsl.data.sample_draws import DRAWS, EPOCHS, REPEATS, SampleDraws
from fdsl.random import Purpose
from fdsl.render.retouch import Step

DEIT = "rand-m9-mstd0.5-inc1"
RECIPE = fdsl.Augmentation(hflip=0.5, vflip=0.1, auto_augment=DEIT, random_erasing=0.25)
WHERE = {"canvas": 512, "size": 224, "channels": 1}
NAMES = dict(zip(auto_augment._RAND_TRANSFORMS, Operation, strict=True))
INCREASING = dict(zip(auto_augment._RAND_INCREASING_TRANSFORMS, Operation, strict=True))


def plans(recipe: fdsl.Augmentation, count: int = 4000, **where):
    return recipe.plan(1, np.arange(count) % 100, np.arange(count), 3, **(WHERE | where))


def like(ours, theirs) -> bool:
    """Whether two samples may be of one distribution."""
    return stats.ks_2samp(ours, theirs).pvalue > 1e-3


def crop_boxes(view: np.ndarray, canvas: int) -> np.ndarray:
    """Return left, top, width and height of the canvas's part that each view shows, float64 [N, 4]."""
    extent = canvas / view[:, [0, 1], [0, 1]]
    return np.concatenate([-view[:, :, 2] * extent / canvas, extent], axis=1)


@pytest.mark.parametrize(
    ("scale", "ratio"),
    [
        ((0.08, 1.0), (3 / 4, 4 / 3)),
        ((0.35, 0.6), (1.0, 1.0)),
        ((0.9, 1.0), (0.25, 4.0)),
        ((0.95, 1.0), (2.0, 3.0)),
        ((0.95, 1.0), (0.25, 0.5)),
    ],
)
def test_crops_are_timm_s(scale, ratio):
    random.seed(5)
    picture = Image.new("L", (512, 512))
    theirs = np.array(
        [RandomResizedCropAndInterpolation.get_params(picture, scale, ratio) for _ in range(4000)]
    )[:, [1, 0, 3, 2]]
    ours = crop_boxes(plans(fdsl.Augmentation(crop_scale=scale, crop_ratio=ratio)).view, 512)
    assert np.abs(ours - np.rint(ours)).max() < 1e-9
    for column in range(4):
        assert like(np.rint(ours[:, column]), theirs[:, column])


def timm_draws(text: str, count: int) -> list[list[tuple[str, tuple[float, ...]]]]:
    """Return the operations, with arguments, that timm applies to `count` images."""
    policy, drawn = auto_augment.rand_augment_transform(text), []
    for operation in policy.ops:
        operation.aug_fn = lambda image, *args, name=operation.name, **_: (
            drawn[-1].append((name, args)) or image
        )
    random.seed(7)
    np.random.seed(7)  # noqa: NPY002  timm draws from it
    for _ in range(count):
        drawn.append([])
        policy(None)
    return drawn


@pytest.mark.parametrize(
    "text",
    [DEIT, "rand-m5-mstd101", "rand-m7-n3-p0.3", "rand-m18-mmax20-mstd3-inc1", "rand-m0-n1-p1-inc1", "rand"],
)
def test_operations_are_timm_s(text):
    count = 12_000
    theirs, layers = timm_draws(text, count), plans(fdsl.Augmentation(auto_augment=text), count).layers
    for column in range(layers.operations.shape[1]):
        assert stats.chisquare(np.bincount(layers.operations[:, column], minlength=15)).pvalue > 1e-3
    applied = np.bincount(layers.applied.sum(axis=1), minlength=17)
    expected = np.bincount([len(names) for names in theirs], minlength=17)
    seen = (applied + expected) > 0
    assert seen.sum() == 1 or stats.chi2_contingency([applied[seen], expected[seen]]).pvalue > 1e-3
    for name, operation in (INCREASING if "inc1" in text else NAMES).items():
        ours = layers.arguments[layers.applied & (layers.operations == operation)]
        given = [args for drawn in theirs for drawn_name, args in drawn if drawn_name == name]
        assert abs(len(ours) - len(given)) < 5 * math.sqrt(len(given))
        if given[0]:
            assert like(np.round(ours, 9), np.round(np.array(given)[:, 0], 9))


class Canvas:
    """Takes the place of a tensor: remembers which rectangle was erased."""

    def __init__(self) -> None:
        self.boxes: list[tuple[int, int, int, int]] = []

    def __setitem__(self, key: tuple[slice, slice, slice], value: object) -> None:
        _, rows, columns = key
        self.boxes.append((rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start))


@pytest.mark.parametrize("size", [32, 224])
def test_erased_rectangles_are_timm_s(size):
    eraser, canvas = random_erasing.RandomErasing(1.0, device="cpu"), Canvas()
    assert np.exp(eraser.log_aspect_ratio) == pytest.approx(ERASED_RATIO)
    random.seed(9)
    for _ in range(4000):
        eraser._erase(canvas, 1, size, size, None)
    ours = plans(fdsl.Augmentation(random_erasing=1.0), size=size).retouch.boxes
    for column in range(4):
        assert like(ours[:, column], np.array(canvas.boxes)[:, column])
    share = (plans(fdsl.Augmentation(random_erasing=0.25), size=size).retouch.boxes[:, 2] > 0).mean()
    assert abs(share - 0.25) < 0.03


@pytest.mark.parametrize("axis", ["hflip", "vflip"])
def test_flips_are_as_likely_as_asked(axis):
    entry = 0 if axis == "hflip" else 1
    for probability in (0.0, 0.3, 1.0):
        view = plans(fdsl.Augmentation(crop_scale=None, **{axis: probability})).view
        assert abs((view[:, entry, entry] < 0).mean() - probability) < 0.03
        assert (view[:, 1 - entry, 1 - entry] == 1).all()


def test_noise_is_normal_after_normalisation():
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    levels = plans(RECIPE, 2, channels=3, mean=mean, std=std).retouch.quantiles.astype(float)
    seen = (levels / 255 - np.array(mean)[:, None]) / np.array(std)[:, None]
    normal = stats.norm.ppf((np.arange(levels.shape[1]) + 0.5) / levels.shape[1])
    inside = (levels > 0) & (levels < 255)
    assert inside.mean() > 0.9
    assert np.abs(seen - normal)[inside].max() <= 0.5 / 255 / min(std) + 1e-9


def drawn(family: fdsl.RCDB, recipe: fdsl.Augmentation, size: int, count: int):
    """Return the plain and the augmented images of `count` samples, and the plan."""
    categories, instances = np.arange(count) % family.classes, np.arange(count)
    plan = recipe.plan(
        3, categories, instances, 0, canvas=family.native_size, size=size, channels=family.channels
    )
    table = family.table(0, categories, instances)
    plain = fdsl.Renderer(family.native_size, "crisp")(table)
    return plain, fdsl.Renderer(size, "crisp")(table, plan.view, plan.tone, plan.retouch), plan


@pytest.mark.parametrize("name", ["RCDB", "FractalDB", "ExFractalDB"])
def test_whole_pixel_crops_are_cut_from_the_canvas(name):
    family = fdsl.family(name, classes=4)
    half = family.native_size // 2
    recipe = fdsl.Augmentation(crop_scale=(0.25, 0.25), crop_ratio=(1.0, 1.0))
    plain, crops, plan = drawn(family, recipe, half, 12)
    boxes = np.rint(crop_boxes(plan.view, family.native_size)).astype(int)
    assert len({tuple(box) for box in boxes}) == 12
    for whole, crop, (left, top, width, height) in zip(plain, crops, boxes, strict=True):
        # float32 coordinates; and a line's ends are rounded toward zero, the other way left of the crop or above it
        share = 0.98 if name == "RCDB" else 0.9995
        assert (whole[top : top + height, left : left + width] == crop).mean() > share


@pytest.mark.parametrize(
    "family", [fdsl.FractalDB(classes=4, variant="point_gray"), fdsl.ExFractalDB(classes=4)]
)
def test_flips_mirror_the_points(family):
    recipe = fdsl.Augmentation(crop_scale=None, hflip=1.0, vflip=1.0)
    plain, flipped, _ = drawn(family, recipe, family.native_size, 8)
    assert (plain[:, ::-1, ::-1] == flipped).mean() > 0.998


@pytest.mark.filterwarnings("ignore:.*posterize.*:DeprecationWarning")
@pytest.mark.parametrize("text", ["rand-m9-mstd0.5-inc1-n4-p0.8", "rand-m6-mstd2-n4-p0.8"])
@pytest.mark.parametrize(
    "family",
    [fdsl.RCDB(classes=5), fdsl.ExFractalDB(classes=5), fdsl.FractalDB(classes=3, variant="patch_color")],
)
def test_tones_equal_timm_s_to_the_last_gray(family, text):
    recipe = fdsl.Augmentation(crop_scale=None, auto_augment=text)
    plain, augmented, plan = drawn(family, recipe, family.native_size, 120)
    names = list(INCREASING if "inc1" in text else NAMES)
    still = ~(plan.layers.applied & np.isin(plan.layers.operations, GEOMETRIC)).any(axis=1)
    assert still.sum() > 20
    for row in np.flatnonzero(still):
        image = Image.fromarray(plain[row])
        for operation, happens, argument in zip(
            plan.layers.operations[row], plan.layers.applied[row], plan.layers.arguments[row], strict=True
        ):
            name = names[operation]
            if happens and not (operation == Operation.COLOR and image.mode == "L"):
                level = int(argument) if argument == int(argument) else float(argument)
                arguments = () if auto_augment.LEVEL_TO_ARG[name] is None else (level,)
                image = auto_augment.NAME_TO_OP[name](image, *arguments)
        assert (np.asarray(image) == augmented[row]).all()


def test_tones_in_a_row_need_no_finished_image():
    plan = plans(fdsl.Augmentation(auto_augment="rand-m9-n3-p0.9-inc1"), 3000)
    whole = {Operation.AUTO_CONTRAST, Operation.EQUALIZE, Operation.CONTRAST, Operation.SHARPNESS}
    happens = np.where(plan.layers.applied, plan.layers.operations, 255)
    needs = np.isin(happens, list(whole)).any(axis=1)
    assert (plan.retouch.busy == needs).all()
    assert (plan.tone[~np.isin(happens, [2, 4, 5, 6, 9]).any(axis=1)] == np.arange(256)).all()
    assert (plan.retouch.steps == Step.TONE).any()


def pillow_ramps(
    box: np.ndarray, flips: np.ndarray, operations: list[tuple[Operation, float]]
) -> list[np.ndarray]:
    """Return where on the canvas each output pixel's content comes from, x and y, and whether it is defined."""
    left, top, width, height = (round(edge) for edge in box)
    names = list(NAMES)
    y, x = np.mgrid[:224, :224].astype(np.float32) + np.float32(0.5)
    mask, results = np.ones_like(x), []
    for ramp in (x, y, mask):
        image = Image.fromarray(ramp).crop((left, top, left + width, top + height))
        image = image.resize((224, 224), Image.Resampling.BILINEAR)
        for flip, way in zip(
            flips, (Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM), strict=True
        ):
            image = image.transpose(way) if flip else image
        for operation, argument in operations:
            change = auto_augment.NAME_TO_OP[names[operation]]
            if ramp is mask:  # at the very edge bilinear has one neighbour too few
                edged = np.zeros((224, 224), np.float32)
                edged[2:-2, 2:-2] = np.asarray(image)[2:-2, 2:-2]
                image = Image.fromarray(edged)
            image = change(image, argument, fillcolor=0, resample=Image.Resampling.BILINEAR)
        results.append(np.asarray(image, dtype=np.float64))
    return results


def test_views_send_the_canvas_where_pillow_does():
    recipe = fdsl.Augmentation(hflip=0.5, vflip=0.5, auto_augment="rand-m9-mstd0.5-inc1-p1-n2")
    # crops and flips have random words of their own: the same with fewer things asked for
    plan, crops, flipped = (
        plans(asked, 1000, canvas=224)
        for asked in (recipe, fdsl.Augmentation(), fdsl.Augmentation(crop_scale=None, hflip=0.5, vflip=0.5))
    )
    boxes, flips = crop_boxes(crops.view, 224), flipped.view[:, [0, 1], [0, 1]] < 0
    rows = np.flatnonzero(np.isin(plan.layers.operations, GEOMETRIC).all(axis=1))[:60]
    assert len({tuple(plan.layers.operations[row]) for row in rows}) > 15
    column, line = np.meshgrid(np.arange(224) + 0.5, np.arange(224) + 0.5)
    for row in rows:
        box = boxes[row]
        drawn_here = list(zip(plan.layers.operations[row], plan.layers.arguments[row].tolist(), strict=True))
        x, y, defined = pillow_ramps(box, flips[row], drawn_here)
        a, b, c = plan.view[row, 0]
        d, e, f = plan.view[row, 1]
        margin = 2 * max(box[2:]) / 224 + 1
        inner = (defined == 1) & (x > box[0] + margin) & (x < box[0] + box[2] - margin)
        inner &= (y > box[1] + margin) & (y < box[1] + box[3] - margin)
        assert inner.sum() > 1000
        error = np.hypot(a * x + b * y + c - column, d * x + e * y + f - line)
        assert error[inner].max() < 1e-3


def test_views_invert_pillow_s_coefficients(monkeypatch):
    recorded: list[np.ndarray] = []

    def transform(image, size, method, data, *args, **kwargs):
        recorded.append(np.array([data[:3], data[3:], (0, 0, 1)], np.float64))
        return image

    monkeypatch.setattr(Image.Image, "transform", transform)
    plan = plans(fdsl.Augmentation(crop_scale=None, auto_augment="rand-m9-mstd0.5-inc1-p1-n3"), 3000)
    rows = np.flatnonzero(np.isin(plan.layers.operations, GEOMETRIC).all(axis=1))
    assert len(rows) > 60
    for row in rows:
        recorded.clear()
        for operation, argument in zip(plan.layers.operations[row], plan.layers.arguments[row], strict=True):
            auto_augment.NAME_TO_OP[list(NAMES)[operation]](Image.new("L", (512, 512)), float(argument))
        first, second, third = recorded
        assert np.abs(plan.view[row] - np.linalg.inv(first @ second @ third)[:2]).max() < 1e-6


def same(one, other) -> bool:
    """Whether two plans are equal in everything an image depends on; the numbering of tables may differ."""

    def tables(plan):
        used = plan.retouch.steps == Step.TONE
        return plan.retouch.tables[plan.retouch.which[used]]

    pairs = [(one.view, other.view), (one.tone, other.tone), (tables(one), tables(other))]
    names = ("steps", "factors", "boxes", "keys")
    pairs += [(getattr(one.retouch, name), getattr(other.retouch, name)) for name in names]
    return all(np.array_equal(a, b) for a, b in pairs)


@given(
    st.lists(
        st.tuples(*(st.integers(0, high) for high in (999, 2**32 - 1, EPOCHS - 1, REPEATS - 1))),
        min_size=1,
        max_size=6,
    ),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=60)
def test_a_sample_s_plan_is_its_own(samples, seed):
    categories, instances, epochs, repeats = np.array(samples).T
    together = RECIPE.plan(seed, categories, instances, epochs, repeats=repeats, **WHERE)
    alone = [RECIPE.plan(seed, [k], [i], e, repeats=r, **WHERE) for k, i, e, r in samples]
    assert (together.view == np.concatenate([plan.view for plan in alone])).all()
    assert (together.tone == np.concatenate([plan.tone for plan in alone])).all()
    for name in ("steps", "factors", "boxes", "keys"):
        assert (
            getattr(together.retouch, name) == np.concatenate([getattr(plan.retouch, name) for plan in alone])
        ).all()
    turned = RECIPE.plan(
        seed, categories[::-1], instances[::-1], epochs[::-1], repeats=repeats[::-1], **WHERE
    )
    assert (turned.view[::-1] == together.view).all()


def test_seed_epoch_and_repeat_change_the_plan():
    def plan(seed=0, epoch=0, repeat=0):
        return RECIPE.plan(seed, np.arange(64), np.arange(64), epoch, repeats=repeat, **WHERE)

    assert same(plan(), plan())
    for other in (plan(seed=1), plan(epoch=1), plan(repeat=1), plan(epoch=16), plan(repeat=16)):
        assert (plan().view != other.view).any(axis=(1, 2)).all()


def test_no_two_moments_share_a_block():
    epochs, repeats = np.meshgrid([0, 1, 2, 15, 16, 31, 32, EPOCHS - 1], np.arange(REPEATS))
    draws = SampleDraws(0, [0], [0], epochs.ravel(), repeats.ravel())
    words = draws.words(Purpose.AUGMENT_VIEW, np.arange(DRAWS)).reshape(-1, 4)
    assert len(np.unique(words, axis=0)) == len(words) == 8 * REPEATS * DRAWS


def test_plans_stay_what_they_are():
    """Another digest means other training images: say so in CHANGELOG.md."""
    plan = plans(RECIPE, 256)
    how = plan.retouch
    parts = (plan.view, plan.tone, how.steps, how.factors, how.boxes, how.keys, how.quantiles)
    digest = sha256(b"".join(np.ascontiguousarray(part + 0).tobytes() for part in parts)).hexdigest()
    assert digest[:16] == "88a2e3328e5c025a"


def test_no_samples_no_plan():
    empty = np.empty(0, np.int64)
    plan = RECIPE.plan(0, empty, empty, 0, **WHERE)
    assert (len(plan), plan.tone.shape, len(plan.retouch)) == (0, (0, 256), 0)
    images = fdsl.Renderer(224)(
        fdsl.RCDB(classes=2).table(0, empty, empty), plan.view, plan.tone, plan.retouch
    )
    assert images.shape == (0, 224, 224)


def test_the_plain_recipe_changes_nothing():
    plan = plans(fdsl.Augmentation(crop_scale=None), 50)
    assert (plan.view == np.eye(2, 3)).all()
    assert (plan.tone == np.arange(256)).all()
    assert not plan.retouch.busy.any()
