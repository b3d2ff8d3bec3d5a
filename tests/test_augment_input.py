"""What the augmentation recipe refuses, and what it says then."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fdsl
from fdsl.data.sample_draws import EPOCHS, REPEATS
from fdsl.errors import InputError

USABLE = {
    "seed": 0,
    "categories": [0, 1],
    "instances": [0, 1],
    "epochs": 0,
    "canvas": 512,
    "size": 224,
    "channels": 1,
}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "begin with 'rand'"),
        ("original-mstd0.5", "only RandAugment is drawn, not 'original'"),
        ("augmix-m5", "not 'augmix'"),
        ("rand-m11", r"m must be in 0\.\.10, got 11"),
        ("rand-m21-mmax20", r"m must be in 0\.\.20, got 21"),
        ("rand-m9.5", "m takes a whole number, got 9.5"),
        ("rand-m-9", "'m' is none of m, mstd, mmax, inc, n, p with a number"),
        ("rand-m9-", "'' is none of"),
        ("rand-m9-q3", "'q3' is none of"),
        ("rand-M9", "'M9' is none of"),
        ("rand m9", "not 'rand m9'"),
        ("rand-m9-m8", "m is given twice"),
        ("rand-m9-mstdinf", "'mstdinf' is none of"),
        ("rand-m9-mstdnan", "'mstdnan' is none of"),
        ("rand-m9-mstd" + "9" * 400, "mstd must be finite"),
        ("rand-m9-inc2", r"inc must be in 0\.\.1, got 2"),
        ("rand-m9-n0", r"n must be in 1\.\.16, got 0"),
        ("rand-m9-n17", r"n must be in 1\.\.16, got 17"),
        ("rand-m9-p1.5", r"p must be in 0\.\.1, got 1\.5"),
        ("rand-mmax0", r"mmax must be in 1\.\.100, got 0"),
        ("rand-m9-w0", "'w0' asks for weighted choice"),
        ("rand-m9-tweights", "'tweights' asks for another set of operations"),
        ("rand-m9-t3a", "'t3a' asks for another set of operations"),
        (9, "must be a string or None, got 9"),
    ],
)
def test_unusable_strings_are_refused(text, message):
    with pytest.raises(InputError, match=message):
        fdsl.Augmentation(auto_augment=text)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("crop_scale", (0.0, 1.0)),
        ("crop_scale", (0.5, 0.2)),
        ("crop_scale", (0.5, 1.5)),
        ("crop_scale", (0.5, math.nan)),
        ("crop_scale", 0.5),
        ("crop_scale", (0.1, 0.2, 0.3)),
        ("crop_ratio", (0.1, 1.0)),
        ("crop_ratio", (2.0, 1.0)),
        ("crop_ratio", None),
        ("hflip", -0.1),
        ("vflip", 1.1),
        ("random_erasing", math.inf),
        ("random_erasing", "0.5"),
    ],
)
def test_unusable_values_are_refused(field, value):
    with pytest.raises(InputError, match=rf"{field}(\[\d\])? must be"):
        fdsl.Augmentation(**{field: value})


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("seed", {"seed": -1}),
        ("categories", {"categories": [-1, 0]}),
        ("categories", {"categories": [0.5, 1.0]}),
        ("categories", {"categories": [0, 1, 2]}),
        ("categories", {"categories": 0, "instances": 0}),
        ("instances", {"instances": [0, 2**32]}),
        ("epochs", {"epochs": EPOCHS}),
        ("repeats", {"repeats": [0, REPEATS]}),
        ("canvas", {"canvas": 0}),
        ("size", {"size": 1.5}),
        ("channels", {"channels": 2}),
        ("mean", {"mean": (0.5, 0.5, 0.5)}),
        ("mean", {"mean": 2.0}),
        ("std", {"std": 0.0}),
    ],
)
def test_unusable_plans_are_refused(field, changed):
    with pytest.raises(InputError, match=f"{field}.* must be"):
        fdsl.Augmentation().plan(**(USABLE | changed))


def test_recipes_that_could_zoom_further_than_views_may_are_refused():
    """At construction, not in the middle of a training when the one sample in ten thousand comes."""
    with pytest.raises(
        InputError, match=r"auto_augment must be weaker with crop_scale from 0\.08, got 'rand-m100.*6 shears"
    ):
        fdsl.Augmentation(auto_augment="rand-m100-mmax100-n6-p1")
    with pytest.raises(InputError, match=r"auto_augment must be weaker with crop_scale from 0\.001"):
        fdsl.Augmentation(crop_scale=(0.001, 1.0), auto_augment="rand-m9-n3")


def test_the_strongest_recipe_that_is_taken_makes_views_that_are_too():
    recipe = fdsl.Augmentation(crop_scale=(0.1, 0.1), auto_augment="rand-m30-mmax30-n5-p1.0")
    family, n = fdsl.RCDB(classes=2), np.arange(3000)
    plan = recipe.plan(0, n % 2, n, 0, canvas=512, size=32, channels=1)
    table = family.table(0, n[:1] % 2, n[:1])
    strongest = plan.view[np.abs(plan.view[:, :, :2]).max(axis=(1, 2)).argmax()]
    assert np.abs(strongest[:, :2]).max() > 5
    assert fdsl.Renderer(32)(table, strongest).shape == (1, 32, 32)
    assert (np.abs(plan.view[:, :, 2]) < 1e5).all()


@pytest.mark.parametrize("canvas", [0, 1, 31])
def test_a_canvas_too_small_to_draw_on_is_refused(canvas):
    with pytest.raises(InputError, match="canvas must be >= 32"):
        fdsl.Augmentation().plan(0, [0], [0], 0, canvas=canvas, size=32, channels=1)


def test_mean_and_deviation_may_be_arrays():
    recipe, arguments = fdsl.Augmentation(random_erasing=1.0), {"canvas": 64, "size": 64, "channels": 3}
    listed = recipe.plan(0, [0], [0], 0, mean=[0.4, 0.5, 0.6], std=0.2, **arguments)
    array = recipe.plan(0, [0], [0], 0, mean=np.array([0.4, 0.5, 0.6]), std=np.float64(0.2), **arguments)
    assert (listed.retouch.quantiles == array.retouch.quantiles).all()
