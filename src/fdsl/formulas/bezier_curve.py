"""BezierCurveDB, a baseline of FractalDB's paper (Kataoka et al., ACCV 2020): a class is how many of what curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fdsl.formulas.base import Family
from fdsl.formulas.grid import cells, check_cells
from fdsl.geometry.curves import BezierCurves

CANVAS = 512
LEAST_POINTS, LEAST_CURVES = 3, 1
"""Two control points would make a straight line."""


@dataclass(frozen=True, kw_only=True)
class BezierCurveDB(Family):
    """Bezier curves, white lines on black, native canvas 512; a category is how many control points and curves.

    The paper's datasets have 144 and 1,024 categories, here the square grids of 3 to 14 control points and 1 to 12
    curves, and of 3 to 34 and 1 to 32. Where a grid begins, the canvas and the colours are not published, and are this
    library's choice; so are the control points, which every instance draws anew, uniformly on the canvas. All curves of
    an image have equally many.

    Attributes:
        classes: number of categories, 2..10000, counted by growing squares: the first n^2 are the n x n grid.
    """

    classes: int = 1024

    name: ClassVar[str] = "BezierCurveDB"
    source: ClassVar[str] = "Kataoka et al., ACCV 2020, https://arxiv.org/abs/2101.08515"
    native_size: ClassVar[int] = CANVAS
    labels: ClassVar[tuple[str, ...]] = ("box", "mask")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_cells(self.classes)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return how many control points a curve has, and how many curves an image; both are the same for any seed."""
        table = self.table(seed, [k], [0])
        return {"control_points": table.points[0].item(), "curves": table.curves[0].item()}

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> BezierCurves:
        k, i = self._identity(seed, categories, instances)
        a, b = cells(k)
        return BezierCurves(
            address=self._address(seed, k, i),
            points=(a + LEAST_POINTS).astype(np.int32),
            curves=(b + LEAST_CURVES).astype(np.int32),
            canvas=CANVAS,
        )
