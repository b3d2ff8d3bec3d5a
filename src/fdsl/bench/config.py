"""What every benchmark is told."""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from fdsl.errors import InputError, check_float, check_int
from fdsl.formulas import families, family


@dataclass(frozen=True, kw_only=True)
class BenchConfig:
    """What is measured, how often and how long.

    Raises:
        InputError: a field is out of range or names an unknown family, or `json` is a folder.
    """

    benchmark: ClassVar[str]
    """Its name, after `fdsl bench`."""
    quick_limits: ClassVar[dict[str, float]] = {"repetitions": 2, "seconds": 0.01, "classes": 4}
    """The most that `quick` leaves of a field."""

    families: tuple[str, ...] = ()
    """Families to measure; none is all."""
    json: Path | None = None
    """File to write the numbers to."""
    repetitions: int = 5
    """Timed repetitions; what is compared takes turns in each."""
    seconds: float = 0.5
    """Time a turn takes at least."""
    classes: int = 128
    """Categories the images come from."""
    seed: int = 0
    """Seed of the datasets."""
    quick: bool = False
    """A few images and two short repetitions, to see that it runs: the numbers mean little."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "families", tuple(family(name).name for name in self.families or families()))
        if self.json is not None and self.json.is_dir():
            raise InputError(f"json must be a file, got the folder {str(self.json)!r}")
        if self.json is not None:  # now, not when everything is measured
            folder = next(parent for parent in self.json.absolute().parents if parent.exists())
            if not folder.is_dir() or not os.access(folder, os.W_OK):
                raise InputError(f"json must be in a folder that can be written to, got {str(self.json)!r}")
        check_int("repetitions", self.repetitions, 1, 1000)
        check_float("seconds", self.seconds, 0, 3600)
        check_int("classes", self.classes, 2, 1 << 20)
        check_int("seed", self.seed, 0, 2**32 - 1)
        if self.quick:
            for field, most in self.quick_limits.items():
                object.__setattr__(self, field, min(most, getattr(self, field)))

    def settings(self) -> dict[str, Any]:
        """Return the fields that decide the numbers as plain JSON values."""
        values = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        values.pop("json")
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
