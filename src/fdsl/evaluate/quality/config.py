"""What an inspection of a family is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.formulas import Family, altered_family, family
from fdsl.formulas.altered import read_alterations
from fdsl.options import family_fields
from fdsl.render.renderer import LINES, MAX_SIZE, MIN_SIZE

CATEGORIES = 200
MOST_IMAGES = 20_000
"""All are compared with all."""


@dataclass(frozen=True, kw_only=True)
class InspectConfig:
    """Say how separable and how varied a family's images are, before any training: categories alike, images blank or
    saturated, and which parameters make them so.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="FAMILY")]
    """Family of formulas to inspect, for example RCDB."""
    classes: int | None = None
    """Categories of the dataset; None is the family's own number."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example strokes=[1,3]."""
    alter: tuple[str, ...] = ()
    """What is done to the drawn images, in order, as KIND=STRENGTH: broken, scattered, filled, outline, width."""
    size: int = 128
    """Height and width of each image, in pixels."""
    lines: Literal["auto", "crisp", "area", "native"] = "auto"
    """How a drawing becomes pixels, as in fdsl preview."""
    seed: int = 0
    """Seed of the dataset."""
    categories: int | None = None
    """Categories that are looked at, spread evenly over all; None is 200, or all if there are fewer."""
    instances: int = 8
    """Images of each."""
    blank: float = 0.005
    """An image is blank if less than this share of its pixels is drawn on, or if all pixels are equal."""
    saturated: float = 0.95
    """An image is saturated if more than this share of its pixels is drawn on."""
    near: float = 0.25
    """Two categories are near duplicates if their means lie no farther apart than this times the spread within them, as
    far as so few images tell, and their images mix: for 40% or more the nearest of both is the other's."""
    threads: int | None = None
    """CPU threads that draw; None is as many as there are cores."""
    out: Path | None = None
    """Folder to write inspect.json and inspect.png into; None only prints."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "options", tuple(self.options))
        object.__setattr__(self, "alter", tuple(self.alter))
        check_int("size", self.size, MIN_SIZE, MAX_SIZE)
        check_choice("lines", self.lines, LINES)
        check_int("seed", self.seed, 0, 2**32 - 1)
        if self.categories is not None:
            check_int("categories", self.categories, 2)
        if check_int("instances", self.instances, 1) < 2:
            raise InputError(
                "instances must be >= 2, got 1: a single image says nothing of how alike they are"
            )
        check_float("blank", self.blank, 0, 1)
        check_float("saturated", self.saturated, 0, 1)
        check_float("near", self.near, 0)
        if self.threads is not None:
            check_int("threads", self.threads, 1, 1024)
        if self.blank > self.saturated:
            raise InputError(
                f"blank must be at most saturated, got {self.blank:g} and {self.saturated:g}: images would be both"
            )
        if (images := (self.categories or 2) * self.instances) > MOST_IMAGES:
            raise InputError(
                f"categories times instances must be at most {MOST_IMAGES:,}, got {images:,}: "
                "all images are compared with all"
            )
        read_alterations("alter", self.alter)
        family_fields(self.classes, self.options)
        if self.out is not None:
            object.__setattr__(self, "out", Path(self.out))

    def base(self) -> Family:
        """Return the family before it is altered.

        Raises:
            InputError: it is unknown, has no such field, or a value is out of range.
            DataError: a category file is damaged.
        """
        return family(self.family, **family_fields(self.classes, self.options))

    def drawn(self) -> Family:
        """Return the family whose images are inspected; raises as `base`."""
        return altered_family(self.base(), *self.alter)

    def sampled(self, classes: int) -> int:
        """Return how many of a dataset's categories are looked at.

        Raises:
            InputError: they are more than there are, or make too many images.
        """
        if self.categories is not None:
            if self.categories > classes:
                raise InputError(
                    f"categories must be at most {classes}, the classes of the dataset, got {self.categories}"
                )
            return self.categories
        count = min(CATEGORIES, classes)
        if (images := count * self.instances) > MOST_IMAGES:
            raise InputError(
                f"instances must be at most {MOST_IMAGES // count} for {count} categories, got {self.instances}: "
                f"{images:,} images would be compared with one another"
            )
        return count
