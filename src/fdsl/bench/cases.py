"""What is drawn in every benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fdsl.bench.config import BenchConfig
from fdsl.formulas import Family, family
from fdsl.geometry.table import Table

VARIANTS = {"FractalDB": ("patch_gray", "point_gray")}
"""Variants that cost so differently that each is measured; of the other families the default is."""


@dataclass(frozen=True, slots=True)
class Case:
    """A family, and what to call it in a table."""

    title: str
    drawn: Family

    @property
    def facts(self) -> dict[str, Any]:
        """The family's name and variant, as far as it has any, for JSON."""
        variant = getattr(self.drawn, "variant", None)
        return {"family": self.drawn.name} | ({} if variant is None else {"variant": variant})

    def table(self, seed: int, categories: NDArray[np.int64], instances: NDArray[np.int64]) -> Table:
        """Return the parameter table of images."""
        return self.drawn.table(seed, categories, instances)


def cases(config: BenchConfig) -> list[Case]:
    """Return what `config` names, in its order."""
    return [case for name in config.families for case in _cases(name, config.classes)]


def _cases(name: str, classes: int) -> list[Case]:
    if name not in VARIANTS:
        return [Case(name, family(name, classes=classes))]
    return [
        Case(f"{name} {variant.partition('_')[0]}", family(name, classes=classes, variant=variant))
        for variant in VARIANTS[name]
    ]


def identities(classes: int, batch: int, images: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return categories and instances of a batch, int64 [images]: a category after the other, no image twice."""
    numbers = np.arange(images) + batch * images
    return numbers % classes, numbers // classes
