"""From a scene to pixels, and to a PNG file: functions of their arguments alone."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.data.augment import Augmentation
from fdsl.data.export.png import png
from fdsl.errors import check_float, check_int
from fdsl.evaluate.sheet import grid
from fdsl.explore.parameters import is_searched
from fdsl.explore.scene import Scene
from fdsl.formulas import families
from fdsl.formulas.search import unwritten
from fdsl.render import Renderer

EFFORT = 1
"""libdeflate's level: a sheet goes no further than to this machine's browser."""
END_OF_PNG = 12
"""Bytes of a PNG file's last chunk."""
MAGNITUDE_SPREAD = 0.5


def draw_sheet(scene: Scene, threads: int | None = None) -> NDArray[np.uint8]:
    """Draw a scene as `fdsl preview` does: uint8 [H, W], or [H, W, 3] of a colour family.

    Args:
        scene: what to draw.
        threads: how many threads draw; None for all cores.
    """
    rows, columns = np.divmod(np.arange(scene.categories * scene.instances), scene.instances)
    with _searching(scene):
        table = scene.formula.table(scene.seed, scene.first_category + rows, scene.first_instance + columns)
    images = Renderer(scene.size, scene.lines, threads)(table)
    return _laid_out(images, scene.categories, scene.instances)


def draw_augmented(
    one: Scene, recipe: Augmentation, rows: int, columns: int, threads: int | None = None
) -> NDArray[np.uint8]:
    """Draw one image as training would see it in one epoch after another, `rows` x `columns` of them.

    Args:
        one: the scene of that image; its seed is the augmentation's, too.
        recipe: what happens to the image in each epoch.
        rows: of the sheet.
        columns: of the sheet.
        threads: how many threads draw; None for all cores.

    Returns:
        A sheet, uint8 [H, W] or [H, W, 3].
    """
    count = rows * columns
    k, i = np.full(count, one.first_category), np.full(count, one.first_instance)
    with _searching(one):
        table = one.formula.table(one.seed, k, i)
    plan = recipe.plan(
        one.seed, k, i, np.arange(count), canvas=table.canvas, size=one.size, channels=table.channels
    )
    renderer = Renderer(one.size, one.lines, threads)
    return _laid_out(renderer(table, plan.view, plan.tone, plan.retouch), rows, columns)


def _laid_out(images: NDArray[np.uint8], rows: int, columns: int) -> NDArray[np.uint8]:
    return np.asarray(grid(images.reshape(rows, columns, *images.shape[1:])))


@dataclass(frozen=True, kw_only=True)
class Strengths:
    """How strongly the page augments: a random resized crop, flips, RandAugment and erasing, as timm has them.

    Attributes:
        crop: least share of the canvas that a crop shows, 0.02..1; 1 crops nothing.
        hflip: probability of a mirror image.
        vflip: the same, top for bottom.
        layers: RandAugment's operations, 0..4.
        magnitude: their strength, 0..10.
        erasing: probability that a rectangle becomes noise.

    Raises:
        InputError: a value is out of range.
    """

    crop: float = 0.3
    hflip: float = 0.5
    vflip: float = 0.0
    layers: int = 2
    magnitude: int = 9
    erasing: float = 0.25

    def __post_init__(self) -> None:
        check_float("crop", self.crop, 0.02, 1.0)
        for name in ("hflip", "vflip", "erasing"):
            check_float(name, getattr(self, name), 0.0, 1.0)
        check_int("layers", self.layers, 0, 4)
        check_int("magnitude", self.magnitude, 0, 10)

    def fields(self) -> dict[str, Any]:
        """Return the fields of `fdsl.Augmentation`."""
        policy = f"rand-m{self.magnitude}-n{self.layers}-mstd{MAGNITUDE_SPREAD}-inc1" if self.layers else None
        return {
            "crop_scale": None if self.crop == 1 else (float(self.crop), 1.0),
            "hflip": float(self.hflip),
            "vflip": float(self.vflip),
            "auto_augment": policy,
            "random_erasing": float(self.erasing),
        }


def encode(picture: NDArray[np.uint8], command: str) -> bytes:
    """Return a picture, uint8 [H, W] or [H, W, 3], as a PNG file that says in its comment how it is made."""
    body = b"tEXtComment\0" + command.encode("latin-1", "replace")
    chunk = (len(body) - 4).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")
    file = png(picture, EFFORT)
    return file[:-END_OF_PNG] + chunk + file[-END_OF_PNG:]


_lock = threading.Lock()
_known: set[tuple[Any, ...]] = set()
_ready: set[str] = set()


@contextmanager
def _searching(scene: Scene) -> Iterator[None]:
    """Let one thread at a time search for the categories of a scene: twenty that ask at once need one answer."""
    if not is_searched(scene.kind) or scene.categories_key in _known:
        yield
        return
    _, seed, _, *options = scene.categories_key
    published = seed == 0 and not any(options)  # the others are without end, a file each
    with _lock, nullcontext() if published else unwritten():
        yield
    _known.add(scene.categories_key)


def waits_for(scene: Scene) -> str:
    """Return what keeps a scene from being drawn at once, a sentence for people, or nothing."""
    if scene.family not in _ready:
        return f"Compiling what draws {scene.family}: half a minute the first time, then numba keeps it."
    if is_searched(scene.kind) and scene.categories_key not in _known:
        return f"Searching for {scene.classes} categories of {scene.family}, seed {scene.seed}: once."
    return ""


def warm(family: str) -> None:
    """Draw a family once each way, so that its kernels are compiled, and its first categories found."""
    scene = Scene(family=family)
    draw_sheet(scene, 1)
    draw_augmented(scene.one(0, 0, 256), Augmentation(**Strengths(erasing=1.0).fields()), 1, 8, 1)
    _ready.add(family)


def warm_all(first: str) -> None:
    """`warm` every family but the `first`, which is warm."""
    for name in families():
        if name != first:
            warm(name)
