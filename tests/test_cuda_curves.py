"""Bezier curves by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.curves import BezierCurves


def lines(points: list[int], curves: list[int], **fields: object) -> BezierCurves:
    """An image for each number of control points and of curves."""
    table = fdsl.BezierCurveDB().table(0, np.arange(len(points)), np.arange(len(points)))
    return replace(table, points=np.array(points, np.int32), curves=np.array(curves, np.int32), **fields)


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_a_drawing_is_the_cpus(view: str) -> None:
    assert_drawn_alike(lines([3, 4, 9], [3, 1, 5]), view=np.array(VIEWS[view]))


def test_a_view_that_shows_nothing() -> None:
    view = np.array([[1.0, 0.0, 5000.0], [0.0, 1.0, 0.0]])
    assert_drawn_alike(lines([3, 4], [3, 1]), view=view, blank=True)


def test_segments_too_long_for_fixed_point() -> None:
    """A pixel of the canvas is 200 of the image, and a straight line has 48 segments, up to 4,000 long."""
    view = np.array([[100.0, 30.0, -33024.0], [-30.0, 100.0, -17664.0]])
    assert_drawn_alike(lines([2], [300]), 1024, view=view)


@pytest.mark.parametrize("points", [2, 3, 5, 6, 34, 255, 256])
def test_any_number_of_control_points(points: int) -> None:
    assert_drawn_alike(lines([points], [2]))


def test_images_of_all_counts_in_one_batch() -> None:
    assert_drawn_alike(lines([2, 256, 7, 3, 34], [9, 1, 0, 2, 3]), 48)


def test_no_curves_leave_the_background() -> None:
    assert (assert_drawn_alike(lines([5, 6], [0, 0], background=7), blank=True) == 7).all()


@pytest.mark.parametrize("size", [33, 64])
def test_grays_tones_and_sizes(size: int) -> None:
    table = lines([4, 5, 6], [3, 2, 1], value=90, background=30)
    tones = np.stack([INVERTED, INVERTED // 2, INVERTED[::-1]])
    assert_drawn_alike(table, size, tone=tones)


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 1)
    assert_drawn_alike(lines([4, 5, 6], [3, 2, 1]), tone=np.stack([INVERTED, INVERTED // 2, INVERTED[::-1]]))


def test_images_as_published() -> None:
    family = fdsl.BezierCurveDB()
    assert_drawn_alike(family.table(3, [1023, 500], [4, 2]), 224)
    assert_drawn_alike(family.mask_table(3, [77], [4]), 64)
