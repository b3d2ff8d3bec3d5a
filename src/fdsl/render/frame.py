"""How a batch's canvases become pixels: what every kernel is told besides the parameter table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """The way from native canvases to output pixels.

    Attributes:
        size: side of the output, pixels, H = W.
        factor: how many times larger the canvas is drawn before its pixels are averaged; 1 draws crisp lines.
        places: float64 [N, 2, 3], from native canvas coordinates to pixels of the drawn canvas.
        tones: uint8 [N, 256], the output's gray for each gray.
    """

    size: int
    factor: int
    places: NDArray[np.float64]
    tones: NDArray[np.uint8]

    @property
    def drawn(self) -> int:
        """Side of the canvas that is drawn, pixels."""
        return self.size * self.factor
