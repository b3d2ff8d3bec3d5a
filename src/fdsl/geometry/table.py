"""What every geometry's parameter table has."""

from __future__ import annotations

from typing import Protocol


class Table(Protocol):
    """Parameters of a batch, one row an image, for one geometry kind."""

    @property
    def canvas(self) -> int:
        """Side of the native canvas, pixels."""
        ...

    @property
    def channels(self) -> int:
        """1 for gray images, 3 for colour."""
        ...

    def __len__(self) -> int: ...
