"""What a renderer refuses: tables that would lead kernels past their arrays, and places that cannot be drawn into."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest

import fdsl
from fdsl.errors import InputError
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.render import renderer
from fdsl.render.cpu.radial import _draw_rows

RADIAL = fdsl.VisualAtom(classes=3).table(0, [0, 1, 2], [0, 0, 0])
PLANE = fdsl.FractalDB(classes=3).table(0, [0, 1, 2], [0, 0, 0])
SPACE = fdsl.ExFractalDB(classes=3).table(0, [0, 1, 2], [0, 0, 0])


@pytest.mark.parametrize(
    ("table", "field", "value", "message"),
    [
        (RADIAL, "vertices", np.array([5, 0, 7], np.int32), r"vertices must be in 1\.\.65536, got 0\.\.7"),
        (RADIAL, "vertices", np.array([5, 7], np.int32), r"must be uint32 \[2, 4\], got uint32 \[3, 4\]"),
        (RADIAL, "strokes", np.array([1, -1, 1], np.int32), "strokes must be in 0"),
        (RADIAL, "strokes", np.array([1, 1, 1]), r"strokes must be int32 \[3\], got int64"),
        (RADIAL, "waves", np.full((3, 2), -1, np.int32), "waves must be in 0"),
        (RADIAL, "objects", 2, "objects must divide the rows, got 2 an image and 3 rows"),
        (RADIAL, "objects", 255, r"objects must be in 1\.\.254, got 255"),
        (RADIAL, "inks", np.array([1, 2], np.uint8), r"inks must be uint8 \[3\], got uint8 \[2\]"),
        (RADIAL, "inks", [1, 2, 3], r"inks must be uint8 \[3\], got list"),
        (
            RADIAL,
            "shape",
            "filled",
            "shape must be one of strokes, ring, fill, got 'filled'.*did you mean 'fill'",
        ),
        (RADIAL, "gain", [1.0, 2.0, 3.0], r"gain must be float32 \[3\], got list"),
        (RADIAL, "background", 256, r"background must be in 0\.\.255, got 256"),
        (RADIAL, "canvas", 4096, r"canvas must be in 32\.\.1024, got 4096"),
        (PLANE, "begins", PLANE.begins[:2].copy(), "begins must be int32"),
        (PLANE, "points", 1 << 23, "points must be in"),
        (PLANE, "points", -5, "points must be in"),
        (PLANE, "ink", "pasted", r"ink must be one of point, paste, or, got 'pasted'.*did you mean 'paste'"),
        (PLANE, "value", 300, "value must be in"),
        (PLANE, "padding", 256, "padding must be in"),
        (SPACE, "rotation", SPACE.rotation[:, :2], "rotation must be float64"),
        (SPACE, "points", 0, "points must be in"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(table, field, value, message):
    with pytest.raises(InputError, match=message):
        replace(table, **{field: value})


def test_merged_patches_have_no_colour():
    with pytest.raises(InputError, match="ink must be 'point' or 'paste' in colour, got 'or'"):
        replace(PLANE, ink="or", colour=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"out": [[1]]}, "out must be a NumPy array, got list"),
        ({"out": np.zeros((3, 64, 64))}, "out must be C-contiguous writeable uint8"),
        ({"out": np.frombuffer(bytes(3 * 64 * 64), np.uint8).reshape(3, 64, 64)}, "read-only"),
        ({"retouch": {}}, "retouch must be a Retouch"),
        ({"view": "whole"}, "view must be numbers"),
        ({"view": np.eye(2, 3) * 1j}, "view must be numbers"),
    ],
)
def test_arguments_that_cannot_be_used_are_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        fdsl.Renderer(64)(PLANE, **arguments)


def test_views_and_tones_of_any_kind_share_one_compiled_kernel():
    draw = fdsl.Renderer(64)
    tone = np.arange(256, dtype=np.uint8)
    draw(RADIAL)
    compiled = len(_draw_rows.signatures)
    tone.flags.writeable = False
    for tones in (tone, np.tile(tone, (3, 1))):
        draw(RADIAL, np.tile(np.eye(2, 3), (3, 1, 1)), tones)
    assert len(_draw_rows.signatures) == compiled


def test_nobody_draws_any_more_once_an_error_is_there(monkeypatch):
    """A task fails; those under way end before the caller has `out` back, the others never begin."""
    released, drawn = threading.Event(), []

    def drawer(_table, _frame, images):
        def draw(begin, _end):
            if begin == 0:
                released.set()
                raise MemoryError("none left")
            released.wait()
            images[begin] = 1
            drawn.append(begin)

        return draw

    monkeypatch.setitem(renderer._DRAWERS, AffineMaps2D, drawer)
    table = fdsl.FractalDB(classes=3).table(0, np.arange(40) % 3, np.arange(40))
    out = np.zeros((40, 32, 32), np.uint8)
    with pytest.raises(MemoryError):
        fdsl.Renderer(32, threads=2)(table, out=out)
    before = list(drawn)
    assert drawn == before
    assert out.any(axis=(1, 2)).sum() == len(before)
