"""All recipes by name: what each says of itself, and the fields it sets."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_type_hints

from fdsl.errors import InputError, did_you_mean
from fdsl.train.config import FinetuneConfig, PretrainConfig
from fdsl.train.recipes import deit, others, real, small

Kind = Literal["pretrain", "finetune"]
Function = Callable[..., PretrainConfig | FinetuneConfig]
KINDS: Mapping[Kind, type[PretrainConfig | FinetuneConfig]] = {
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
}
SECTIONS = ("Source", "Cost", "Measured")
# Parameters of recipes that say where to read and write, not what to do; the person who runs one gives them.
PLACES: Mapping[str, Any] = {"out": Path("out"), "data": "data", "weights": None}


@dataclass(frozen=True)
class Recipe:
    """A function that returns a config, and arguments that make it this recipe.

    Attributes:
        name: on the command line.
        function: its docstring is a sentence, then the sections Source, Cost and Measured.
        arguments: of the function, besides places and seed.
    """

    name: str
    function: Function
    arguments: Mapping[str, Any] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """The command that runs it."""
        config = get_type_hints(self.function)["return"]
        return next(kind for kind, one in KINDS.items() if one is config)

    @property
    def open(self) -> tuple[str, ...]:
        """The fields it leaves open: out, and for some data and weights."""
        return tuple(name for name in inspect.signature(self.function).parameters if name in PLACES)

    @cached_property
    def config(self) -> PretrainConfig | FinetuneConfig:
        """What it returns, with something in place of the open fields."""
        return self.function(**{name: PLACES[name] for name in self.open}, **self.arguments)

    def fields(self) -> dict[str, Any]:
        """Return every field of the config but the open ones and `resume`, as Python values."""
        left_out = {*self.open, "resume"}
        names = [one.name for one in fields(self.config) if one.name not in left_out]
        return {name: getattr(self.config, name) for name in names}

    @property
    def summary(self) -> str:
        """The first sentence of its docstring."""
        return _paragraph(inspect.getdoc(self.function) or "")

    @property
    def sections(self) -> dict[str, str]:
        """What its docstring says under each of `SECTIONS`, as one line each."""
        text = inspect.getdoc(self.function) or ""
        heads = list(re.finditer(rf"^({'|'.join(SECTIONS)}): ", text, re.MULTILINE))
        ends = [*(head.start() for head in heads[1:]), len(text)]
        return {head[1]: _paragraph(text[head.end() : end]) for head, end in zip(heads, ends, strict=True)}


def _paragraph(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())


SMALL: tuple[Function, ...] = (
    small.probe_rcdb100,
    small.laptop_rcdb100,
    small.gpu_hour_rcdb1k,
    small.probe_digits,
    small.probe_cifar10,
)
DEIT: tuple[Function, ...] = (
    deit.deit_rcdb1k,
    deit.deit_exfractaldb1k,
    deit.deit_fractaldb1k,
    deit.deit_visualatom1k,
    deit.deit_rcdb21k,
    deit.deit_exfractaldb21k,
    deit.deit_visualatom21k,
)
OTHERS: tuple[Function, ...] = (others.swin_tiny_segrcdb, others.resnet50_multifractal)
REAL: tuple[Function, ...] = (real.imagenet, real.small_sets)


def _recipes() -> Iterator[Recipe]:
    for function in SMALL:
        yield Recipe(function.__name__, function)
    for function in DEIT:
        for size in deit.SIZES:
            yield Recipe(function.__name__.replace("deit", f"deit_{size}"), function, {"size": size})
    for function in OTHERS:
        yield Recipe(function.__name__, function)
    for function in REAL:
        yield Recipe(f"finetune_{function.__name__}", function)


RECIPES: Mapping[str, Recipe] = {recipe.name: recipe for recipe in _recipes()}


def find_recipe(name: str, kind: Kind | None = None) -> Recipe:
    """Return the recipe of that name.

    Args:
        name: as `fdsl recipes` lists it.
        kind: what it has to be a recipe of; None is either.

    Raises:
        InputError: there is none, and the nearest name is suggested; or it is one of the other kind.
    """
    if name not in RECIPES:
        raise InputError(
            f"recipe must be a name that fdsl recipes lists, got {name!r}{did_you_mean(name, RECIPES)}"
        )
    recipe = RECIPES[name]
    if kind not in (None, recipe.kind):
        raise InputError(f"recipe must be one of fdsl {kind}, got {name!r}: it is one of fdsl {recipe.kind}")
    return recipe
