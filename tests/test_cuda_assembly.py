"""Every CUDA kernel compiles for a real GPU, and rounds as the CPU does: from the assembly, which needs no GPU."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fdsl.render.cuda.renderer import _DRAWERS

HERE = Path(__file__).parent


def test_kernels_compile_and_contract_nothing():
    pytest.importorskip("cuda.pathfinder")
    ready = {**os.environ, "NUMBA_ENABLE_CUDASIM": "0"}
    run = subprocess.run(
        [sys.executable, HERE / "assembling.py"], env=ready, capture_output=True, text=True, check=False
    )
    if "libnvvm" in run.stderr.lower() and "cannot be found" in run.stderr.lower():
        pytest.skip("no libnvvm: pip install 'numba-cuda[cu13]'")
    assert run.returncode == 0, run.stderr[-2000:]
    kernels = {line.split()[0] for line in run.stdout.splitlines() if not line.startswith("#")}
    assert len(kernels) >= len(_DRAWERS)
