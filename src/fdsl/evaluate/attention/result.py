"""What looking at attention came to, and its folder."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fdsl.errors import InputError
from fdsl.evaluate.attention.measures import Measures, Spread
from fdsl.files import is_leftover, write_json

RESULT_FILE = "attention.json"
PICTURE_FILE = "attention.png"
WHAT = "attention"
OWN_PICTURE = re.compile(r"attention\.png|heads-[\w.-]+\.png", re.ASCII)


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


def check_out(out: Path) -> None:
    """Check that results can go to `out`: it is new, empty, or holds an earlier result of the same kind.

    Raises:
        InputError: it is a file, or holds other things alone.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"out must be a folder, got {out}: it is a file")
    if out.is_dir() and any(not is_leftover(path) for path in out.iterdir()) and _earlier(out) is None:
        raise InputError(
            f"out must be a new or empty folder, or hold an earlier {RESULT_FILE}, got {out}: it holds other files"
        )


def replace_result(result: AttentionResult) -> None:
    """Write the JSON of a result whose pictures are there; pictures of an earlier result that it lacks go."""
    earlier = _earlier(result.out) or {}
    stale = set(_names(earlier.get("pictures"))) - set(result.pictures)
    write_json(result.out / RESULT_FILE, result.to_json())
    for name in stale:
        (result.out / name).unlink(missing_ok=True)


def _names(names: object) -> Iterable[str]:
    """Return those names that are of a picture of ours: a file is read, and must not name others to be deleted."""
    listed = names if isinstance(names, list) else []
    return [name for name in listed if isinstance(name, str) and OWN_PICTURE.fullmatch(name)]


def _earlier(out: Path) -> dict[str, Any] | None:
    """Return the earlier result in a folder, None where there is none."""
    try:
        content = json.loads((out / RESULT_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) and content.get("what") == WHAT else None
