"""PerlinNoiseDB, a baseline of FractalDB's paper (Kataoka et al., ACCV 2020): a class is a pair of frequencies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from fdsl.formulas.base import Family
from fdsl.formulas.grid import cells, check_cells
from fdsl.geometry.noise import ZERO, NoiseField

CANVAS = 256


@dataclass(frozen=True, kw_only=True)
class PerlinNoiseDB(Family):
    """2-D gradient noise, gray, native canvas 256; a category is how many cells lie across the canvas, and down it.

    The paper's datasets have 100 and 1,296 categories, here the square grids of 1 to 10 and of 1 to 36 cells. Where a
    grid begins, the canvas and the grays are not published, and are this library's choice: gray 128 where the noise
    is 0, which is what its cells' corners are, and 180 grays a unit of noise, whose range, +-0.707, they just hold.
    Every instance draws the gradients at the corners anew. The noise goes on beyond the canvas, where a view may look.

    Attributes:
        classes: number of categories, 2..10000, counted by growing squares: the first n^2 are the n x n grid.
    """

    classes: int = 1296

    name: ClassVar[str] = "PerlinNoiseDB"
    source: ClassVar[str] = "Kataoka et al., ACCV 2020, https://arxiv.org/abs/2101.08515"
    native_size: ClassVar[int] = CANVAS
    background: ClassVar[int] = ZERO

    def __post_init__(self) -> None:
        super().__post_init__()
        check_cells(self.classes)

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the cells across the canvas and down it, the same for any seed."""
        across, down = self.table(seed, [k], [0]).cells[0].tolist()
        return {"frequency_x": across, "frequency_y": down}

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NoiseField:
        k, i = self._identity(seed, categories, instances)
        frequencies = np.stack(cells(k), axis=1) + 1
        return NoiseField(
            address=self._address(seed, k, i), cells=frequencies.astype(np.int32), canvas=CANVAS
        )
