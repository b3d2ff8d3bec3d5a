"""The renderer on a GPU: parameter tables in, pixels where they are consumed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_int
from fdsl.geometry.affine2d import AffineMaps2D
from fdsl.geometry.affine3d import AffineMaps3D
from fdsl.geometry.altered import Altered
from fdsl.geometry.curves import BezierCurves
from fdsl.geometry.noise import NoiseField
from fdsl.geometry.radial import RadialStrokes
from fdsl.geometry.scenes import FractalScenes
from fdsl.geometry.table import Table
from fdsl.render.cuda import affine2d, affine3d, altered, curves, noise, radial, scenes
from fdsl.render.cuda.canvas import Canvas, Drawing
from fdsl.render.cuda.device import Device, DeviceArray, device_of
from fdsl.render.cuda.finish import finisher
from fdsl.render.cuda.retouch import retouch_on
from fdsl.render.frame import COPY, Frame
from fdsl.render.renderer import Sizes, check_retouch, drawer_of
from fdsl.render.retouch import Retouch

SCRATCH = 512 << 20
"""Bytes that a batch works in at most, beside its images; a larger one is drawn in parts, one after the other."""

_DRAWERS: dict[type, Callable[[Any, Frame, Device], Drawing]] = {
    RadialStrokes: radial.drawer,
    AffineMaps2D: affine2d.drawer,
    AffineMaps3D: affine3d.drawer,
    FractalScenes: scenes.drawer,
    Altered: lambda table, frame, device: altered.drawer(table, frame, device, partial(drawer_of, _DRAWERS)),
    BezierCurves: curves.drawer,
    NoiseField: noise.drawer,
}


class CudaRenderer(Sizes):
    """Draws batches on a GPU, the pixels that `Renderer` draws, from one thread at a time.

    A call copies the table to the GPU, asks for the drawing on a CUDA stream and returns; whoever reads the images on
    that stream, or waits for it, finds them drawn. Needs numba-cuda. With NUMBA_ENABLE_CUDASIM=1 kernels run in its
    simulator, which needs no GPU and is slow, and images are NumPy arrays.

    Args:
        size: side of the square output, 32..1024 pixels.
        lines: as `Renderer` takes it.
        device: number of the GPU.

    Raises:
        InputError: an argument is out of range, numba-cuda is missing, or there is no such GPU.
    """

    def __init__(self, size: int = 224, lines: str = "auto", device: int = 0) -> None:
        super().__init__(size, lines)
        self.device = device_of(check_int("device", device, 0))

    def __call__(
        self,
        table: Table,
        view: ArrayLike | None = None,
        tone: ArrayLike | None = None,
        retouch: Retouch | None = None,
        out: Any = None,
        stream: int = 0,
    ) -> Any:
        """Ask for all rows of a parameter table to be drawn.

        Args:
            table: one of the geometries' tables, N rows.
            view: as `Renderer` takes it.
            tone: likewise.
            retouch: likewise.
            out: where to draw, what has a `__cuda_array_interface__`, a torch tensor on the GPU, say: uint8 [N, size,
                size] or [N, size, size, 3], C-contiguous; in the simulator a NumPy array.
            stream: handle of the CUDA stream, as `torch.cuda.current_stream().cuda_stream`; 0 is the default one.

        Returns:
            `out`, or a device array of numba-cuda's, which `torch.as_tensor` takes without a copy.

        Raises:
            InputError: as from `Renderer`; nothing is drawn.
        """
        check_int("stream", stream, 0)
        drawer, shape = drawer_of(_DRAWERS, table), self.shape(table)
        check_retouch(retouch, shape)
        frame = self.frame(table, view, tone) if len(table) else None
        self._check_place(out)
        with self.device.batch(stream):
            result = self.device.empty(shape) if out is None else out
            images = self.device.array(result)
            check_out(images, shape)
            if frame is not None:
                images_NP = images.reshape(len(table), -1)
                self._draw(drawer(table, frame, self.device), frame, table, images_NP)
                if retouch is not None:
                    retouch_on(self.device, retouch, images_NP, self.size, SCRATCH)
        return result

    def _check_place(self, out: Any) -> None:
        """Raise InputError for a tensor on another GPU: kernels that write there take the whole process down."""
        index = getattr(getattr(out, "device", None), "index", None)
        if isinstance(index, int) and index != self.device.index:
            raise InputError(
                f"out must be on GPU {self.device.index}, where this renderer draws, got {index}"
            )

    def _draw(self, drawing: Drawing, frame: Frame, table: Table, images_NP: DeviceArray) -> None:
        cells = frame.drawn**2 * table.channels
        each = drawing.bytes + (0 if frame.way == COPY else cells)
        most = max(1, SCRATCH // max(each, 1))
        inks, step = self._inks(frame)
        finish = finisher(frame, table.background, table.channels, self.device)
        for first in range(0, len(table), most):
            part_NP = images_NP if len(table) <= most else images_NP[first : first + most]
            if finish is None:
                drawing.draw(Canvas(part_NP, first, inks, step))
                continue
            canvases = self.device.scratch("canvas", (len(part_NP), cells), np.uint8)
            drawing.draw(Canvas(canvases, first, inks, step))
            finish(canvases, part_NP, first)

    def _inks(self, frame: Frame) -> tuple[DeviceArray, int]:
        """Return the curves that inks are looked up in: each image's own where grays do not mix before they apply."""
        plain: NDArray[np.uint8] = np.arange(256, dtype=np.uint8)[None]
        own = frame.way == COPY and not (frame.tones == plain).all()
        return self.device.upload((frame.tones if own else plain,))[0], int(own)


def check_out(images: DeviceArray, shape: tuple[int, ...]) -> None:
    """Raise InputError unless a device array can be drawn into."""
    if tuple(images.shape) != shape or images.dtype != np.uint8 or not _contiguous(images):
        raise InputError(f"out must be C-contiguous uint8 {shape}, got {images.dtype} {tuple(images.shape)}")


def _contiguous(images: DeviceArray) -> bool:
    return images.flags.c_contiguous if isinstance(images, np.ndarray) else images.is_c_contiguous()
