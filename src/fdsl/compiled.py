"""How kernels are compiled: no fast-math anywhere, so that every processor computes the same bits.

numba's reference counting is off (`_nrt`). Kernels allocate nothing, which numba then enforces, and taking a row of an
array costs no atomic increment: with a dozen rows a step those were a third of the time of a drawing. Such a function
cannot return an array, nor a row of one. Divisions do not test for zero, one by one, as Python's would.
"""

from __future__ import annotations

from typing import Any

from numba import njit

_OPTIONS: dict[str, Any] = {"_nrt": False, "error_model": "numpy"}

kernel: Any = njit(nogil=True, cache=True, **_OPTIONS)
"""What Python calls: without the GIL, compiled once and kept on disk."""
inner: Any = njit(**_OPTIONS)
"""What kernels call."""
inlined: Any = njit(inline="always", **_OPTIONS)
"""What kernels call in their innermost loops: handed over as arguments, ten arrays cost sixty stores a call."""

VECTOR = 16
"""Vertices or orbits that an inner loop takes at a time: one constant trip count, and no scalar remainder, which for
the 70 vertices of a mean contour costs as much as the vectors. Arrays are padded to it."""
