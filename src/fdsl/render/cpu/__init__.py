"""numba kernels over images and pixels."""
