"""Radial strokes by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.radial import RadialStrokes


def contours(vertices: int = 13, strokes: int = 7, count: int = 3, **fields: object) -> RadialStrokes:
    table = fdsl.RCDB(classes=10).table(0, np.arange(count), np.arange(count))
    return replace(
        table,
        vertices=np.full(count, vertices, np.int32),
        strokes=np.full(count, strokes, np.int32),
        **fields,
    )


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_drawing_is_the_cpus(view: str) -> None:
    assert_drawn_alike(contours(), view=np.array(VIEWS[view]), blank=view == "far")


@pytest.mark.parametrize("vertices", [1, 2, 3, 6, 7, 40])
@pytest.mark.parametrize("strokes", [1, 2, 9])
def test_any_number_of_vertices_and_strokes(vertices: int, strokes: int) -> None:
    assert_drawn_alike(contours(vertices, strokes), blank=True)


@pytest.mark.parametrize("vertices", [385, 1025])
def test_many_vertices_a_thread(vertices: int) -> None:
    assert_drawn_alike(contours(vertices, 2, count=1))


def test_no_strokes_leave_the_background() -> None:
    assert (assert_drawn_alike(contours(strokes=0), blank=True) == 255).all()


def test_tones_and_larger_images() -> None:
    assert_drawn_alike(contours(), 48, tone=INVERTED)


def test_places_that_do_not_fit_a_blocks_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.radial.SHARED", 0)
    assert_drawn_alike(contours())


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.radial.SHARED", 0)
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * 4 * 4 * 13)
    assert_drawn_alike(contours(count=5))


def test_several_contours_an_image_lie_in_order() -> None:
    table = fdsl.SegRCDB().table(0, [0, 5], [1, 2])
    assert_drawn_alike(table, 64)
