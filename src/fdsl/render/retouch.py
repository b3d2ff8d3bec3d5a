"""What is done to finished images: tones that need the whole picture, sharpening, erasing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError
from fdsl.geometry.table import check_array

QUANTILE_BITS = 12
QUANTILES = 1 << QUANTILE_BITS


class Step(IntEnum):
    """One thing done to a finished image, as Pillow does it."""

    NONE = 0
    TONE = 1
    """A row of `Retouch.tables`."""
    AUTOCONTRAST = 2
    EQUALIZE = 3
    CONTRAST = 4
    COLOR = 5
    """Saturation; a gray image has none."""
    SHARPNESS = 6


_FACTORED = np.isin(np.arange(len(Step)), (Step.CONTRAST, Step.COLOR, Step.SHARPNESS))


@dataclass(frozen=True)
class Retouch:
    """What to do to each of N finished images: up to L steps in order, then noise in one rectangle.

    Attributes:
        steps: uint8 [N, L], values of `Step`.
        factors: float32 [N, L], of `CONTRAST`, `COLOR` and `SHARPNESS`: 1 changes nothing, 0 removes all of it.
        which: int32 [N, L], the row of `tables` that a `TONE` step applies.
        tables: uint8 [T, 256], tone curves.
        boxes: int32 [N, 4], top, left, height and width of the erased rectangle, pixels; height or width 0 for none.
        keys: uint32 [N, 2], what the noise in the rectangle is drawn from: a Philox key of the image's own.
        quantiles: uint8 [C, 4096], the gray levels of the noise at equally likely steps, a channel.

    Raises:
        InputError: a shape, a dtype or a value is wrong.
    """

    steps: NDArray[np.uint8]
    factors: NDArray[np.float32]
    which: NDArray[np.int32]
    tables: NDArray[np.uint8]
    boxes: NDArray[np.int32]
    keys: NDArray[np.uint32]
    quantiles: NDArray[np.uint8]

    def __post_init__(self) -> None:
        check_array("steps", self.steps, np.uint8, ("N", "L"))
        count, layers = self.steps.shape
        check_array("factors", self.factors, np.float32, (count, layers))
        check_array("which", self.which, np.int32, (count, layers))
        check_array("tables", self.tables, np.uint8, ("T", 256))
        check_array("boxes", self.boxes, np.int32, (count, 4))
        check_array("keys", self.keys, np.uint32, (count, 2))
        check_array("quantiles", self.quantiles, np.uint8, ("C", QUANTILES))
        if (self.steps > max(Step)).any():
            raise InputError(f"steps must be in 0..{int(max(Step))}, got {int(self.steps.max())}")
        factors = self.factors[_FACTORED[self.steps]]
        if not (np.isfinite(factors) & (factors >= 0)).all():
            raise InputError("factors must be finite and >= 0: 1 leaves an image as it is, 0 takes all of it")
        used = self.which[self.steps == Step.TONE]
        if used.size and (used.min() < 0 or used.max() >= len(self.tables)):
            raise InputError(
                f"which must name one of {len(self.tables)} tables, got {int(used.min())}..{int(used.max())}"
            )

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def busy(self) -> NDArray[np.bool_]:
        """Which images there is something to do to, bool [N]."""
        return (self.steps != Step.NONE).any(axis=1) | (self.boxes[:, 2:] > 0).all(axis=1)

    def check_fits(self, shape: tuple[int, ...]) -> None:
        """Raise InputError unless this is for images of this shape, [N, H, W] or [N, H, W, 3]."""
        count, height, width, *rest = shape
        channels = rest[0] if rest else 1
        if len(self) != count:
            raise InputError(f"retouch must have a row for each of {count} images, got {len(self)}")
        if len(self.quantiles) != channels:
            raise InputError(
                f"retouch must be for {channels} channels, got quantiles for {len(self.quantiles)}"
            )
        top, left, tall, wide = self.boxes.astype(np.int64).T
        inside = (self.boxes >= 0).all(axis=1) & (top + tall <= height) & (left + wide <= width)
        if not inside.all():
            box = self.boxes[~inside][0].tolist()
            raise InputError(
                f"boxes must lie within {height} x {width} pixels, got (top, left, height, width) {box}"
            )
