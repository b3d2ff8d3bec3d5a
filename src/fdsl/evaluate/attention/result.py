"""What looking at attention came to, and its folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdsl.evaluate.attention.measures import Measures, Spread

RESULT_FILE = "attention.json"
PICTURE_FILE = "attention.png"
WHAT = "attention"
FILES = (RESULT_FILE, PICTURE_FILE, "heads-*.png")


@dataclass(frozen=True, kw_only=True)
class ModelAttention:
    """What one model looks at."""

    name: str
    """pre-trained, fine-tuned, trained from scratch, scratch (untrained), or that of the file."""
    weights: Path | None
    """None is untrained."""
    method: str
    """rollout or grad-cam."""
    architecture: str
    """timm model name."""
    size: int
    """Height and width of its images, pixels."""
    grid: int
    """Cells of a map along a side."""
    reads: str
    """Whose attention a map shows: of the class token, of the mean over patches; of Grad-CAM the likeliest class."""
    standardized_by: str
    """Where mean and deviation of the pixels come from: weights, rendered images or real images."""
    rendered: Measures
    """Against contours of rendered images."""
    real: Measures | None
    """Against edges of real images, which are found, not known; None without real images."""
    rendered_heads: list[list[float | None]] | None
    """Mean lift of each head of each block on contours; None of Grad-CAM."""
    real_heads: list[list[float | None]] | None
    """The same on edges."""

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        content: dict[str, Any] = {
            "name": self.name,
            "weights": None if self.weights is None else str(self.weights),
            "method": self.method,
            "architecture": self.architecture,
            "size": self.size,
            "grid": self.grid,
            "reads": self.reads,
            "standardized_by": self.standardized_by,
            **_measures(self.rendered, "contour_share", ""),
        }
        if self.real is not None:
            content |= _measures(self.real, "edge_share", "edge_")
        content["heads"] = self.rendered_heads
        content["edge_heads"] = self.real_heads
        return content


def _measures(measures: Measures, share: str, prefix: str) -> dict[str, Any]:
    named = measures.to_json()
    return {share: named.pop("share"), **{f"{prefix}{name}": value for name, value in named.items()}}


@dataclass(frozen=True, kw_only=True)
class AttentionResult:
    """What several models look at, on the same images."""

    out: Path
    models: tuple[ModelAttention, ...]
    area_share: Spread
    """Part of the rendered images that contours cover, 0..1."""
    edge_area_share: Spread | None
    """Part of the real images that counts as edges, 0..1; None without real images."""
    family: str
    classes: int
    """Categories of the family."""
    dataset_seed: int
    data: str | None
    """Real images; None for none."""
    images: int
    """Rendered images that are pictured."""
    measured: int
    """Rendered images that are measured."""
    real_images: int
    """Real images that are pictured: fewer where the data has fewer."""
    real_measured: int
    """Real images that are measured, likewise."""
    seed: int
    pictures: tuple[str, ...]
    """Names of the pictures in the folder."""

    def to_json(self) -> dict[str, Any]:
        """Return the result as plain JSON values."""
        content = {"what": WHAT, **vars(self)}
        del content["out"]
        edge = self.edge_area_share
        return content | {
            "models": [model.to_json() for model in self.models],
            "area_share": self.area_share.to_json(),
            "edge_area_share": None if edge is None else edge.to_json(),
            "pictures": list(self.pictures),
        }
