"""Memory that batches pass through, used over and over: pixels on their way to a device, floats handed out and back."""

from __future__ import annotations

import weakref
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

RETURNED = 8
"""Arrays that `Recycled` keeps at most; a consumer that let go of more at once gives the rest back to the system."""


class Fence(Protocol):
    """A point in a device's work that a thread can wait for."""

    def set(self) -> None:
        """Put the point behind all work asked for so far."""

    def wait(self) -> None:
        """Block until the device has passed the point; at once if it was never set."""


class CudaFence:
    """A fence in the current stream of a CUDA device."""

    def __init__(self, device: torch.device) -> None:
        # a blocking event lets the waiting thread sleep; the default spins, on a core that could draw
        self._event = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        self._device = device

    def set(self) -> None:
        """Put the fence behind all work asked for so far in the device's current stream."""
        self._event.record(torch.cuda.current_stream(self._device))

    def wait(self) -> None:
        """Block until the device has passed the fence."""
        self._event.synchronize()


class Buffer:
    """Pixels and labels of one batch, drawn in host memory and sent to a device; drawn over when the copy is done.

    Args:
        shape: of the pixels, [B, H, W] or [B, H, W, 3].
        device: where they go.
        fence: tells when a copy is done; by default one on a CUDA device, and none elsewhere, where copies are done
            when they return.
    """

    def __init__(self, shape: tuple[int, ...], device: torch.device, fence: Fence | None = None) -> None:
        # only from pinned memory does a GPU copy by itself, while this thread goes on
        pinned = device.type == "cuda"
        self._pixels = torch.empty(shape, dtype=torch.uint8, pin_memory=pinned)
        self._labels = torch.empty(shape[:1], dtype=torch.int64, pin_memory=pinned)
        self._device = device
        self.targets: dict[str, NDArray[Any]] = {}
        """Other labels of the batch than categories; sent from memory of their own."""
        self._fence = CudaFence(device) if pinned and fence is None else fence

    def reopen(self) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return pixels and labels to write, once nobody reads them any more."""
        if self._fence is not None:
            self._fence.wait()
        return self._pixels.numpy(), self._labels.numpy()

    def send(self) -> tuple[Tensor, Tensor]:
        """Return pixels and labels on the device; on the CPU the pixels are the buffer's own until it is reopened."""
        fenced = self._fence is not None
        pixels = self._pixels.to(self._device, non_blocking=fenced)
        labels = self._labels.to(self._device, non_blocking=fenced, copy=True)
        if self._fence is not None:
            self._fence.set()
        return pixels, labels

    def send_targets(self) -> dict[str, Tensor]:
        """Return `targets` on the device."""
        return {name: torch.from_numpy(values).to(self._device) for name, values in self.targets.items()}


class Recycled:
    """Float tensors of one shape whose memory comes back when the last tensor over it is gone.

    A fresh 50 MB tensor is a page fault every 4 KB, which costs 75 microseconds an image of 224 x 224, ten times what
    filling it does.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._returned: list[NDArray[np.float32]] = []

    def tensor(self) -> Tensor:
        """Return an unfilled float32 tensor that shares memory with no other that anybody still has."""
        memory = self._returned.pop() if self._returned else np.empty(self._shape, np.float32)
        lent = memory.view()  # torch holds it as long as any tensor over it lives
        weakref.finalize(lent, _give_back, self._returned, memory).atexit = False
        return torch.from_numpy(lent)


def _give_back(returned: list[NDArray[np.float32]], memory: NDArray[np.float32]) -> None:
    if len(returned) < RETURNED:
        returned.append(memory)
