"""The random words of a training's samples, by identity and by when the sample is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError
from fdsl.random import Purpose, blocks, check_seed

STREAM = "augment"
REPEAT_BITS, DRAW_BITS = 5, 4
EPOCH_BITS = 32 - REPEAT_BITS - DRAW_BITS
EPOCHS, REPEATS, DRAWS = 1 << EPOCH_BITS, 1 << REPEAT_BITS, 1 << DRAW_BITS
"""A sample can be seen in 2^23 epochs, 32 times in each, and needs at most 16 blocks a purpose each time."""


class SampleDraws:
    """Blocks of random words for N samples.

    The last word of a block's address is epoch, repeat and draw side by side, each in bits of its own, so that no two
    ever meet.

    Args:
        seed: of the augmentation, 0..2^32-1.
        categories: of each sample, 0..2^32-1, int [N].
        instances: the same.
        epochs: when it is seen, 0..2^23-1, int [N] or one for all.
        repeats: which of the times in that epoch, 0..31, int [N] or one for all.

    Raises:
        InputError: a number is out of range, or the shapes do not fit.
    """

    def __init__(
        self, seed: int, categories: ArrayLike, instances: ArrayLike, epochs: ArrayLike, repeats: ArrayLike
    ) -> None:
        self._seed = check_seed(seed)
        parts = [
            _checked(field, values, high)
            for field, values, high in (
                ("categories", categories, 1 << 32),
                ("instances", instances, 1 << 32),
                ("epochs", epochs, EPOCHS),
                ("repeats", repeats, REPEATS),
            )
        ]
        try:
            self._categories, self._instances, epoch, repeat = np.broadcast_arrays(*parts)
        except ValueError:
            shapes = ", ".join(str(part.shape) for part in parts)
            raise InputError(
                f"categories, instances, epochs and repeats must be one number a sample, got shapes {shapes}"
            ) from None
        if self._categories.ndim != 1:
            raise InputError(f"categories must be 1-D, got shape {self._categories.shape}")
        self._moment = (epoch << (REPEAT_BITS + DRAW_BITS)) | (repeat << DRAW_BITS)

    def __len__(self) -> int:
        return len(self._categories)

    def words(
        self, purpose: Purpose, draws: ArrayLike, rows: NDArray[np.int64] | slice = slice(None)
    ) -> NDArray[np.uint32]:
        """Return the blocks numbered `draws`, int [D] in 0..15, of the samples `rows`: uint32 [n, D, 4]."""
        moment = self._moment[rows][:, None] | np.asarray(draws, np.int64)
        return blocks(
            self._seed,
            STREAM,
            self._categories[rows][:, None],
            self._instances[rows][:, None],
            purpose,
            moment,
        )


def _checked(field: str, values: ArrayLike, high: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iu":
        raise InputError(f"{field} must be integers in 0..{high - 1}, got {array.dtype}")
    if array.size and (array.min() < 0 or array.max() >= high):
        raise InputError(f"{field} must be in 0..{high - 1}, got {int(array.min())}..{int(array.max())}")
    return array.astype(np.int64)
