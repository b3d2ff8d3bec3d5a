"""Which image goes where: shards are ranges of positions, and a position names an image by arithmetic."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.data.export.config import MOST_IMAGES, ExportConfig
from fdsl.data.export.encoders import Encoder
from fdsl.data.order import permuted
from fdsl.errors import InputError
from fdsl.formulas import Family
from fdsl.render import Renderer

AT_ONCE = 16 << 20
"""Bytes of pixels that are drawn at a time, so that memory does not grow with shards."""
MOST_AT_ONCE = 128
"""A table of parameters takes a millisecond, with four images as with sixty-four: a third of all that four cost."""


class Identity(NamedTuple):
    """Which images: one row each."""

    categories: NDArray[np.int64]
    instances: NDArray[np.int64]


class Sample(NamedTuple):
    """An image as it is stored."""

    category: int
    instance: int
    contents: tuple[int, ...] | None
    """Categories of all objects in the image, of families that draw several; None of others."""
    content: bytes
    """The encoded image."""


@dataclass(frozen=True)
class Plan:
    """An export's images, and their places in its shards.

    Attributes:
        config: what was asked for.
        family: what is drawn.
        encoder: what makes bytes of it.
        versions: of the libraries that those bytes, and the files around them, depend on.
    """

    config: ExportConfig
    family: Family
    encoder: Encoder
    versions: dict[str, str]

    @cached_property
    def images(self) -> int:
        """How many in all."""
        return self.family.classes * self.config.instances

    @property
    def shards(self) -> int:
        """How many in all."""
        return -(-self.images // self.config.shard_size)

    @cached_property
    def digits(self) -> tuple[int, int]:
        """Of a category's and an instance's number in names, so that they sort as the numbers do."""
        last = self.config.first_instance + self.config.instances - 1
        return max(5, len(str(self.family.classes - 1))), max(6, len(str(last)))

    @property
    def rgb(self) -> bool:
        """Whether three channels are stored."""
        return self.config.colour == "rgb" or self.family.channels == 3

    def class_names(self) -> list[str]:
        """Return the categories as folders are named."""
        return [self.class_name(k) for k in range(self.family.classes)]

    def class_name(self, category: int) -> str:
        """Return one of them."""
        return f"{category:0{self.digits[0]}}"

    def instance_name(self, instance: int) -> str:
        """Return an instance's number as files are named."""
        return f"{instance:0{self.digits[1]}}"

    def positions(self, shard: int) -> range:
        """Return which positions lie in a shard."""
        begin = shard * self.config.shard_size
        return range(begin, min(begin + self.config.shard_size, self.images))

    def identify(self, positions: ArrayLike) -> Identity:
        """Return which images lie at `positions`, int [N]: a shuffled order is that of `fdsl.Loader`'s first epoch."""
        index = np.asarray(positions, np.int64)
        if self.config.shuffled:
            index = permuted(index, self.images, self.config.seed, 0)
        categories, instances = np.divmod(index, self.config.instances)
        return Identity(categories, instances + self.config.first_instance)

    def draw(self, identity: Identity, renderer: Renderer) -> NDArray[np.uint8]:
        """Return the images as the family draws them, uint8 [N, H, W] or [N, H, W, 3]."""
        return renderer(self.family.table(self.config.seed, *identity))

    def samples(self, positions: ArrayLike) -> Iterator[Sample]:
        """Draw and encode the images at `positions`, int [N], on one thread, a few at a time."""
        renderer = Renderer(self.config.size, self.config.lines, 1)
        every = np.asarray(positions, np.int64)
        at_once = self.drawn_at_once
        for begin in range(0, len(every), at_once):
            identity = self.identify(every[begin : begin + at_once])
            contents = self._contents(identity)
            for n, image in enumerate(self.draw(identity, renderer)):
                yield Sample(
                    int(identity.categories[n]),
                    int(identity.instances[n]),
                    None if contents is None else contents[n],
                    self.encoder.encode(image),
                )

    @property
    def drawn_at_once(self) -> int:
        """Images that are drawn at a time."""
        image = self.config.size**2 * self.family.channels
        return max(1, min(MOST_AT_ONCE, AT_ONCE // image))

    @property
    def several(self) -> bool:
        """Whether an image may hold several objects, so that its category does not say all."""
        return self.family.objects > 1

    def _contents(self, identity: Identity) -> list[tuple[int, ...]] | None:
        if not self.several:
            return None
        rows = self.family.contents(self.config.seed, *identity)
        return [tuple(int(k) for k in row if k >= 0) for row in rows]

    def to_json(self) -> dict[str, Any]:
        """Return all that the bytes of the files depend on, as plain JSON values."""
        return {
            "config": self.config.to_json(),
            "definition": json.loads(json.dumps(self.family.definition(), default=str)),
            "dataset": self.family.digest(self.config.seed),
            "versions": self.versions,
        }

    @cached_property
    def digest(self) -> str:
        """SHA-256 of that, 64 hex digits."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()


def make_plan(config: ExportConfig) -> Plan:
    """Return the plan of an export.

    Raises:
        InputError: the family refuses a field, a library is missing, or there are more images than can be counted.
    """
    family = config.drawn()
    encoder = config.encoder
    plan = Plan(config, family, encoder, {**encoder.versions, **container_versions(config)})
    if plan.images > MOST_IMAGES:
        raise InputError(f"classes x instances must be <= {MOST_IMAGES:,}, got {plan.images:,}")
    return plan


def container_versions(config: ExportConfig) -> dict[str, str]:
    """Return the versions of what writes the files around the images."""
    if config.format != "parquet":
        return {}
    try:
        import pyarrow as pa
    except ModuleNotFoundError as error:
        raise InputError('format parquet needs pyarrow, got none: pip install "fdsl[export]"') from error
    return {"pyarrow": pa.__version__}
