"""Random resized crops as views: an affine an image, drawn from the sample's identity and epoch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fdsl.random import Purpose, blocks, uniform

STREAM = "augment"
ASPECT = (3 / 4, 4 / 3)


def random_resized_crops(
    seed: int,
    categories: NDArray[np.int64],
    instances: NDArray[np.int64],
    epoch: NDArray[np.int64],
    canvas: int,
    scale: tuple[float, float],
) -> NDArray[np.float64]:
    """Return views that show a random part of the canvas at full size.

    Area is U(scale) of the canvas, aspect ratio log-uniform in 3/4..4/3, place uniform; a side that would not fit is
    cut to the canvas.

    Returns:
        float64 [N, 2, 3], native canvas to native canvas.
    """
    word = blocks(seed, STREAM, categories, instances, Purpose.AUGMENT_VIEW, epoch)
    area = uniform(word[:, 0], *scale)
    aspect = np.exp(uniform(word[:, 1], np.log(ASPECT[0]), np.log(ASPECT[1])))
    width = np.minimum(np.sqrt(area * aspect), 1.0)
    height = np.minimum(np.sqrt(area / aspect), 1.0)
    views = np.zeros((len(word), 2, 3))
    for axis, extent in enumerate((width, height)):
        start = uniform(word[:, 2 + axis]) * (1 - extent) * canvas
        views[:, axis, axis] = 1 / extent
        views[:, axis, 2] = -start / extent
    return views
