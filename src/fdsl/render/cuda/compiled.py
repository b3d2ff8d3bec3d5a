"""How kernels are compiled for GPUs: each operation is rounded by itself, so that a GPU computes the CPU's bits.

NVVM makes one instruction, rounded once, of a product and a sum unless it is told not to. numba-cuda has no word for
that, so the option is added to its call of NVVM, and the assembly of every kernel is read to see that it was heeded.
What `fdsl.compiled` compiles for the CPU, kernels call as it is: numba-cuda compiles it once more, for the device.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import cuda
from numba.core import config

from fdsl.errors import FdslError

SIMULATED = bool(config.ENABLE_CUDASIM)
"""Whether kernels run in numba-cuda's simulator, a Python thread for each of the GPU's: NUMBA_ENABLE_CUDASIM=1."""
OPTIONS = {"max_registers": 64, "lto": False}
"""Registers: a multiprocessor has so many for each of 1,024 threads, the largest block. Optimization at link time,
numba-cuda's default where it can, makes the machine code anew, and contracts whatever NVVM was told."""
CONTRACTED = re.compile(r"\bfma\.|\b(?:add|sub|mul)\.f(?:32|64)\b|\.(?:full|approx|ftz)\b")
"""Instructions that are a product and a sum at once, may be made so by the assembler, or are not rounded correctly."""

_compiling = threading.RLock()


def _let_others_run() -> None:
    """Have the simulator sleep between its looks at threads: it never stops looking, and takes 19 of 20 turns."""
    from numba.cuda.simulator.kernel import BlockThread

    def is_alive(thread: threading.Thread) -> bool:
        time.sleep(2e-5)
        return threading.Thread.is_alive(thread)

    BlockThread.is_alive = is_alive


if SIMULATED:
    _let_others_run()

inner: Any = cuda.jit(device=True)
"""What kernels call that asks for its thread or waits for others; everything else is an `inner` of `fdsl.compiled`."""


class Kernel:
    """What the host launches, compiled when it is first launched with arguments of these types."""

    def __init__(self, function: Callable[..., None]) -> None:
        self.function = function
        self.__doc__ = function.__doc__
        self.jit: Any = cuda.jit(function, **({} if SIMULATED else OPTIONS))
        self._checked = 0

    def launch(self, blocks: int, threads: int, stream: Any, shared: int, *arguments: Any) -> None:
        """Ask for a run of the kernel, `shared` bytes of memory a block; return without waiting for it."""
        with exactly():
            self.jit[blocks, threads, stream, shared](*arguments)
            if not SIMULATED and len(self.jit.overloads) > self._checked:
                for overload in self.jit.overloads.values():
                    check_exact(self.function.__name__, overload.library)
                self._checked = len(self.jit.overloads)


kernel = Kernel


def check_exact(name: str, library: Any) -> None:
    """Raise FdslError if what a kernel was linked from holds floating-point instructions that a CPU's do not equal.

    Args:
        name: of the kernel.
        library: numba-cuda's code library of it.
    """
    # of no architecture in particular: that is the text which was linked, and not one compiled to be looked at
    found = CONTRACTED.search(library.get_asm_str())
    if found or library._lto:
        what = repr(found[0]) if found else "optimization at link time, which contracts"
        raise FdslError(
            f"numba-cuda compiled {name} with {what}: pixels would not be those of the CPU; "
            "this version of it cannot be used"
        )


@contextmanager
def exactly() -> Iterator[None]:
    """Have NVVM keep products and sums apart; and numba-cuda keep quiet about batches of fewer than 128 images."""
    if SIMULATED:
        yield
        return
    from numba.cuda import dispatcher
    from numba.cuda.cudadrv import nvvm

    with _compiling:
        compile_ir, warns = nvvm.compile_ir, dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS
        nvvm.compile_ir = lambda ir, **options: compile_ir(ir, **{**options, "fma": False})
        dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
        try:
            yield
        finally:
            nvvm.compile_ir = compile_ir
            dispatcher.config.CUDA_LOW_OCCUPANCY_WARNINGS = warns
