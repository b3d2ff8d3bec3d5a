"""Randomness without state: Philox4x32-10 and draws by address. Needs NumPy alone; `scalar` needs numba."""

from fdsl.random.draws import NO_INSTANCE, blocks, check_seed, integer, stream_word, uniform, words
from fdsl.random.philox import philox4x32
from fdsl.random.purpose import Purpose

__all__ = [
    "NO_INSTANCE",
    "Purpose",
    "blocks",
    "check_seed",
    "integer",
    "philox4x32",
    "stream_word",
    "uniform",
    "words",
]
