"""A GPU as the renderer sees it: columns of tables sent there, memory to work in, kernels launched, on one stream."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from numba import cuda
from numpy.typing import NDArray

from fdsl.errors import InputError
from fdsl.render.cuda.compiled import SIMULATED, Kernel

Columns = TypeVar("Columns", bound=tuple[Any, ...])
DeviceArray = Any
"""An array in the GPU's memory, as numba-cuda has it; in the simulator a NumPy array."""

ALIGNMENT = 256
MOST_THREADS = 1024
"""Of a block."""
SIMULATED_THREADS = 6
"""Python's threads take turns: more of them take longer. No power of two, so that a kernel that counts on one fails."""
MOST_VIEWS = 1024
"""Of a batch's memory that are kept: a few columns have another length in every batch."""
BATCHES = 3
"""Batches whose tables may be on the way at once; the next one waits for the first."""


class Device:
    """One GPU, for one thread and one stream at a time. Memory is kept from batch to batch, and grows as needed."""

    def __init__(self, index: int = 0) -> None:
        self.index = index
        self._slots = [_Slot() for _ in range(BATCHES)]
        self._scratch: dict[str, DeviceArray] = {}
        self._stream: Any = 0
        self._turn = 0

    @contextmanager
    def batch(self, stream: int) -> Iterator[None]:
        """Make ready for one batch on the CUDA stream of this handle; 0 is the default one."""
        with cuda.gpus[self.index]:
            # of a stream that is 0 numba-cuda makes copies that wait
            self._stream = cuda.external_stream(stream) if stream else cuda.default_stream()
            slot = self._slots[self._turn]
            slot.begin()
            # the batch before may be on another stream, and works in the same scratch
            self._slots[self._turn - 1].wait(self._stream)
            try:
                yield
            finally:
                slot.end(self._stream)
                self._turn = (self._turn + 1) % BATCHES

    def upload(self, columns: Columns) -> Columns:
        """Return a named tuple with its arrays in the GPU's memory, for this batch; the host goes on at once."""
        arrays = {place: part for place, part in enumerate(columns) if isinstance(part, np.ndarray)}
        sent = self._slots[self._turn].send(list(arrays.values()), self._stream)
        parts = list(columns)
        for place, array in zip(arrays, sent, strict=True):
            parts[place] = array
        return _rebuilt(columns, parts)

    def empty(self, shape: tuple[int, ...]) -> DeviceArray:
        """Return new memory for images of that shape, uint8."""
        # what was let go is freed ten at a time, wherever the last of them happens to be: here there is a context
        cuda.current_context().deallocations.clear()
        return cuda.device_array(shape, np.uint8)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        """Return memory of that shape, unset; it is the same memory whenever the name is."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        held = self._scratch.get(name)
        if held is None or len(held) < count:
            self._scratch[name] = held = None  # no room for both may be left
            held = self._scratch[name] = cuda.device_array(max(count + count // 4, 1), np.uint8)
        return held[:count].view(dtype).reshape(shape)

    def threads(self, wanted: int) -> int:
        """Return how many threads a block has when `wanted` would all have something to do: whole warps of 32."""
        return min(MOST_THREADS, -(-wanted // 32) * 32)

    def launch(self, kernel: Kernel, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        """Ask for a run of a kernel with `shared` bytes of memory a block.

        Arrays come within named tuples: the simulator hands those of tuples to kernels as they are.
        """
        if blocks:
            kernel.launch(blocks, threads, self._stream, shared, *arguments)

    def array(self, memory: Any) -> DeviceArray:
        """Return what has a `__cuda_array_interface__`, a torch tensor say, as an array that kernels take."""
        if not hasattr(memory, "__cuda_array_interface__"):
            raise InputError(f"out must lie in a GPU's memory, as torch's tensors there, got {_kind(memory)}")
        return cuda.as_cuda_array(memory, sync=False)


class SimulatedDevice(Device):
    """What stands in for a GPU in numba-cuda's simulator: the host's own memory, and launches that return when done."""

    @contextmanager
    def batch(self, stream: int) -> Iterator[None]:
        yield

    def upload(self, columns: Columns) -> Columns:
        return _rebuilt(
            columns, [np.array(part) if isinstance(part, np.ndarray) else part for part in columns]
        )

    def empty(self, shape: tuple[int, ...]) -> DeviceArray:
        return self.scratch("", shape, np.uint8)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: Any) -> DeviceArray:
        # what a kernel reads without having set it shall not be zero by chance
        return (
            np.full(int(np.prod(shape)) * np.dtype(dtype).itemsize, 0xA5, np.uint8).view(dtype).reshape(shape)
        )

    def threads(self, wanted: int) -> int:
        return min(wanted, SIMULATED_THREADS)

    def array(self, memory: Any) -> DeviceArray:
        if not isinstance(memory, np.ndarray) or not memory.flags.writeable:
            raise InputError(f"out must be a NumPy array in the simulator, to write in, got {_kind(memory)}")
        return memory


def device_of(index: int) -> Device:
    """Return the GPU of this number; InputError if there is none."""
    found = 1 if SIMULATED else len(cuda.gpus) if cuda.is_available() else 0
    if index >= found:
        here = f"numba-cuda finds {found}" if found else "numba-cuda finds none that it can use"
        raise InputError(f"device must be the number of a GPU, got {index}: {here}")
    if SIMULATED:
        return SimulatedDevice(index)
    return Device(index)


def _kind(memory: Any) -> str:
    return (
        "a read-only array"
        if isinstance(memory, np.ndarray) and not memory.flags.writeable
        else type(memory).__name__
    )


def _rebuilt(columns: Columns, parts: list[Any]) -> Columns:
    """Return a tuple of the same kind with other parts."""
    return type(columns)(*parts) if hasattr(columns, "_fields") else type(columns)(parts)


class _Slot:
    """Memory of one batch's tables: pinned on the host, from where a GPU copies by itself, and the same over there."""

    def __init__(self) -> None:
        self._host: NDArray[np.uint8] = np.empty(0, np.uint8)
        self._there: DeviceArray = None
        self._views: dict[Any, DeviceArray] = {}
        self._used = 0
        self._free: Any = None
        self._outgrown: list[NDArray[np.uint8]] = []

    def begin(self) -> None:
        """Wait until the host's memory has been copied from."""
        if self._free is not None:
            self._free.synchronize()
        self._used = 0
        self._outgrown.clear()

    def wait(self, stream: Any) -> None:
        """Have a stream wait for the batch that was sent from here."""
        if self._free is not None:
            self._free.wait(stream)

    def end(self, stream: Any) -> None:
        """Remember what the batch has asked the stream for."""
        if self._free is None:
            self._free = cuda.event()
        self._free.record(stream)

    def send(self, arrays: list[NDArray[Any]], stream: Any) -> list[DeviceArray]:
        first = self._used
        places = []
        for array in arrays:
            places.append(self._used)
            self._used += -(-array.nbytes // ALIGNMENT) * ALIGNMENT
        if self._used > len(self._host):
            # what was sent before in this batch stays where it is; its views keep the memory over there
            self._outgrown.append(self._host)
            self._host, first = cuda.pinned_array(2 * self._used, np.uint8), 0
            self._there, self._views = cuda.device_array(2 * self._used, np.uint8), {}
            places, self._used = [place - places[0] for place in places], self._used - places[0]
        for place, array in zip(places, arrays, strict=True):
            self._host[place : place + array.nbytes].view(array.dtype).reshape(array.shape)[...] = array
        if self._used > first:
            self._there[first : self._used].copy_to_device(self._host[first : self._used], stream)
        return [self._view(place, array) for place, array in zip(places, arrays, strict=True)]

    def _view(self, place: int, array: NDArray[Any]) -> DeviceArray:
        """Return a part of the memory as an array. To make one takes 30 microseconds; batches are mostly alike."""
        key = place, array.dtype, array.shape
        if len(self._views) > MOST_VIEWS:
            self._views.clear()
        if key not in self._views:
            part = self._there[place : place + array.nbytes]
            self._views[key] = part.view(array.dtype).reshape(array.shape)
        return self._views[key]
