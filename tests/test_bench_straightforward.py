"""The straightforward program that the renderer is measured against draws the same pictures."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import fdsl
from fdsl.bench import straightforward


@pytest.mark.parametrize("size", [224, 512])
@pytest.mark.parametrize("name", ["RCDB", "SegRCDB"])
def test_straightforward_strokes_are_the_renderer_s(name, size):
    """At the native size both draw the same polygons with Pillow's rule, so every pixel agrees."""
    table = fdsl.family(name, classes=4).table(0, [0, 1, 2], [0, 1, 2])
    ours = fdsl.Renderer(size, lines="crisp")(table)
    for row in range(3):
        slow = np.asarray(straightforward.draw(table, row, size))
        agreement = (slow == ours[row]).mean()
        assert agreement == 1.0 if size == 512 else agreement > 0.9


def test_straightforward_noise_is_the_renderer_s():
    table = fdsl.PerlinNoiseDB().table(0, [0, 24, 1000, 1295], [0, 1, 2, 3])
    ours = fdsl.Renderer(224, lines="crisp")(table)
    for row in range(4):
        slow = np.asarray(straightforward.draw(table, row, 224)).astype(int)
        assert np.abs(slow - ours[row]).max() <= 1


def near(image: np.ndarray) -> np.ndarray:
    """Which pixels lie within one of a lit one."""
    padded = np.pad(image > 0, 1)
    return np.logical_or.reduce([padded[y : y + 224, x : x + 224] for y, x in np.ndindex(3, 3)])


def test_straightforward_curves_run_where_the_renderer_s_do():
    """With other vertices: a line may be a pixel aside, and is seldom further."""
    table = fdsl.BezierCurveDB().table(0, [0, 24, 143, 900], [0, 1, 2, 3])
    ours = fdsl.Renderer(224, lines="crisp")(table)
    for row in range(4):
        slow = np.asarray(straightforward.draw(table, row, 224))
        assert near(slow)[ours[row] > 0].mean() > 0.98
        assert near(ours[row])[slow > 0].mean() > 0.98


def test_straightforward_scenes_show_the_same_objects():
    family = fdsl.MultiFractal(classes=8, variant="black", points=20_000)
    table = family.table(0, [0, 1, 2, 3], [0, 1, 2, 3])
    ours = fdsl.Renderer(224, lines="crisp")(table).max(axis=3) > 0
    for row in range(4):
        slow = np.asarray(straightforward.draw(table, row, 224)).max(axis=2) > 0
        assert slow.sum() > 100
        wide = near(slow.astype(np.uint8))
        assert (wide & ours[row]).sum() > 0.5 * ours[row].sum()


@pytest.mark.parametrize("name", sorted(fdsl.families()))
def test_every_family_has_a_baseline(name):
    family = fdsl.family(name, classes=4)
    image = straightforward.draw(family.table(0, [1], [1]), 0, 64)
    assert image.mode == ("RGB" if family.channels == 3 else "L")
    assert image.size == (64, 64)


@pytest.mark.parametrize(
    ("name", "instance"),
    [
        ("FractalDB", 0),
        ("FractalDB", 1),
        ("FractalDB", 2),
        ("FractalDB", 3),
        ("ExFractalDB", 1),
        ("MVFractalDB", 1),
    ],
)
def test_straightforward_points_cover_the_same_shape(name, instance):
    """Other random choices, same attractor: blurred to coarse cells the two pictures are nearly one."""
    drawn = fdsl.family(name, classes=2)
    table = drawn.table(0, [0], [instance])
    ours = fdsl.Renderer(drawn.native_size)(table)[0]
    slow = np.asarray(straightforward.draw(table, 0, drawn.native_size))
    coarse = [
        np.asarray(Image.fromarray(image).resize((8, 8), Image.Resampling.BOX), float)
        for image in (ours, slow)
    ]
    assert np.corrcoef(coarse[0].ravel(), coarse[1].ravel())[0, 1] > 0.9
