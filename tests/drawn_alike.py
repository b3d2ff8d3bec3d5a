"""What the tests of the GPU's kernels share: the same table drawn on the CPU and by CUDA kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.render import Renderer
from fdsl.render.cuda.compiled import SIMULATED
from fdsl.render.cuda.renderer import CudaRenderer

VIEWS = {
    "whole": [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],
    "turned": [[1.3, 0.4, -60.0], [-0.3, 1.1, 15.0]],
    "mirrored": [[-1.2, 0.0, 560.0], [0.0, 1.1, -20.0]],
    "far": [[6.0, 1.0, -900.0], [-1.0, 7.0, -900.0]],
}
"""Of a canvas of 512 pixels."""
INVERTED: NDArray[np.uint8] = np.arange(255, -1, -1).astype(np.uint8)


def cuda_images(table: Any, size: int = 32, lines: str = "crisp", **arguments: Any) -> NDArray[np.uint8]:
    """Draw a table with CUDA kernels, in the simulator or on a GPU."""
    images = CudaRenderer(size, lines)(table, **arguments)
    return images if SIMULATED else images.copy_to_host()


def assert_drawn_alike(
    table: Any, size: int = 32, lines: str = "crisp", *, blank: bool = False, **arguments: Any
) -> NDArray[np.uint8]:
    """Draw a table both ways, compare every byte, and return the images; one must show something unless `blank`."""
    expected = Renderer(size, lines, threads=1)(table, **arguments)
    drawn = cuda_images(table, size, lines, **arguments)
    np.testing.assert_array_equal(drawn, expected)
    assert blank or (expected != expected[:, :1, :1]).any()
    return expected
