"""Families that alter the images of another, to see what pre-training learns from (Kataoka et al., CVPR 2022).

The paper's first hypothesis is that contours matter. Each alteration takes something from them, or leaves little else,
and has a strength of its own; labels stay those of the base.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice, check_int
from fdsl.formulas.base import Family
from fdsl.geometry.altered import KINDS, Altered
from fdsl.geometry.table import Table

OF_THE_BASE = ("classes", "native_size", "background", "target", "objects")
UNMOVED = ("parameters", "box", "mask")
"""Labels that an altered image keeps from its base."""
MOST_DIGITS = 18
"""Of a strength that is read: Python refuses to make a number of thousands."""


@dataclass(frozen=True)
class Alteration(Family):
    """Another family's images, altered after they are drawn: on the canvas, before averaging, resampling and tones.

    What is altered is what the view shows. With `lines="native"` that is the whole canvas, and a crop shows a part of
    the altered picture; otherwise the crop itself is altered. A shape that the edge cuts open encloses nothing, and ink
    beyond the edge comes from nowhere.

    Raises:
        InputError: the base is no family, or the strength is out of range.
    """

    base: Family
    classes: int = field(init=False, repr=False, kw_only=True)

    source: ClassVar[str] = "Kataoka et al., CVPR 2022, https://arxiv.org/abs/2206.09132"
    kind: ClassVar[str]
    """Of `geometry.altered.KINDS`, and the name on the command line."""
    strength: ClassVar[str]
    """Name of the field that is its strength."""

    def __post_init__(self) -> None:
        if not isinstance(self.base, Family):
            raise InputError(f"base must be a Family such as fdsl.RCDB(), got {self.base!r}")
        for name in OF_THE_BASE:  # class variables of other families
            object.__setattr__(self, name, getattr(self.base, name))
        object.__setattr__(self, "labels", tuple(name for name in self.base.labels if name in UNMOVED))
        super().__post_init__()
        object.__setattr__(self, self.strength, self.checked(getattr(self, self.strength)))

    @classmethod
    def checked(cls, strength: object) -> int:
        """Return `strength`, or raise InputError."""
        return check_int(cls.strength, strength, *KINDS[cls.kind])

    @property
    def channels(self) -> int:
        return self.base.channels

    @property
    def stream(self) -> str:
        return self.base.stream

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the parameters of the base's category."""
        return self.base.category(seed, k)

    def contents(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.int64]:
        return self.base.contents(seed, categories, instances)

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> Altered:
        k, i = self._identity(seed, categories, instances)
        return Altered(
            base=self.base.table(seed, k, i),
            address=self._address(seed, k, i),
            kind=self.kind,
            strength=getattr(self, self.strength),
        )

    @property
    def parameter_names(self) -> tuple[str, ...]:
        return self.base.parameter_names

    def parameters(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.float32]:
        """Return the base's."""
        return self.base.parameters(seed, categories, instances)

    def mask_table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> Table:
        """Return the base's: objects lie where they lay."""
        return self.base.mask_table(seed, categories, instances)

    def definition(self) -> dict[str, Any]:
        return {
            "family": self.name,
            "version": self.version,
            "base": self.base.definition(),
            self.strength: getattr(self, self.strength),
        }


@dataclass(frozen=True)
class BrokenContours(Alteration):
    """Contours interrupted by straight lines in the colour of the background, whose ends lie anywhere on the canvas.

    The ends follow the view, so that lines move with a crop; a line is a pixel wide, as strokes are.

    Attributes:
        base: the family whose images are altered.
        strokes: lines an image; 0 changes nothing.
    """

    strokes: int = field(kw_only=True)

    name: ClassVar[str] = "BrokenContours"
    kind: ClassVar[str] = "broken"
    strength: ClassVar[str] = "strokes"


@dataclass(frozen=True)
class ScatteredPoints(Alteration):
    """Contours dissolved into points: each lit pixel is moved by a random offset, what leaves the canvas is lost.

    An offset is uniform along each axis of the canvas and follows the view; pixels that lie in one pixel of the native
    canvas move together. Where two meet, the ink farther from the background stays.

    Attributes:
        base: the family whose images are altered.
        distance: how far at most along each axis, pixels of the native canvas; 0 changes nothing.
    """

    distance: int = field(kw_only=True)

    name: ClassVar[str] = "ScatteredPoints"
    kind: ClassVar[str] = "scattered"
    strength: ClassVar[str] = "distance"


@dataclass(frozen=True)
class FilledShapes(Alteration):
    """Silhouettes: all that the background cannot reach from the border of the picture, in one ink.

    The background goes from pixel to pixel along lines and columns, not diagonally. The ink is the strongest of the
    image, the one farthest from the background: a mean could be the background itself.

    Attributes:
        base: the family whose images are altered.
        erosion: pixels of the drawn canvas taken away at the outside; 1 takes the outline itself, 0 nothing.
    """

    erosion: int = field(default=0, kw_only=True)

    name: ClassVar[str] = "FilledShapes"
    kind: ClassVar[str] = "filled"
    strength: ClassVar[str] = "erosion"


@dataclass(frozen=True)
class OutlineOnly(Alteration):
    """The boundary of the silhouette of `FilledShapes`, in its ink: what an erosion by as many pixels takes away.

    Attributes:
        base: the family whose images are altered.
        width: of the boundary, pixels of the drawn canvas.
    """

    width: int = field(default=1, kw_only=True)

    name: ClassVar[str] = "OutlineOnly"
    kind: ClassVar[str] = "outline"
    strength: ClassVar[str] = "width"


@dataclass(frozen=True)
class LineWidth(Alteration):
    """Thicker lines: every lit pixel becomes a square. Where two meet, the ink farther from the background stays.

    Attributes:
        base: the family whose images are altered.
        width: side of the square, pixels of the drawn canvas, where published lines have 1, which changes nothing; an
            even square reaches a pixel further right and down.
    """

    width: int = field(kw_only=True)

    name: ClassVar[str] = "LineWidth"
    kind: ClassVar[str] = "width"
    strength: ClassVar[str] = "width"


ALTERATIONS: dict[str, type[Alteration]] = {
    cls.kind: cls for cls in (BrokenContours, ScatteredPoints, FilledShapes, OutlineOnly, LineWidth)
}


def read_alterations(name: str, texts: Iterable[str]) -> list[tuple[type[Alteration], int]]:
    """Read KIND=STRENGTH texts, such as "broken=20", given as the field `name`.

    Raises:
        InputError: a kind is unknown, or a strength is no integer or out of range.
    """
    read = []
    for text in texts:
        kind, equals, strength = str(text).partition("=")
        if not equals:
            raise InputError(f"{name} must be KIND=STRENGTH, kinds {', '.join(ALTERATIONS)}, got {text!r}")
        cls = ALTERATIONS[check_choice(f"{name}, kind", kind, ALTERATIONS)]
        plain = strength.isascii() and strength.isdecimal() and len(strength) <= MOST_DIGITS
        try:
            read.append((cls, cls.checked(int(strength) if plain else strength)))
        except InputError as error:
            raise InputError(f"{name}, {kind}: {error}") from error
    return read


def altered_family(family: Family, *texts: str) -> Family:
    """Return `family` with alterations such as "broken=20" on top, the first one first.

    Raises:
        InputError: a text cannot be read, see `read_alterations`.
    """
    for cls, strength in read_alterations("alter", texts):
        family = cls(family, **{cls.strength: strength})
    return family
