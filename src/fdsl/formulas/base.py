"""What every dataset family is: published parameters, and the two functions that turn an identity into a table row."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice, check_int
from fdsl.geometry.table import Table
from fdsl.random import check_seed, stream_word

MAX_CLASSES = 1_000_000
ALWAYS = ("class", "classes", "objects")
"""Labels of every family; the rest is in its `labels`."""
MAX_INSTANCE = 0xFFFF0000
"""Instance numbers stay below this; the words above serve draws that belong to no instance."""


@dataclass(frozen=True, kw_only=True)
class Family(ABC):
    """A formula-driven dataset family: the frozen parameters of a publication.

    Attributes:
        classes: number of categories.
    """

    classes: int = 1000

    name: ClassVar[str]
    source: ClassVar[str] = ""
    """The publication, and where to read it."""
    variants: ClassVar[tuple[str, ...]] = ()
    """What the field `variant` may be, its default first, in families that have one."""
    version: ClassVar[int] = 1
    native_size: ClassVar[int]
    background: ClassVar[int] = 0
    target: ClassVar[str] = "class"
    """What a dataset hands out beside an image when not told: "class", "mask" or "classes"."""
    labels: ClassVar[tuple[str, ...]] = ()
    """What `fdsl.data.targets` can hand out of this family, besides what it can of all."""
    objects: ClassVar[int] = 1
    """Objects an image holds at most."""
    most_vertices: ClassVar[int] = 0
    """Vertices that a contour has at most, in families that draw contours."""

    def __post_init__(self) -> None:
        check_int("classes", self.classes, 2, MAX_CLASSES)

    @property
    def channels(self) -> int:
        """1 for gray images, 3 for colour."""
        return 1

    @property
    def stream(self) -> str:
        """Name of the random stream all this family's draws come from."""
        return f"{self.name}/{self.version}"

    @classmethod
    def build(cls, **values: Any) -> Self:
        """Return the family with the given fields; InputError for a field it does not have."""
        for name in values:
            check_choice(f"field of {cls.name}", name, [known.name for known in fields(cls)])
        return cls(**values)

    @abstractmethod
    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the published parameters of category `k`, plain numbers and lists."""

    @abstractmethod
    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> Table:
        """Return the parameter table of the images (categories[n], instances[n]).

        Raises:
            InputError: seed, a category or an instance is out of range.
        """

    def contents(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.int64]:
        """Return the categories of the objects in each image, in drawing order, int64 [N, objects]; -1 is none."""
        return self._identity(seed, categories, instances)[0][:, None].copy()

    def mask_table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> Table:
        """Return the table that draws object o of `contents` as o + 1 on 0, to be drawn crisp and without tones.

        Raises:
            InputError: there are no objects in the images, or an argument is out of range.
        """
        return self.table(seed, categories, instances).mask()

    @property
    def parameter_names(self) -> tuple[str, ...]:
        """What `parameters` holds, P names; none where it raises."""
        return ()

    def parameters(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.float32]:
        """Return the numbers that each image is drawn from, float32 [N, P], on scales to regress them on.

        Raises:
            InputError: the images have no one set of parameters, or an argument is out of range.
        """
        raise InputError(f"family must be one whose images have one set of parameters each, got {self.name}")

    def definition(self) -> dict[str, Any]:
        """Return everything that, with a seed, defines the family's pixels."""
        values = {
            field.name: _of_its_kind(getattr(self, field.name), field.default) for field in fields(self)
        }
        return {"family": self.name, "version": self.version, **values}

    def digest(self, seed: int) -> str:
        """Return the SHA-256 of the definition and seed, 64 hex digits."""
        text = json.dumps({**self.definition(), "seed": check_seed(seed)}, sort_keys=True, default=_plain)
        return hashlib.sha256(text.encode()).hexdigest()

    def _identity(
        self, seed: int, categories: ArrayLike, instances: ArrayLike
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        check_seed(seed)
        for field, value in (("categories", categories), ("instances", instances)):
            if np.asarray(value).dtype.kind not in "iu" and np.size(value):
                raise InputError(f"{field} must be integers, got {np.asarray(value).dtype}")
        try:
            k, i = np.broadcast_arrays(np.asarray(categories, np.int64), np.asarray(instances, np.int64))
        except ValueError:
            shapes = f"{np.shape(categories)} and {np.shape(instances)}"
            raise InputError(
                f"categories and instances must be as many, or one, got shapes {shapes}"
            ) from None
        if k.ndim != 1:
            raise InputError(f"categories and instances must be 1-D, got shape {k.shape}")
        if k.size and (k.min() < 0 or k.max() >= self.classes):
            raise InputError(f"category must be in 0..{self.classes - 1}, got {int(k.min())}..{int(k.max())}")
        if i.size and (i.min() < 0 or i.max() >= MAX_INSTANCE):
            raise InputError(f"instance must be in 0..{MAX_INSTANCE - 1}, got {int(i.min())}..{int(i.max())}")
        return k, i

    def _address(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Return the table's address column, uint32 [N, 4]: seed, stream, category, instance."""
        address = np.empty((len(k), 4), np.uint32)
        address[:, 0], address[:, 1], address[:, 2], address[:, 3] = seed, stream_word(self.stream), k, i
        return address


def _of_its_kind(value: Any, default: object) -> Any:
    """Return a field's value, a float where its default is one: 1 and 1.0 are one definition."""
    return float(value) if isinstance(default, float) and isinstance(value, int) else value


def _plain(value: object) -> int | str:
    """Return a field's value as a definition has it: NumPy's integers are integers, and files a line of text."""
    index = getattr(value, "__index__", None)
    return str(value) if index is None else int(index())
