"""numba-cuda kernels, one block an image; each module is a GPU's way of doing what its namesake in `cpu` does.

Formulas are the CPU's own functions, compiled for the device. Kernels hold what differs: which thread does what.
"""

from fdsl.errors import InputError

try:
    import numba_cuda  # noqa: F401, without it numba has no CUDA of its own any more, or an old one
    from numba import cuda  # noqa: F401
except ImportError as error:
    raise InputError("drawing on a GPU needs numba-cuda: pip install 'fdsl[cuda]'") from error
