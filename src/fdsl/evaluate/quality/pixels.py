"""What can be said of an image from its pixels alone: how much of it is drawn on, where, and whether it is another."""

from __future__ import annotations

from dataclasses import dataclass, fields
from hashlib import sha256
from typing import Self

import numpy as np
from numpy.typing import NDArray

from fdsl.geometry.altered import Altered
from fdsl.geometry.noise import NoiseField
from fdsl.geometry.scenes import FractalScenes
from fdsl.geometry.table import Table


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Of N images each; the first three say nothing where a family has no background.

    Attributes:
        fill: share of the pixels that are not background, float64 [N].
        box: share of the image that the smallest box around those takes, float64 [N].
        border: whether one of those lies in the outermost line or column, bool [N].
        constant: whether all pixels are equal, bool [N].
        contrast: standard deviation of the gray, over channels too, in 0..255, float64 [N].
        digest: SHA-256 of the pixels, bytes, object [N].
    """

    fill: NDArray[np.float64]
    box: NDArray[np.float64]
    border: NDArray[np.bool_]
    constant: NDArray[np.bool_]
    contrast: NDArray[np.float64]
    digest: NDArray[np.object_]

    @classmethod
    def joined(cls, parts: list[Self]) -> Self:
        """Return the pixels of several batches as one."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})


def has_background(table: Table) -> bool:
    """Whether a table's images have a background: noise that is everywhere leaves none."""
    while isinstance(table, Altered):
        table = table.base
    if isinstance(table, FractalScenes):
        return table.backdrop is None
    return not isinstance(table, NoiseField)


def read_pixels(images: NDArray[np.uint8], background: int) -> Pixels:
    """Read images, uint8 [N, H, W] or [N, H, W, 3]; background is a value of all channels."""
    drawn = images != background
    if images.ndim == 4:
        drawn = drawn.any(axis=-1)
    flat = images.reshape(len(images), -1)
    return Pixels(
        fill=drawn.mean(axis=(1, 2)),
        box=_extent(drawn.any(axis=1)) * _extent(drawn.any(axis=2)),
        border=drawn[:, [0, -1]].any(axis=(1, 2)) | drawn[:, :, [0, -1]].any(axis=(1, 2)),
        constant=(images == images[:, :1, :1]).reshape(len(images), -1).all(axis=1),
        contrast=flat.std(axis=1, dtype=np.float64),
        digest=np.array([sha256(image.tobytes()).digest() for image in images], object),
    )


def _extent(lines: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share from the first to the last True of each row, [N] of [N, L]; 0 where there is none."""
    length = lines.shape[1]
    reach = length - lines[:, ::-1].argmax(axis=1) - lines.argmax(axis=1)
    return np.where(lines.any(axis=1), reach / length, 0.0)


@dataclass(frozen=True, kw_only=True)
class Repeats:
    """Images that are another's, to the pixel.

    Attributes:
        images: how many images equal another one.
        within: categories, by their place among those looked at, that hold an image twice.
        across: pairs of categories (a < b) that share one.
    """

    images: int
    within: tuple[int, ...]
    across: tuple[tuple[int, int], ...]


def repeats(digest: NDArray[np.object_], instances: int) -> Repeats:
    """Return which of C * I images are alike, those of a category one after the other."""
    places: dict[bytes, list[int]] = {}
    for number, key in enumerate(digest):
        places.setdefault(key, []).append(number // instances)
    groups = [group for group in places.values() if len(group) > 1]
    within = {place for group in groups for place in group if group.count(place) > 1}
    across = {(a, b) for group in groups for a in set(group) for b in set(group) if a < b}
    return Repeats(images=sum(map(len, groups)), within=tuple(sorted(within)), across=tuple(sorted(across)))
