"""Rings and filled contours by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.radial import RadialStrokes

SHAPES = ["ring", "fill"]


def contours(
    shape: str, vertices: int = 9, strokes: int = 5, count: int = 3, **fields: object
) -> RadialStrokes:
    """Single contours, wide, in grays of their own."""
    table = fdsl.RCDB(classes=10).table(0, np.arange(count), np.arange(count))
    return replace(
        table,
        vertices=np.full(count, vertices, np.int32),
        strokes=np.full(count, strokes, np.int32),
        gain=np.full(count, 40, np.float32),
        shape=shape,
        **fields,
    )


def several(variant: str, contours: int = 5, images: int = 2) -> RadialStrokes:
    """Images of several contours each, masks and all, of fewer vertices and strokes than published."""
    table = fdsl.SegRCDB(variant=variant, contours=contours).mask_table(
        0, np.arange(images) * 5, np.arange(images)
    )
    return replace(
        table,
        vertices=3 + table.vertices % 20,
        strokes=table.strokes % 6,
        gain=4 * table.gain + np.float32(8),
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_drawing_is_the_cpus(shape: str, view: str) -> None:
    assert_drawn_alike(contours(shape), view=np.array(VIEWS[view]), blank=view == "far")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("vertices", [1, 2, 3, 6, 40])
@pytest.mark.parametrize("strokes", [1, 2, 4])
def test_any_number_of_vertices_and_strokes(shape: str, vertices: int, strokes: int) -> None:
    assert_drawn_alike(contours(shape, vertices, strokes, count=2), blank=True)


@pytest.mark.parametrize(("shape", "strokes"), [("ring", 0), ("ring", 1), ("fill", 0)])
def test_too_few_strokes_leave_the_background(shape: str, strokes: int) -> None:
    assert (assert_drawn_alike(contours(shape, strokes=strokes), blank=True) == 255).all()


@pytest.mark.parametrize("variant", ["M2", "M3"])
def test_several_contours_an_image_lie_in_order(variant: str) -> None:
    assert_drawn_alike(several(variant), 64)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("size", [33, 47])
def test_lines_that_are_not_whole_words_and_tones(shape: str, size: int) -> None:
    assert_drawn_alike(contours(shape), size, tone=INVERTED)


@pytest.mark.parametrize("shape", SHAPES)
def test_polygons_that_lie_on_every_side_of_the_canvas(shape: str) -> None:
    shifts = [(-300, 0), (300, 0), (0, -300), (0, 300), (-250, 250), (280, 280)]
    views = np.array([[[2.5, 0.3, x - 384], [-0.3, 2.5, y - 384]] for x, y in shifts])
    assert_drawn_alike(contours(shape, count=len(shifts)), view=views)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_batch_in_parts_is_the_same(shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 1500)
    assert_drawn_alike(contours(shape, count=5))


@pytest.mark.parametrize("variant", ["M2", "M3"])
def test_a_mask_as_published(variant: str) -> None:
    assert_drawn_alike(fdsl.SegRCDB(variant=variant).mask_table(1, [7], [3]), 224)
