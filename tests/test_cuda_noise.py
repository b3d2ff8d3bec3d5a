"""Noise fields by CUDA kernels: the CPU's pixels, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fdsl
from drawn_alike import INVERTED, VIEWS, assert_drawn_alike
from fdsl.geometry.noise import MAX_FREQUENCY, NoiseField
from fdsl.render.cpu.noise import Lattice, lattice
from fdsl.render.frame import drawn_to_size

CANVAS = fdsl.PerlinNoiseDB().native_size


def fields(*cells: tuple[int, int]) -> NoiseField:
    """An image for each frequency, cells across and down."""
    table = fdsl.PerlinNoiseDB().table(0, np.arange(len(cells)), np.arange(len(cells)))
    return replace(table, cells=np.array(cells, np.int32))


def view_of(name: str) -> np.ndarray:
    """A view of a smaller canvas."""
    return np.array(VIEWS[name]) * [1, 1, CANVAS / 512]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("size", [32, 45])
def test_every_view_of_a_drawing_is_the_cpus(view: str, size: int) -> None:
    assert_drawn_alike(fields((1, 1), (7, 3), (36, 20)), size, view=view_of(view))


@pytest.mark.parametrize("cells", [(1, 1), (31, 1), (32, 40), (33, 2), (200, 300)])
def test_any_frequency(cells: tuple[int, int]) -> None:
    assert_drawn_alike(fields(cells))


def test_straight_and_slanted_views_in_one_batch() -> None:
    views = np.stack([view_of(view) for view in ("whole", "turned", "mirrored")])
    table = fields((7, 5), (7, 5), (7, 5))
    frame = drawn_to_size(64, 1, CANVAS, views, np.zeros((3, 256), np.uint8))
    assert lattice(table.cells, CANVAS, frame).straight.tolist() == [True, False, True]
    assert_drawn_alike(table, 64, view=views)


def test_each_way_rounds_in_its_own_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """One pixel in 300,000 is another gray: these images have one each."""
    table = fdsl.PerlinNoiseDB(classes=1296).table(3, [6, 249, 417], [2, 83, 139])
    drawn = assert_drawn_alike(table, 64)

    def all_slanted(*arguments: object) -> Lattice:
        found = lattice(*arguments)  # type: ignore[arg-type]
        return found._replace(straight=np.zeros_like(found.straight))

    monkeypatch.setattr("fdsl.render.cpu.noise.lattice", all_slanted)
    other = fdsl.Renderer(64, "crisp", threads=1)(table)
    assert ((other != drawn).sum(axis=(1, 2)) == 1).all()


numbers = st.floats(-3, 3)


@settings(max_examples=60)
@given(
    st.tuples(numbers, numbers, numbers, numbers).filter(lambda v: abs(v[0] * v[3] - v[1] * v[2]) > 0.1),
    st.booleans(),
    st.tuples(*2 * [st.floats(-2000, 2000)]),
)
def test_views_at_random(linear: tuple[float, ...], slanted: bool, shift: tuple[float, float]) -> None:
    """The lattice's part may begin anywhere, on either side of the canvas."""
    a, b, c, d = linear
    if not slanted:
        a, b, c, d = abs(a) + 0.1, 0, 0, -abs(d) - 0.1
    assert_drawn_alike(fields((9, 6)), view=np.array([[a, b, shift[0]], [c, d, shift[1]]]))


def test_images_that_show_too_many_cells_or_lie_too_far_are_flat() -> None:
    """Beside one that is neither, and alone."""
    views = np.array([np.eye(2, 3), np.eye(2, 3), [[1e-5, 0, 0], [0, 1e-5, 0]]])
    table = fields((MAX_FREQUENCY, MAX_FREQUENCY), (5, 5), (5, 5))
    frame = drawn_to_size(32, 1, CANVAS, views, np.zeros((3, 256), np.uint8))
    assert lattice(table.cells, CANVAS, frame).shown.tolist() == [False, True, False]
    assert_drawn_alike(table, view=views, tone=INVERTED)
    alone = fields((MAX_FREQUENCY, MAX_FREQUENCY))
    assert (assert_drawn_alike(alone, tone=INVERTED, blank=True) == 255 - alone.background).all()


def test_tones_of_their_own() -> None:
    tones = np.stack([INVERTED, INVERTED // 2, INVERTED[::-1]])
    for view in ("whole", "turned"):
        assert_drawn_alike(fields((3, 4), (5, 6), (7, 8)), view=view_of(view), tone=tones)


def test_a_batch_in_parts_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fdsl.render.cuda.renderer.SCRATCH", 2 * 2 * 4 * 4 * 9)
    tones = np.stack([INVERTED, INVERTED // 2, INVERTED[::-1]] * 2)
    assert_drawn_alike(fields(*6 * [(6, 6)]), tone=tones)


@pytest.mark.parametrize("view", ["whole", "turned"])
def test_images_as_published(view: str) -> None:
    table = fdsl.PerlinNoiseDB(classes=1296).table(3, [1295, 640], [4, 2])
    assert_drawn_alike(table, 224, view=view_of(view))
