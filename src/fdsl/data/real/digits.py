"""scikit-learn's handwritten digits, which need no download."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.data.real.images import RealImages, labelled
from fdsl.data.real.splits import WHOLE


class Digits:
    """1,797 digits at 32 px: 8 px made 28, a margin of 2, dark on white."""

    name = "digits"
    test_share = 0.5

    def splits(self) -> tuple[str, ...]:
        """Return the one split there is."""
        return (WHOLE,)

    def knows(self, split: str) -> bool:
        """Whether it is that one."""
        return split == WHOLE

    def open(self, split: str) -> RealImages:
        """Return all digits."""
        from sklearn.datasets import load_digits

        content = load_digits()
        gray = np.round(255 - content.images * (255 / 16)).astype(np.uint8)
        return labelled(
            self.name,
            content.target,
            [str(name) for name in content.target_names],
            open_image=partial(_digit, gray),
            describe=lambda n: f"digit {n}",
        )


def _digit(gray: NDArray[np.uint8], n: int) -> Image.Image:
    canvas = Image.new("L", (32, 32), 255)
    canvas.paste(Image.fromarray(gray[n]).resize((28, 28), Image.Resampling.BICUBIC), (2, 2))
    return canvas
