"""Batches drawn on the GPU that consumes them, on a stream of its own beside the training."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from fdsl.data.dataset import FormulaDataset
from fdsl.errors import FdslError, InputError, check_choice, first_line
from fdsl.render.retouch import Retouch

if TYPE_CHECKING:
    from fdsl.render.cuda.renderer import CudaRenderer

Fence = torch.cuda.Event | None
"""A point in the work of a GPU; None in the simulator, where all is done when it is asked for."""

RENDERERS = ("auto", "cpu", "cuda")
LEAD = 4
"""Batches that may have been handed over and not yet come up in the training's stream: a batch takes memory until its
turn, and who replays recorded work can be far ahead of it."""
COMPARED = 8
"""Images of the first batch that the CPU draws, too."""


def tried_device(device: torch.device | str) -> torch.device:
    """Return the device, tried out; InputError if torch does not find it here."""
    try:
        found = torch.device(device)
        torch.empty(1, device=found)
    except (RuntimeError, AssertionError, TypeError) as error:
        raise InputError(
            f"device must be one that torch finds here, got {device!r}: {first_line(error)}"
        ) from error
    return found


def choose_renderer(renderer: str, device: torch.device) -> str:
    """Return "cuda" or "cpu"; "auto" is "cuda" where batches go to an NVIDIA GPU and numba-cuda is installed.

    Raises:
        InputError: there is no such renderer, numba-cuda is missing, or it would draw on another device.
    """
    check_choice("renderer", renderer, RENDERERS)
    here = device.type == "cuda" and torch.version.cuda is not None
    if renderer == "cpu" or (renderer == "auto" and not (here and find_spec("numba_cuda"))):
        return "cpu"
    from fdsl.render.cuda.compiled import SIMULATED

    # the simulator's kernels work in the host's memory
    fits = device.type == "cpu" if SIMULATED else here
    if renderer == "cuda" and not fits:
        why = "numba-cuda simulates one in the CPU's memory" if SIMULATED else "that is no NVIDIA GPU"
        raise InputError(f"renderer must be cpu where batches go to device {device}, got cuda: {why}")
    return "cuda" if fits else "cpu"


class OnDevice:
    """Draws images of a dataset where they are consumed.

    All that happens within `stream` is asked for and not waited for. The first images drawn are compared with the
    CPU's: whatever a driver or a compiler makes of the kernels, nobody trains on other pixels than the dataset's.

    Args:
        dataset: what to draw.
        device: where.
    """

    def __init__(self, dataset: FormulaDataset, device: torch.device) -> None:
        from fdsl.render.cuda.renderer import CudaRenderer

        self._dataset, self._device = dataset, device
        self._stream = None if device.type == "cpu" else torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
        self._renderer: CudaRenderer = CudaRenderer(dataset.size, dataset.lines, _number(device))
        self._lock = threading.Lock()
        self._compared = False
        self._handed: deque[torch.cuda.Event] = deque()

    def begin(self) -> None:
        """Let the stream see what this thread has asked the device for so far."""
        if self._stream is not None:
            self._stream.wait_stream(torch.cuda.current_stream(self._device))

    @contextmanager
    def stream(self) -> Iterator[None]:
        """Have torch ask for work on the drawing's own stream, once the training has come near enough."""
        while len(self._handed) > LEAD:
            self._handed.popleft().synchronize()
        with self._lock, torch.cuda.stream(self._stream):  # None is no other stream
            yield

    def draw(
        self,
        categories: NDArray[np.int64],
        instances: NDArray[np.int64],
        view: ArrayLike | None = None,
        tone: ArrayLike | None = None,
        retouch: Retouch | None = None,
    ) -> Tensor:
        """Return images by identity, uint8 [N, H, W] or [N, H, W, 3]; within `stream`.

        Raises:
            FdslError: these are not the CPU's.
        """
        dataset = self._dataset
        table = dataset.family.table(dataset.seed, categories, instances)
        pixels = torch.empty(self._renderer.shape(table), dtype=torch.uint8, device=self._device)
        if self._stream is None:
            self._renderer(table, view, tone, retouch, pixels.numpy())
        else:
            self._renderer(table, view, tone, retouch, pixels, self._stream.cuda_stream)
        if not self._compared:
            self._compare(pixels, categories, instances, view, tone, retouch)
            self._compared = True
        return pixels

    def _compare(
        self,
        drawn: Tensor,
        categories: NDArray[np.int64],
        instances: NDArray[np.int64],
        view: ArrayLike | None,
        tone: ArrayLike | None,
        retouch: Retouch | None,
    ) -> None:
        """Draw the first images on the CPU, too."""
        first = slice(0, COMPARED)
        expected = self._dataset.draw(
            categories[first],
            instances[first],
            None if view is None else np.asarray(view)[first],
            None if tone is None else np.asarray(tone)[first],
            None if retouch is None else _rows(retouch, first),
        )
        different = int((drawn[first].cpu().numpy() != expected).sum())
        if different:
            raise FdslError(
                f"the GPU drew {different} of {expected.size} pixels unlike the CPU: with renderer='cpu' "
                "images are those of the dataset; please report the GPU and the versions of numba-cuda and its driver"
            )

    def send(self, values: NDArray[Any]) -> Tensor:
        """Return a copy of the values on the device; within `stream`."""
        tensor = torch.from_numpy(values)
        return (
            tensor.clone()
            if self._stream is None
            else tensor.pin_memory().to(self._device, non_blocking=True)
        )

    def fence(self) -> Fence:
        """Return a point behind all that was asked for so far; within `stream`."""
        return None if self._stream is None else self._stream.record_event()

    def hand_over(self, fence: Fence, tensors: list[Tensor]) -> None:
        """Let the caller's stream wait for a fence, and keep the tensors' memory until it is past their last use."""
        if fence is None:
            return
        consumer = torch.cuda.current_stream(self._device)
        come_up = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        come_up.record(consumer)
        self._handed.append(come_up)
        consumer.wait_event(fence)
        for tensor in tensors:
            tensor.record_stream(consumer)


def _number(device: torch.device) -> int:
    if device.type == "cpu":
        return 0
    return torch.cuda.current_device() if device.index is None else device.index


def _rows(retouch: Retouch, rows: slice) -> Retouch:
    """Return what is done to some of the images."""
    own = ("steps", "factors", "which", "boxes", "keys")
    return replace(retouch, **{name: getattr(retouch, name)[rows] for name in own})
