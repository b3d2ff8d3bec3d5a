"""2D-OFDB and 3D-OFDB (Nakamura et al., ICCV 2023): one fractal a category, and what varies is how it is seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import check_choice, check_int
from fdsl.formulas import exfractaldb, fractaldb
from fdsl.formulas.exfractaldb import JITTER_DEGREES, ExFractalDB
from fdsl.formulas.fractaldb import FractalDB
from fdsl.formulas.ifs import MapFamily, Systems
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.random import Purpose, uniform, words

MOST_AXES, MOST_VIEWS = 3, 360
FIRST_DEGREES = 30.0


@dataclass(frozen=True, kw_only=True)
class OFDB2D(MapFamily):
    """FractalDB's categories with one drawing each, native canvas 512: the maps unscaled, one sequence of points.

    Instance 0 of a category is FractalDB's and all there is in the published dataset. The others are its *random
    pattern*: a new random 3x3 patch at each of the same points. Flips and crops are left to augmentation.

    Attributes:
        variant: "patch_gray" (the published default), "patch_or" or "patch_color", as FractalDB's; plain points have no
            pattern to vary.
        points: points an image.
        files: published categories instead of searched ones, as FractalDB's: see `from_csv`.
    """

    variant: str = "patch_gray"
    points: int = 100_000

    name: ClassVar[str] = "OFDB2D"
    source: ClassVar[str] = "Nakamura et al., ICCV 2023, https://arxiv.org/abs/2307.14710"
    variants: ClassVar[tuple[str, ...]] = ("patch_gray", "patch_or", "patch_color")
    native_size: ClassVar[int] = fractaldb.CANVAS
    labels: ClassVar[tuple[str, ...]] = FractalDB.labels
    parts: ClassVar[int] = fractaldb.PARTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, self.variants)
        _ = self.drawings  # which checks the points

    @property
    def drawings(self) -> FractalDB:
        """The dataset whose first drawings these are."""
        return FractalDB(classes=self.classes, variant=self.variant, points=self.points, files=self.files)

    @property
    def stream(self) -> str:
        return self.drawings.stream

    @property
    def channels(self) -> int:
        return self.drawings.channels

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps2D:
        k, i = self._identity(seed, categories, instances)
        return replace(self.drawings.table(seed, k, np.zeros_like(i)), patterns=self._address(seed, k, i))

    def _searched(self, seed: int) -> Systems:
        return self.drawings.systems(seed)


@dataclass(frozen=True, kw_only=True)
class OFDB3D(MapFamily):
    """ExFractalDB's categories with one cloud of points each, the maps unscaled, seen from fixed viewpoints.

    White points on black, native canvas 224. Instance i shows view i mod `views` ** `axes`. As in the released program,
    view v turns the camera about the vertical axis by v * 360 / `views` + 30 degrees, with a jitter of at most 3.15
    degrees that belongs to category and view; with the default of one axis and 12 views those are MV-FractalDB's
    viewpoints, counted from another side. Further axes turn it on about its own depth axis, then its own vertical axis,
    by as many steps each, the first axis changing fastest.

    Attributes:
        views: steps of a turn; 12 is the published dataset, with which it reports its best results.
        axes: axes the camera turns about, 1 to 3 (the released programs for "1 view", "2 view" and "3 view").
        least_variance: of a category's normalised cloud along each axis, as ExFractalDB's.
        points: points a cloud.
        files: published categories instead of searched ones, as ExFractalDB's: see `from_csv`.
    """

    views: int = 12
    axes: int = 1
    least_variance: float = 0.05
    points: int = exfractaldb.POINTS

    name: ClassVar[str] = "OFDB3D"
    source: ClassVar[str] = "Nakamura et al., ICCV 2023, https://arxiv.org/abs/2307.14710"
    native_size: ClassVar[int] = exfractaldb.CANVAS
    labels: ClassVar[tuple[str, ...]] = ExFractalDB.labels
    parts: ClassVar[int] = exfractaldb.PARTS

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("views", self.views, 1, MOST_VIEWS)
        check_int("axes", self.axes, 1, MOST_AXES)
        _ = self.drawings  # which checks the other fields

    @property
    def drawings(self) -> ExFractalDB:
        """The dataset whose first clouds these are."""
        return ExFractalDB(
            classes=self.classes, least_variance=self.least_variance, points=self.points, files=self.files
        )

    @property
    def stream(self) -> str:
        return self.drawings.stream

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> AffineMaps3D:
        k, i = self._identity(seed, categories, instances)
        view = i % self.views**self.axes
        step = view[:, None] // self.views ** np.arange(self.axes) % self.views
        jitter = uniform(
            words(seed, self.stream, k, view, Purpose.VIEWPOINT, self.axes), -JITTER_DEGREES, JITTER_DEGREES
        )
        angles = np.radians(step * (360 / self.views) + FIRST_DEGREES + jitter)
        return replace(self.drawings.table(seed, k, np.zeros_like(i)), rotation=turned_camera(angles))

    def _searched(self, seed: int) -> Systems:
        return self.drawings.systems(seed)


def turned_camera(angles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the rotations from world to camera, float64 [N, 3, 3]: rows right, up, backward; the world's up is +y.

    Args:
        angles: radians, [N, A], A up to 3: about y, then about the turned z, then about the twice turned y of a camera
            that looks along +x.
    """
    turned = np.broadcast_to(np.eye(3), (len(angles), 3, 3))
    for number, angle in enumerate(angles.T):
        sin, cos, zero, one = np.sin(angle), np.cos(angle), np.zeros_like(angle), np.ones_like(angle)
        if number == 1:
            rows = [[cos, -sin, zero], [sin, cos, zero], [zero, zero, one]]
        else:
            rows = [[cos, zero, sin], [zero, one, zero], [-sin, zero, cos]]
        turned = turned @ np.stack([np.stack(row, axis=1) for row in rows], axis=1)
    looking, up, right = turned[:, :, 0], turned[:, :, 1], turned[:, :, 2]
    return np.stack([right, up, -looking], axis=1)
