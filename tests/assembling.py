"""Compiles every CUDA kernel for a real GPU, with none at hand, and reads the assembly; run by `test_cuda_assembly.py`.

Prints a line a kernel: its name and how many bytes of assembly it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

os.environ["NUMBA_ENABLE_CUDASIM"] = "0"

import numpy as np
from numba.cuda import codegen, dispatcher
from numba.cuda.typing.typeof import Purpose, typeof

import fdsl
from fdsl.formulas import altered_family
from fdsl.geometry.table import Table
from fdsl.render.cuda import renderer
from fdsl.render.cuda.compiled import Kernel, check_exact, exactly
from fdsl.render.cuda.device import Device, SimulatedDevice

HOPPER = SimpleNamespace(compute_capability=(9, 0), id=0)
SEEN: set[tuple[Kernel, str]] = set()


class Assembler(SimulatedDevice):
    """Compiles and links what it is asked to launch, once for arguments of the same types, and forgets it."""

    threads = Device.threads

    def launch(self, kernel: Kernel, blocks: int, threads: int, *arguments: Any, shared: int = 0) -> None:
        signature = tuple(typeof(argument, Purpose.argument) for argument in arguments)
        if (key := (kernel, str(signature))) in SEEN:
            return
        SEEN.add(key)
        name = kernel.function.__qualname__.replace(".<locals>", "")
        with exactly():  # as `Kernel.launch` compiles, to the machine code
            built = dispatcher._Kernel(kernel.function, signature, **kernel.jit.targetoptions)
            built.library.get_cubin()
            check_exact(name, built.library)
        print(name, len(built.library.get_asm_str()), flush=True)


def tables() -> Iterator[tuple[str, Table]]:
    """Yield tables that take every kernel between them."""
    for name in sorted(fdsl.families()):
        yield name, fdsl.family(name).table(0, [0], [0])
    for ink in ("point_gray", "patch_color", "point_color"):
        yield f"FractalDB {ink}", fdsl.FractalDB(classes=2, variant=ink).table(0, [0], [0])
    yield "OFDB3D textures", fdsl.OFDB3D(classes=2, variant="random_texture").table(0, [0], [0])
    for variant in ("M2", "M3"):
        yield f"SegRCDB {variant}", fdsl.SegRCDB(variant=variant).mask_table(0, [0], [0])
    for kind in ("broken=30", "scattered=9", "filled=2", "width=4"):
        yield kind, altered_family(fdsl.RCDB(classes=2), kind).table(0, [0], [0])


def main() -> None:
    """Compile for crisp lines, and for averaged and resampled ones, retouched, of a gray and a colour family."""
    renderer.device_of = Assembler
    # numba-cuda compiles for the GPU at hand, and here there may be none
    dispatcher.get_current_device = lambda: HOPPER
    codegen.devices = SimpleNamespace(get_context=lambda: SimpleNamespace(device=HOPPER))
    tone = np.arange(255, -1, -1).astype(np.uint8)
    for name, table in tables():
        print(f"# {name}", flush=True)
        renderer.CudaRenderer(32, "crisp")(table, tone=tone)
        if name in ("RCDB", "MultiFractal"):
            plan = fdsl.Augmentation(auto_augment="rand-m9-n2", random_erasing=1.0).plan(
                0, [0], [0], 0, canvas=table.canvas, size=32, channels=table.channels
            )
            for lines in ("area", "native"):
                renderer.CudaRenderer(32, lines)(table, retouch=plan.retouch)


if __name__ == "__main__":
    main()
