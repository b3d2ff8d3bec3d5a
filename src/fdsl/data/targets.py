"""What a formula knows of its images: free labels, drawn for the same view as the image.

    class       int64 [N], the category
    classes     float32 [N, C], 1 for each category in the image
    objects     int64 [N, O], the categories of its objects in drawing order, -1 for none
    parameters  float32 [N, P], what the image was drawn from, as `Family.parameters` scales it
    box         float32 [N, 4], left, top, width and height in pixels (COCO); [N, O, 4] where O > 1
    mask        uint8 [N, H, W], category + 1 where an object is drawn, else 0; int32 beyond 255 categories
    contour     float32 [N, V, 2], the last stroke's vertices in pixels, the last repeated up to the most a family
                draws; [N, O, V, 2] where O > 1
    points      float32 [N, P, 3], the cloud that is drawn, about 2 across, its centroid the origin
    depth       float32 [N, H, W], distance to the nearest point in front of the camera, 0 where there is none
    camera      float64 [N, 3, 4], from the cloud's homogeneous coordinates to pixels

N images of C categories with up to O objects. Coordinates run right and down; pixel i covers i to i + 1. Masks, and the
boxes around them, are drawn crisp at the image's size: a pixel of a mask is lit where a line or point is drawn.
Where a view looks beyond the canvas, `lines="native"` has nothing to show, nor have masks, boxes and depths.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice
from fdsl.formulas import Family
from fdsl.formulas.base import ALWAYS
from fdsl.geometry.table import Table
from fdsl.render import Renderer
from fdsl.render.clouds import cameras, clouds, depths
from fdsl.render.cpu.extents import boxes
from fdsl.render.frame import inverses
from fdsl.render.outlines import outlines
from fdsl.render.renderer import check_view

Value = TypeVar("Value", bound=np.generic)

MOST_BYTE = 255
"""Categories that fit a mask of bytes: that of SegRCDB, say, which can be looked at as a picture with a palette."""


class FreeLabels:
    """The labels of one batch of images, each made when first asked for.

    Args:
        family: what is drawn.
        seed: the dataset's.
        categories: int [N].
        instances: int [N].
        renderer: of the images; masks are drawn at its size.
        view: of the images, as in `Renderer`.
    """

    def __init__(
        self,
        family: Family,
        seed: int,
        categories: ArrayLike,
        instances: ArrayLike,
        renderer: Renderer,
        view: ArrayLike | None = None,
    ) -> None:
        self._family, self._identity = family, (seed, categories, instances)
        self._categories = np.asarray(categories, np.int64)
        self._renderer = Renderer(renderer.size, "crisp", renderer.threads)
        self._view, self._natively = view, renderer.lines == "native"

    def __getitem__(self, name: str) -> NDArray[Any]:
        """Return a label of all images by name."""
        return _MAKERS[name](self)

    @cached_property
    def _table(self) -> Table:
        return self._family.table(*self._identity)

    @cached_property
    def _contents(self) -> NDArray[np.int64]:
        return self._family.contents(*self._identity)

    @cached_property
    def _numbers(self) -> NDArray[np.uint8]:
        """The number of the object at each pixel, uint8 [N, H, W]."""
        return self._shown(self._renderer(self._family.mask_table(*self._identity), self._view))

    def _shown(self, pixels: NDArray[Value]) -> NDArray[Value]:
        """Return pixels [N, H, W], 0 where native lines show none because the canvas ends."""
        if self._natively and self._view is not None:
            pixels[beyond(self._view, len(pixels), self._renderer.size, self._family.native_size)] = 0
        return pixels

    def _class(self) -> NDArray[np.int64]:
        return self._categories

    def _classes(self) -> NDArray[np.float32]:
        hot = np.zeros((len(self._contents), self._family.classes + 1), np.float32)
        np.put_along_axis(hot, self._contents, 1.0, axis=1)  # none is -1, the last column
        return np.ascontiguousarray(hot[:, :-1])

    def _objects(self) -> NDArray[np.int64]:
        return self._contents

    def _parameters(self) -> NDArray[np.float32]:
        return self._family.parameters(*self._identity)

    def _box(self) -> NDArray[np.float32]:
        return self._an_object(boxes(self._numbers, self._family.objects))

    def _mask(self) -> NDArray[Any]:
        kind = np.uint8 if self._family.classes <= MOST_BYTE else np.int32
        values = np.pad(self._contents + 1, ((0, 0), (1, 0))).astype(kind)
        flat = self._numbers.reshape(len(values), -1).astype(np.int64)
        return np.take_along_axis(values, flat, axis=1).reshape(self._numbers.shape)

    def _contour(self) -> NDArray[np.float32]:
        polygons = outlines(self._table, self._renderer.size, self._view, self._renderer.threads)
        more = self._family.most_vertices - polygons.shape[1]
        polygons = np.pad(polygons, ((0, 0), (0, more), (0, 0)), mode="edge")
        return self._an_object(polygons.reshape(-1, self._family.objects, *polygons.shape[1:]))

    def _points(self) -> NDArray[np.float32]:
        return clouds(self._table, self._renderer.threads)

    def _depth(self) -> NDArray[np.float32]:
        return self._shown(depths(self._table, self._renderer.size, self._view, self._renderer.threads))

    def _camera(self) -> NDArray[np.float64]:
        return cameras(self._table, self._renderer.size, self._view)

    def _an_object(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return [N, O, ...] as it is, or [N, ...] where an image has one object."""
        return values[:, 0] if self._family.objects == 1 else values


def beyond(view: ArrayLike, count: int, size: int, canvas: int) -> NDArray[np.bool_]:
    """Return which pixels' middles a view shows from beyond the canvas, bool [count, size, size]."""
    backs = inverses(check_view(view, count) * (size / canvas))
    middle = np.arange(size) + 0.5
    outside = np.zeros((count, size, size), np.bool_)
    for axis in range(2):
        along, down, start = (backs[:, axis, part, None, None] for part in range(3))
        place = along * middle + down * middle[:, None] + start
        outside |= (place < 0) | (place >= canvas)
    return outside


_MAKERS: dict[str, Callable[[FreeLabels], NDArray[Any]]] = {
    "class": FreeLabels._class,
    "classes": FreeLabels._classes,
    "objects": FreeLabels._objects,
    "parameters": FreeLabels._parameters,
    "box": FreeLabels._box,
    "mask": FreeLabels._mask,
    "contour": FreeLabels._contour,
    "points": FreeLabels._points,
    "depth": FreeLabels._depth,
    "camera": FreeLabels._camera,
}


def check_targets(family: Family, targets: str | Sequence[str] | None) -> str | tuple[str, ...]:
    """Return what a dataset hands out: one label by name, or several.

    Args:
        family: whose images they are of.
        targets: a name or names; None is what the family hands out when not told.

    Raises:
        InputError: there is no such label, the family does not have it, or a name comes twice.
    """
    if targets is None:
        return family.target
    names = (targets,) if isinstance(targets, str) else tuple(targets)
    if not names:
        raise InputError("targets must name at least one label, got none")
    for name in names:
        check_choice("targets", name, _MAKERS)
        if name not in (*ALWAYS, *family.labels):
            there = ", ".join((*ALWAYS, *family.labels))
            raise InputError(f"targets must be labels of {family.name}, {there}, got {name!r}: it has none")
    if len(set(names)) < len(names):
        raise InputError(f"targets must name each label once, got {', '.join(names)}")
    return targets if isinstance(targets, str) else names
