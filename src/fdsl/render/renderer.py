"""The renderer: parameter tables in, pixels out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.cores import usable_cores
from fdsl.errors import InputError, check_choice, check_int
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.altered import Altered
from fdsl.geometry.curves import BezierCurves
from fdsl.geometry.noise import NoiseField
from fdsl.geometry.radial import RadialStrokes
from fdsl.geometry.scenes import FractalScenes
from fdsl.geometry.table import Table
from fdsl.render.cpu import affine2d, affine3d, altered, curves, noise, radial, scenes
from fdsl.render.cpu.retouch import retouched
from fdsl.render.frame import Frame, drawn_natively, drawn_to_size
from fdsl.render.retouch import Retouch

MIN_SIZE, MAX_SIZE = 32, 1024
AREA_BELOW = 160
"""`lines="auto"` averages below this size: one-pixel lines drawn smaller alias into noise."""
MAX_ZOOM, MAX_SHIFT = 100.0, 1e5
"""Greatest entries of a view: coordinates stay where float32 still knows a pixel from the next."""
TASKS_A_THREAD = 8
"""Images differ in cost by a hundred times: a thread that is done early takes over from one that is not."""

LINES = ("auto", "crisp", "area", "native")

Draw = Callable[[int, int], None]
"""Draws rows begin..end-1 of a table."""

_DRAWERS: dict[type, Callable[[Any, Frame, NDArray[np.uint8]], Draw]] = {
    RadialStrokes: radial.drawer,
    AffineMaps2D: affine2d.drawer,
    AffineMaps3D: affine3d.drawer,
    FractalScenes: scenes.drawer,
    Altered: lambda table, frame, images: altered.drawer(table, frame, images, partial(drawer_of, _DRAWERS)),
    BezierCurves: curves.drawer,
    NoiseField: noise.drawer,
}


Drawer = TypeVar("Drawer")


def drawer_of(drawers: Mapping[type, Drawer], table: Table) -> Drawer:
    """Return what draws a table of this geometry; InputError for anything else."""
    if type(table) not in drawers:
        kinds = ", ".join(kind.__name__ for kind in drawers)
        raise InputError(f"table must be one of {kinds}, as Family.table returns, got {type(table).__name__}")
    return drawers[type(table)]


class Sizes:
    """What renderers have in common: the size of their images, and how lines become pixels.

    Args:
        size: side of the square output, 32..1024 pixels.
        lines: "crisp", "area", "native" or "auto"; see `Renderer`.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(self, size: int, lines: str) -> None:
        self.size = check_int("size", size, MIN_SIZE, MAX_SIZE)
        self.lines = check_choice("lines", lines, LINES)

    def factor(self, canvas: int) -> int:
        """Return how many times larger than the output a family of this native canvas is drawn."""
        if self.lines == "crisp" or (self.lines == "auto" and self.size >= AREA_BELOW):
            return 1
        return max(2, round(canvas / self.size))

    def shape(self, table: Table) -> tuple[int, ...]:
        """Return the shape of a table's images, [N, H, W] or [N, H, W, 3]."""
        return (len(table), self.size, self.size) + ((3,) if table.channels == 3 else ())

    def frame(self, table: Table, view: ArrayLike | None, tone: ArrayLike | None) -> Frame:
        """Return the way from a table's canvases to its images; InputError for a view or tone that is none."""
        views, tones = check_view(view, len(table)), check_tone(tone, len(table))
        if self.lines == "native":
            return drawn_natively(self.size, table.canvas, views, tones)
        return drawn_to_size(self.size, self.factor(table.canvas), table.canvas, views, tones)


class Renderer(Sizes):
    """Draws batches on the CPU, over threads that hold no lock; the pixels depend on the arguments alone.

    Args:
        size: side of the square output, 32..1024 pixels.
        lines: "crisp" draws 1-px lines and points at the output size, as the publications do at theirs; "area" draws
            on a canvas a whole number of times larger, near the native size, and averages, so that gray means coverage;
            "native" draws the canvas at its native size and resamples it, so that strokes widen with the view, as those
            of a stored picture do, and what lies off the canvas is background; "auto" is "area" under 160 px and
            "crisp" from there on.
        threads: how many threads draw; None for as many as the process may use.

    Raises:
        InputError: an argument is out of range.
    """

    def __init__(self, size: int = 224, lines: str = "auto", threads: int | None = None) -> None:
        super().__init__(size, lines)
        self.threads = usable_cores() if threads is None else check_int("threads", threads, 1, 1024)

    def __call__(
        self,
        table: Table,
        view: ArrayLike | None = None,
        tone: ArrayLike | None = None,
        retouch: Retouch | None = None,
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Draw every row of a parameter table.

        Args:
            table: one of the geometries' tables, N rows.
            view: [N, 2, 3] or [2, 3], an affine from the native canvas to itself, applied before any pixel exists: the
                identity shows the canvas whole, a scale above 1 zooms in. Units: native canvas pixels.
            tone: uint8 [N, 256] or [256], the output value of each gray (of each channel in colour).
            retouch: what to do to the finished images, one row each.
            out: where to draw, uint8 [N, size, size] or [N, size, size, 3], C-contiguous.

        Returns:
            uint8 [N, size, size], or [N, size, size, 3] from a colour family.

        Raises:
            InputError: a shape or dtype is wrong, or a view is not finite or not invertible; nothing is drawn.
        """
        drawer = drawer_of(_DRAWERS, table)
        images = np.empty(self.shape(table), np.uint8) if out is None else out
        check_out(images, self.shape(table))
        check_retouch(retouch, images.shape)
        if len(table) == 0:
            return images
        frame = self.frame(table, view, tone)
        draw = drawer(table, frame, images)
        spread(draw if retouch is None else retouched(draw, retouch, images), len(table), self.threads)
        return images


def spread(draw: Draw, rows: int, threads: int) -> None:
    """Call draw(begin, end) over all rows, from several threads when there is work for them."""
    each = -(-rows // (TASKS_A_THREAD * threads))
    begins = range(0, rows, each)
    if threads == 1 or len(begins) < 2:
        draw(0, rows)
        return
    tasks = [_pool(threads).submit(draw, begin, min(begin + each, rows)) for begin in begins]
    try:
        for task in tasks:
            task.result()
    finally:  # nobody writes into the result any more once the caller has it back
        for task in tasks:
            task.cancel()
        wait(tasks)


def check_out(out: object, shape: tuple[int, ...]) -> None:
    """Raise InputError unless `out` can be drawn into."""
    if not isinstance(out, np.ndarray):
        raise InputError(f"out must be a NumPy array, got {type(out).__name__}")
    if out.shape != shape or out.dtype != np.uint8 or not out.flags.c_contiguous or not out.flags.writeable:
        kind = "" if out.flags.writeable else ", read-only"
        raise InputError(
            f"out must be C-contiguous writeable uint8 {shape}, got {out.dtype} {out.shape}{kind}"
        )


def check_retouch(retouch: object, shape: tuple[int, ...]) -> None:
    """Raise InputError unless `retouch` is None or one for images of this shape."""
    if retouch is None:
        return
    if not isinstance(retouch, Retouch):
        raise InputError(f"retouch must be a Retouch, as Plan.retouch, got {type(retouch).__name__}")
    retouch.check_fits(shape)


def check_view(view: ArrayLike | None, count: int) -> NDArray[np.float64]:
    """Return the views of a batch, float64 [count, 2, 3]; InputError for a wrong shape or an unusable matrix."""
    identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    given = np.asarray(identity if view is None else view)
    if given.dtype.kind not in "fiu":
        raise InputError(f"view must be numbers of shape ({count}, 2, 3) or (2, 3), got {view!r}")
    views = given.astype(np.float64)
    if views.shape not in ((2, 3), (count, 2, 3)):
        raise InputError(f"view must have shape ({count}, 2, 3) or (2, 3), got {views.shape}")
    zoom, shift = np.abs(views[..., :2]).max(initial=0), np.abs(views[..., 2]).max(initial=0)
    if not (np.isfinite(views).all() and zoom <= MAX_ZOOM and shift <= MAX_SHIFT):
        limits = f"within +-{MAX_ZOOM:g}, its shift within +-{MAX_SHIFT:g}"
        raise InputError(
            f"view must be finite and {limits}, got {zoom:g} and {shift:g}: pixels would have no place"
        )
    if (np.abs(views[..., 0, 0] * views[..., 1, 1] - views[..., 0, 1] * views[..., 1, 0]) < 1e-12).any():
        raise InputError("view must be invertible, got a singular matrix: the image would be a line")
    return np.broadcast_to(views, (count, 2, 3))


def check_tone(tone: ArrayLike | None, count: int) -> NDArray[np.uint8]:
    """Return the tone curves of a batch, uint8 [count, 256]; InputError for a wrong shape or dtype."""
    tones = np.arange(256, dtype=np.uint8) if tone is None else np.asarray(tone)
    if tones.dtype != np.uint8 or tones.shape not in ((256,), (count, 256)):
        raise InputError(f"tone must be uint8 ({count}, 256) or (256,), got {tones.dtype} {tones.shape}")
    # kernels are compiled for plain arrays: a read-only one would be another type and compile them again
    return np.array(np.broadcast_to(tones, (count, 256)), order="C")


_pools: dict[tuple[int, int], ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    """Return this process's pool: one made before a fork has no threads on the other side, hence the process id."""
    key = (os.getpid(), threads)
    if key not in _pools:
        _pools[key] = ThreadPoolExecutor(threads, thread_name_prefix="fdsl-draw")
    return _pools[key]
