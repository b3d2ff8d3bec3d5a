"""Arrays that kernels work in, one set a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

Scratch = TypeVar("Scratch")


def per_thread(make: Callable[[], Scratch]) -> Callable[[], Scratch]:
    """Return a function that gives each thread a value of its own, made when the thread first asks.

    A fractal's orbits are a megabyte: made anew for every few images they cost a page fault every 4 KB.
    """
    own = threading.local()

    def value() -> Scratch:
        if not hasattr(own, "value"):
            own.value = make()
        return own.value

    return value
