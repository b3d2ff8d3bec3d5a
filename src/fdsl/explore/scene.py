"""What is shown: a family with its parameters, and which of its images at what size. All that a request asks for comes
through here, and is checked before anything is drawn."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

from fdsl.errors import InputError, check_choice, check_int
from fdsl.explore.parameters import default_classes, most_classes, options_of
from fdsl.formulas import Family, altered_family, families
from fdsl.formulas.altered import ALTERATIONS, read_alterations
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.random import check_seed
from fdsl.render.renderer import LINES, MAX_SIZE, MIN_SIZE

MOST_ROWS, MOST_COLUMNS = 8, 12
MOST_PIXELS = 1 << 20
"""Of all images of a sheet: one of 1,024 pixels, or 64 of 128."""
MOST_TEXT = 10_000
"""Characters of a scene as JSON."""
UNALTERED = "none"
MOST_STRENGTH = 1000
"""Of an alteration: lines an image, or pixels."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sheet of images, and all that its pixels depend on.

    Attributes:
        family: its name.
        classes: number of categories; None is the page's own choice for the family.
        options: the family's further fields by name; those that are as published are left out.
        seed: of the dataset.
        lines: how a drawing becomes pixels, as `fdsl.Renderer` has it.
        alter: an alteration such as "broken=100", or "none".
        categories: rows.
        instances: columns.
        size: side of an image, pixels.
        first_category: of the first row.
        first_instance: of the first column.

    Raises:
        InputError: a value is beyond what the family or the page draws; the message names it.
    """

    family: str = "RCDB"
    classes: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    lines: str = "auto"
    alter: str = UNALTERED
    categories: int = 4
    instances: int = 6
    size: int = 96
    first_category: int = 0
    first_instance: int = 0

    def __post_init__(self) -> None:
        check_choice("family", self.family, families())
        if not isinstance(self.options, Mapping):
            raise InputError(f"options must be fields by name, got {self.options!r}")
        object.__setattr__(self, "options", options_of(self.kind, self.options))
        classes = default_classes(self.kind) if self.classes is None else self.classes
        object.__setattr__(self, "classes", check_int("classes", classes, 2, most_classes(self.kind)))
        check_seed(self.seed)
        check_choice("lines", self.lines, LINES)
        _check_alteration(self.alter)
        self._check_sheet()
        _ = self.formula  # which checks the fields together

    def _check_sheet(self) -> None:
        rows = check_int("categories", self.categories, 1, MOST_ROWS)
        columns = check_int("instances", self.instances, 1, MOST_COLUMNS)
        size = check_int("size", self.size, MIN_SIZE, MAX_SIZE)
        if rows * columns * size**2 > MOST_PIXELS:
            most = int((MOST_PIXELS / (rows * columns)) ** 0.5)
            raise InputError(
                f"size must be at most {most} with {rows} x {columns} images, got {size}: the page draws up to "
                f"{MOST_PIXELS:,} pixels a sheet"
            )
        check_int("first_category", self.first_category, 0, MAX_INSTANCE)
        check_int("first_instance", self.first_instance, 0, MAX_INSTANCE - 1 - columns)
        assert self.classes is not None
        if self.first_category + rows > self.classes:
            raise InputError(
                f"first_category must be in 0..{max(self.classes - rows, 0)} to show {rows} of {self.classes} "
                f"categories, got {self.first_category}"
            )

    @property
    def kind(self) -> type[Family]:
        """The family's class."""
        return families()[self.family]

    @cached_property
    def formula(self) -> Family:
        """The family with these parameters, altered."""
        built = self.kind.build(classes=self.classes, **self.options)
        return built if self.alter == UNALTERED else altered_family(built, self.alter)

    @property
    def categories_key(self) -> tuple[Any, ...]:
        """What the search for categories depends on: two scenes with one key need one search."""
        names = ("least_variance", "sigma", "delta")
        return (self.family, self.seed, self.classes, *(self.options.get(name) for name in names))

    def one(self, category: int, instance: int, size: int) -> Scene:
        """Return the scene that shows one image alone."""
        check_int("category", category, 0, self.formula.classes - 1)
        check_int("instance", instance, 0, MAX_INSTANCE - 2)
        return replace(
            self, categories=1, instances=1, size=size, first_category=category, first_instance=instance
        )

    def to_json(self) -> str:
        """Return the scene as a line of JSON that `from_json` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: object) -> Scene:
        """Read what `to_json` wrote; InputError if it is anything else."""
        if not isinstance(text, str) or len(text) > MOST_TEXT:
            raise InputError(f"a parameter set must be JSON of at most {MOST_TEXT} characters")
        try:
            values = json.loads(text)
        except (ValueError, RecursionError):
            raise InputError("a parameter set must be JSON, as the page keeps it") from None
        if not isinstance(values, dict):
            raise InputError(f"a parameter set must be a JSON object, got {type(values).__name__}")
        for name in values:
            check_choice("field of a parameter set", name, cls.__dataclass_fields__)
        return cls(**values)


def _check_alteration(text: object) -> None:
    if text == UNALTERED:
        return
    ((_, strength),) = read_alterations("alter", [str(text)])
    check_int("alter, strength", strength, 0, MOST_STRENGTH)


def alteration(kind: object, strength: object) -> str:
    """Return the alteration of that kind and strength as `Scene.alter` has it; InputError if there is none."""
    if check_choice("alter", kind, [UNALTERED, *ALTERATIONS]) == UNALTERED:
        return UNALTERED
    return f"{kind}={check_int('strength', strength, 0, MOST_STRENGTH)}"
