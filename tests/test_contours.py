"""Contours in one image, one over the other: their inks, masks, rings and fills, against Pillow and one another."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fdsl
from fdsl.geometry.radial import RadialStrokes, polygons

CRISP = fdsl.Renderer(512, "crisp")
MANY = fdsl.SegRCDB(contours=6).table(5, np.arange(4), np.arange(4))
ONE = replace(MANY, objects=1)
"""The same contours, each in an image of its own."""


def part(table: RadialStrokes, rows: slice) -> RadialStrokes:
    """Return some rows of a table as images of one contour."""
    values = {field.name: getattr(table, field.name) for field in fields(table)}
    some = {name: value[rows] for name, value in values.items() if isinstance(value, np.ndarray)}
    return replace(table, objects=1, **some)


def test_rows_are_contours_and_length_counts_images():
    assert (len(MANY), len(ONE), len(MANY.vertices)) == (4, 24, 24)
    assert CRISP(MANY).shape == (4, 512, 512)
    assert fdsl.Renderer(64, threads=3)(MANY).shape == (4, 64, 64)


@pytest.mark.parametrize("shape", ["strokes", "fill"])
@pytest.mark.parametrize("size", [64, 224])
def test_an_image_is_its_contours_one_over_the_other(shape, size):
    """Grays from 1 on, so that ink is told from the background; a ring's hole is another matter."""
    inks = np.arange(1, 25, dtype=np.uint8)
    renderer = fdsl.Renderer(size, "crisp", threads=2)
    together = renderer(replace(MANY, inks=inks, shape=shape))
    alone = renderer(replace(ONE, inks=inks, shape=shape))
    for image in range(4):
        expected = np.zeros((size, size), np.uint8)
        for row in range(6 * image, 6 * image + 6):
            expected = np.where(alone[row] > 0, alone[row], expected)
        assert (together[image] == expected).all()


def test_contours_without_inks_have_grays_of_their_own():
    expected = np.zeros((512, 512), np.uint8)
    for row in range(6):
        points_LV2, grays_L = polygons(MANY, row)
        picture = Image.fromarray(expected)
        for points_V2, gray in zip(points_LV2.tolist(), grays_L.tolist(), strict=True):
            closed = [tuple(point) for point in [*points_V2, points_V2[0]]]
            ImageDraw.Draw(picture).line(closed, fill=gray, width=1)
        expected = np.asarray(picture)
    assert (CRISP(MANY)[0] == expected).all()


def test_a_mask_is_lit_exactly_where_its_contour_draws():
    mask = CRISP(MANY.mask())
    assert set(np.unique(mask)) == set(range(7))
    lit = CRISP(replace(ONE, inks=np.full(24, 255, np.uint8))).reshape(4, 6, 512, 512) > 0
    for number in range(1, 7):
        covered = lit[:, number:].any(axis=1)
        assert ((mask == number) == (lit[:, number - 1] & ~covered)).all()


def test_one_contour_an_image_is_in_ink_1():
    for family in (fdsl.RCDB(classes=4), fdsl.VisualAtom(classes=4)):
        table = family.table(0, np.arange(4), np.arange(4))
        mask, image = CRISP(family.mask_table(0, np.arange(4), np.arange(4))), CRISP(table)
        assert set(np.unique(mask)) == {0, 1}
        assert (
            mask[image != family.background] == 1
        ).all()  # strokes in the background's own gray are lit too
        assert (image[mask == 0] == family.background).all()


@pytest.mark.parametrize("shape", ["strokes", "ring", "fill"])
def test_masks_move_with_the_view(shape):
    view = np.array([[0.8, 0.3, -60.0], [-0.2, 1.3, 30.0]])
    mask = replace(MANY.mask(), shape=shape)
    renderer = fdsl.Renderer(224, "crisp", threads=3)
    image, seen = renderer(MANY, view), renderer(mask, view)
    if shape == "strokes":  # others leave out what is drawn within a ring, or beyond the last stroke
        assert (seen[image > 0] > 0).all()
    assert (seen != renderer(mask)).any()
    for n in range(4):
        alone = part(mask, slice(6 * n, 6 * n + 6))
        assert (renderer(replace(alone, objects=6), view)[0] == seen[n]).all()


def strokes_of(table: RadialStrokes, row: int) -> list[list[tuple[float, float]]]:
    return [[tuple(point) for point in points_V2] for points_V2 in polygons(table, row)[0].tolist()]


def pillow_line(pen: ImageDraw.ImageDraw, points: list[tuple[float, float]], ink: int) -> None:
    pen.line([*points, points[0]], fill=ink, width=1)


def released_mask(table: RadialStrokes, image: int, shape: str) -> np.ndarray:
    """Return a mask as the program released with SegRCDB draws it, in the numbers of contours."""
    picture = Image.new("L", (512, 512))
    pen = ImageDraw.Draw(picture)
    for ink in range(1, table.objects + 1):
        row = image * table.objects + ink - 1
        strokes = strokes_of(table, row)
        first, last = strokes[0], strokes[-1]
        if shape == "fill":
            pen.polygon(last, fill=ink)
            pillow_line(pen, last, ink)  # ours: the stroke itself belongs to the mask
        elif len(strokes) > 1:
            pen.polygon(last, fill=ink)
            pen.polygon(first, fill=0)
            pillow_line(pen, first, ink)
            pillow_line(pen, last, ink)
    return np.asarray(picture)


@pytest.mark.parametrize("shape", ["ring", "fill"])
def test_solid_masks_are_the_released_programs_but_for_a_pixel_in_ten_thousand(shape):
    ours = CRISP(replace(MANY.mask(), shape=shape))
    theirs = np.stack([released_mask(MANY, image, shape) for image in range(4)])
    assert (ours != theirs).mean() < 1e-4


def test_fills_and_rings_hold_their_strokes():
    ink = np.full(24, 255, np.uint8)
    table = replace(ONE, inks=ink, strokes=np.maximum(ONE.strokes, 2))
    fill, ring = (CRISP(replace(table, shape=shape)) > 0 for shape in ("fill", "ring"))
    for row in range(24):
        points = strokes_of(table, row)
        for stroke, shapes in ((0, [ring]), (-1, [ring, fill])):
            picture = Image.new("1", (512, 512))
            pillow_line(ImageDraw.Draw(picture), points[stroke], 1)
            for drawn in shapes:
                assert (drawn[row] | ~np.asarray(picture)).all()
    assert fill.sum() > ring.sum()


def test_the_gray_of_a_solid_without_ink_is_its_last_strokes():
    for shape in ("fill", "ring"):
        images = CRISP(replace(ONE, shape=shape, background=7))
        for row in np.flatnonzero(ONE.strokes > 1):
            assert set(np.unique(images[row])) == {7, int(polygons(ONE, row)[1][-1])}


def test_a_rings_hole_covers_what_lies_under_it_and_one_stroke_has_no_ring():
    wide, round_ = np.array([0.0, 0.0], np.float32), np.array([[100, 100], [40, 40]], np.float32)
    two = replace(
        part(MANY, slice(0, 2)),
        vertices=np.full(2, 200, np.int32),
        strokes=np.full(2, 2, np.int32),
        start=round_,
        centre=np.full((2, 2), 256, np.float32),
        gain=wide,
        offset=np.full(2, -20, np.float32),  # each stroke 20 further out
        objects=2,
    )
    ring = CRISP(replace(two.mask(), shape="ring"))[0]
    across = [int(ring[256, 256 + radius]) for radius in (0, 50, 70, 90, 130, 150)]
    assert across == [0, 0, 2, 0, 1, 0]
    upside_down = replace(two, start=round_[::-1].copy())
    assert CRISP(replace(upside_down.mask(), shape="ring"))[0, 256, 256 + 70] == 0  # the wide one's hole
    assert CRISP(replace(two.mask(), shape="fill"))[0, 256, 256] == 2
    single = replace(two.mask(), strokes=np.ones(2, np.int32), shape="ring")
    assert not CRISP(single).any()


def test_solids_of_no_strokes_and_off_the_canvas_draw_nothing():
    nothing = replace(MANY.mask(), strokes=np.zeros(24, np.int32))
    away = replace(MANY.mask(), centre=np.full((24, 2), 9000, np.float32))
    for shape in ("strokes", "ring", "fill"):
        for table in (nothing, away):
            assert not CRISP(replace(table, shape=shape)).any()
