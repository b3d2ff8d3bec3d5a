"""Whether a GPU draws the CPU's pixels: the same images by both, byte beside byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from fdsl.bench.cases import Case, identities
from fdsl.bench.gpu.clock import Clock
from fdsl.bench.gpu.config import BenchGpuConfig
from fdsl.bench.gpu.drawing import UNSET
from fdsl.bench.report import known
from fdsl.bench.stored import AUTO_AUGMENT, RANDOM_ERASING
from fdsl.data.augment import Augmentation
from fdsl.formulas import Family
from fdsl.render import Renderer
from fdsl.render.cuda.renderer import CudaRenderer

LINES = ("crisp", "area", "native")
VARIED = Augmentation(
    crop_scale=(0.08, 1.0), hflip=0.5, vflip=0.5, auto_augment=AUTO_AUGMENT, random_erasing=RANDOM_ERASING
)
"""All there is."""
HEADINGS = ("family", "<lines", "pixels", "differing", "share", "most")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One line of the benchmark.

    Attributes:
        case: what is drawn.
        size: pixels a side.
        lines: as `Renderer` takes it.
        augmented: whether each image is varied in all ways there are.
        images: compared.
        differing: pixels that are not the CPU's, in any channel.
        most: greatest difference of a gray, or of a channel.
    """

    case: Case
    size: int
    lines: str
    augmented: bool
    images: int
    differing: int
    most: int

    skipped: ClassVar[None] = None

    @property
    def title(self) -> str:
        """What is drawn."""
        return self.case.title

    @property
    def pixels(self) -> int:
        """How many were compared."""
        return self.images * self.size**2

    def rows(self) -> list[tuple[str, ...]]:
        """Return one row."""
        share = f"{self.differing / self.pixels:.2g}" if self.differing else "0"
        numbers = f"{self.pixels:,}", f"{self.differing:,}", share, str(self.most)
        return [(kind(self.lines, self.augmented), *numbers)]

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        names = ("size", "lines", "augmented", "images", "pixels", "differing", "most")
        fields = {"what": "agreement"} | {name: getattr(self, name) for name in names}
        return self.case.facts | known(fields | {"share": self.differing / self.pixels})


def kind(lines: str, augmented: bool) -> str:
    """Return what to call images of this kind in the table."""
    return lines + ", augmented" * augmented


def bench_agreement(
    config: BenchGpuConfig, clock: Clock, renderer: CudaRenderer, case: Case, augmented: bool
) -> list[Agreement]:
    """Draw images of a family both ways and compare them."""
    who = identities(config.classes, 0, config.images)
    table = case.table(config.seed, *who)
    varied = _varied(case.drawn, config, *who) if augmented else {}
    there = torch.full(renderer.shape(table), UNSET, dtype=torch.uint8, device=clock.device)
    clock.seconds(lambda: renderer(table, **varied, out=clock.memory(there), stream=clock.stream))
    here = Renderer(config.size, renderer.lines)(table, **varied)
    differing, most = difference(there.cpu().numpy(), here)
    return [Agreement(case, config.size, renderer.lines, augmented, len(here), differing, most)]


def difference(there: NDArray[np.uint8], here: NDArray[np.uint8]) -> tuple[int, int]:
    """Return how many pixels of [N, H, W] or [N, H, W, 3] images differ, and the greatest difference."""
    apart = np.abs(there.astype(np.int16) - here)
    return int((apart if apart.ndim == 3 else apart.max(axis=3)).astype(bool).sum()), int(
        apart.max(initial=0)
    )


def _varied(
    drawn: Family, config: BenchGpuConfig, categories: NDArray[np.int64], instances: NDArray[np.int64]
) -> dict[str, Any]:
    """Return view, tone and retouch of each image, as renderers take them."""
    plan = VARIED.plan(
        config.seed, categories, instances, 0,
        canvas=drawn.native_size, size=config.size, channels=drawn.channels,
    )  # fmt: skip
    return {"view": plan.view, "tone": plan.tone, "retouch": plan.retouch}
