"""The images that models are shown: rendered ones, whose contours are known, and real ones, whose edges are found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fdsl.data.real import RealImages, open_both
from fdsl.data.targets import FreeLabels
from fdsl.errors import InputError
from fdsl.evaluate.attention.config import AttentionConfig
from fdsl.evaluate.attention.contours import edges
from fdsl.evaluate.attention.origins import Origin
from fdsl.files import read_object
from fdsl.formulas import Family, families, family
from fdsl.options import family_fields
from fdsl.render import Renderer
from fdsl.train.finetuning.batches import middle
from fdsl.train.pretraining import UNLIMITED_HELD_OUT
from fdsl.train.run import RUN_FILE

DEFAULT_FAMILY = "RCDB"


class Images(Protocol):
    """Some images, at whatever size a model takes, and which of their pixels are marked: contours, or edges."""

    def __len__(self) -> int: ...

    def pixels(self, numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """Return images by number at `size` pixels, uint8 [B, size, size] or [B, size, size, 3]."""

    def marks(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pixels are marked, bool [B, P, P], whatever size a model takes."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Images of instances that no training sees; number n is (categories[n], instances[n]).

    Marked are the pixels that the formula draws, with lines a pixel wide on its native canvas (512 pixels for RCDB):
    the same for models of every size, and what a smaller image is averaged from. There is no tolerance around them.
    Images and marks are drawn without the alterations of `fdsl pretrain --alter`.
    """

    family: Family
    seed: int
    """The dataset's."""
    categories: NDArray[np.int64]
    instances: NDArray[np.int64]
    lines: str
    threads: int | None

    def __len__(self) -> int:
        return len(self.categories)

    def pixels(self, numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """Return images by number, uint8 [B, size, size] or [B, size, size, 3] of a colour family."""
        table = self.family.table(self.seed, self.categories[numbers], self.instances[numbers])
        return Renderer(size, self.lines, self.threads)(table)

    def marks(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pixels of the native canvas are drawn, bool [B, P, P]."""
        renderer = Renderer(self.family.native_size, "crisp", self.threads)
        identity = self.categories[numbers], self.instances[numbers]
        mask: NDArray[np.bool_] = FreeLabels(self.family, self.seed, *identity, renderer)["mask"] > 0
        return mask


@dataclass(frozen=True, kw_only=True)
class Real:
    """Real images: the whole middle square of each, resized as `fdsl finetune` does.

    Marked are edges as `fdsl.evaluate.attention.contours.edges` finds them, at `edge_size` pixels.
    """

    images: RealImages
    source: str
    edge_size: int

    def __len__(self) -> int:
        return len(self.images)

    def pixels(self, numbers: NDArray[np.int64], size: int) -> NDArray[np.uint8]:
        """Return images by number, uint8 [B, size, size, 3]."""
        return np.stack([middle(self.images[int(number)][0], size) for number in numbers])

    def marks(self, numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which pixels are on edges, bool [B, edge_size, edge_size]."""
        return edges(self.pixels(numbers, self.edge_size))


def rendered_images(config: AttentionConfig, origins: Sequence[Origin]) -> Rendered:
    """Return the rendered images: `measured` or `images`, whichever is more.

    Without `family` it is that of the first pre-training among the weights, or behind those that were fine-tuned, with
    its categories, seed and lines; otherwise RCDB. Categories come in an order that `seed` shuffles, a new instance of
    each once all have had their turn.

    Raises:
        InputError: there is no such family, or it does not know where it draws.
        DataError: a category file or run.json is damaged.
    """
    run = _pretraining(origins) if config.family is None else None
    told = run or {"family": config.family or DEFAULT_FAMILY}
    fields = family_fields(
        told.get("classes") if config.classes is None else config.classes,
        config.options or tuple(told.get("options", ())),
    )
    drawn = family(str(told["family"]), **fields)
    if "mask" not in drawn.labels:
        known = ", ".join(name for name, other in families().items() if "mask" in other.labels)
        raise InputError(
            f"family must be one that knows which pixels it draws, {known}, got {drawn.name}; name one with --family"
        )
    first = told.get("instances") if run else None
    count = max(config.images, config.measured)
    passes = -(-count // drawn.classes)
    order = np.random.default_rng(config.seed)
    categories = np.concatenate([order.permutation(drawn.classes) for _ in range(passes)])[:count]
    start = UNLIMITED_HELD_OUT if first is None else int(first)
    return Rendered(
        family=drawn,
        seed=int(told.get("seed", 0)),
        categories=categories.astype(np.int64),
        instances=start + np.arange(count) // drawn.classes,
        lines=str(told.get("lines", "auto")),
        threads=config.threads,
    )


def _pretraining(origins: Sequence[Origin]) -> dict[str, Any] | None:
    """Return the config of the first pre-training among the weights, or that a fine-tuning among them began with."""
    for origin in origins:
        if origin.kind == "pretrain":
            return origin.config
    for origin in origins:
        before = origin.config.get("weights") if origin.kind == "finetune" else None
        path = Path(before) / RUN_FILE if before is not None else None
        if path is not None and path.is_file():
            record = read_object(path)
            if record.get("kind") == "pretrain" and isinstance(record.get("config"), dict):
                return dict(record["config"])
    return None


def real_images(config: AttentionConfig, origins: Sequence[Origin], edge_size: int) -> Real | None:
    """Return test images of the data, in an order that `seed` shuffles: all, or as many as are rendered; None for none.

    Raises:
        InputError: the data or a split do not exist.
        DataError: they hold no images, or one cannot be read.
    """
    told: dict[str, Any] = vars(config)
    if config.data is None:
        found = next((origin.config for origin in origins if origin.kind == "finetune"), None)
        if found is None:
            return None
        told = {**found, "skip_broken": found.get("skip_broken") or config.skip_broken}
    root = told.get("data_root")
    _, images = open_both(
        told["data"],
        root=None if root is None else Path(root),
        train_split=told.get("train_split"),
        test_split=told.get("test_split"),
        skip_broken=bool(told.get("skip_broken")),
    )
    count = max(config.images, config.measured)
    chosen = np.random.default_rng(config.seed).permutation(len(images))[:count]
    return Real(images=images.subset(chosen), source=str(told["data"]), edge_size=edge_size)
