"""Looking at attention from beginning to end: images, models, maps, numbers, pictures."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from fdsl.evaluate.attention.config import AttentionConfig
from fdsl.evaluate.attention.images import Images, Real, Rendered, real_images, rendered_images
from fdsl.evaluate.attention.looking import Look, Looked
from fdsl.evaluate.attention.measures import Spread, spread_of
from fdsl.evaluate.attention.models import architecture_of, load_lookers
from fdsl.evaluate.attention.origins import find_origin
from fdsl.evaluate.attention.pictures import Column, Shown, picture_heads, picture_maps
from fdsl.evaluate.attention.result import (
    FILES,
    PICTURE_FILE,
    RESULT_FILE,
    WHAT,
    AttentionResult,
    ModelAttention,
)
from fdsl.evaluate.results import check_result_folder, result_folder
from fdsl.files import write_json
from fdsl.train.device import borrowed_state, make_fabric

AT_ONCE = 32


def attend(config: AttentionConfig) -> AttentionResult:
    """Look at what models attend to, write pictures and numbers to `config.out`, and return the numbers.

    Files: attention.png, images beside the maps of each model; heads-NAME.png, every head of each model (of rollout);
    attention.json. Everything is computed in float32 or more, and depends on the arguments alone.

    Raises:
        InputError: weights, family or data are not there, or the method does not suit the weights; `out` holds other
            things.
        DataError: weights or an image are damaged.
    """
    check_result_folder("out", config.out, WHAT, FILES)
    origins = [find_origin(weights) for weights in config.weights]
    architectures = [architecture_of(origin) for origin in origins]
    rendered = rendered_images(config, origins)
    fabric = make_fabric("32")
    with borrowed_state(fabric.device, config.threads):
        size = max(architecture.size for architecture in architectures)
        real = real_images(config, origins, edge_size=size)
        lookers = load_lookers(config, origins, architectures, rendered, real, fabric.device)
        # the untrained model comes first, and is looked into last: where the method suits none, weights are named
        looks = [Look(looker, config.method) for looker in reversed(lookers)][::-1]
        on_rendered = [look.at(rendered, config.measured) for look in looks]
        on_real = None if real is None else [look.at(real, config.measured) for look in looks]
    models = _models(looks, on_rendered, on_real)
    sets = [_shown("rendered", "contours", rendered, size, config, on_rendered)]
    if real is not None and on_real is not None:
        sets.append(_shown("real", "edges", real, size, config, on_real))
    with result_folder("out", config.out, WHAT, FILES) as folder:
        picture_maps(folder / PICTURE_FILE, _columns(models), sets, config.method)
        pictures = [PICTURE_FILE]
        for number, (model, file) in enumerate(zip(models, heads_files(models), strict=True)):
            if model.rendered_heads is not None:
                pictures.append(file)
                picture_heads(folder / file, model, sets, number)
        result = _result(config, models, rendered, real, sets, pictures)
        write_json(folder / RESULT_FILE, result.to_json())
    return result


def _models(
    looks: Sequence[Look], on_rendered: Sequence[Looked], on_real: Sequence[Looked] | None
) -> tuple[ModelAttention, ...]:
    reals: Sequence[Looked | None] = on_real if on_real is not None else [None] * len(looks)
    return tuple(
        ModelAttention(
            name=look.looker.name,
            weights=look.looker.weights,
            method=look.method,
            architecture=look.looker.architecture.model,
            size=look.looker.size,
            grid=look.grid,
            reads=look.reads,
            standardized_by=look.looker.standardized_by,
            rendered=drawn.measures,
            real=None if found is None else found.measures,
            rendered_heads=drawn.head_lifts,
            real_heads=None if found is None else found.head_lifts,
        )
        for look, drawn, found in zip(looks, on_rendered, reals, strict=True)
    )


def _shown(
    kind: str, marked: str, images: Images, size: int, config: AttentionConfig, looked: Sequence[Looked]
) -> Shown:
    numbers = np.arange(min(config.images, len(images)))
    return Shown(
        area=_area(images, config.measured),
        kind=kind,
        marked=marked,
        pixels=images.pixels(numbers, size),
        marks=images.marks(numbers),
        maps=[one.maps[: len(numbers)] for one in looked],
        heads=[one.heads for one in looked],
    )


def _columns(models: Sequence[ModelAttention]) -> list[Column]:
    return [Column(name=model.name, rendered=model.rendered, real=model.real) for model in models]


def heads_files(models: Sequence[ModelAttention]) -> list[str]:
    """Return the names of the pictures of all heads; with numbers where they would differ in no letter of a file's."""
    slugs = [re.sub(r"[^\w.-]+", "-", model.name, flags=re.ASCII).strip("-") or "model" for model in models]
    if len({slug.casefold() for slug in slugs}) < len(slugs):
        slugs = [f"{slug}-{number}" for number, slug in enumerate(slugs, 1)]
    return [f"heads-{slug}.png" for slug in slugs]


def _result(
    config: AttentionConfig,
    models: tuple[ModelAttention, ...],
    rendered: Rendered,
    real: Real | None,
    sets: Sequence[Shown],
    pictures: Sequence[str],
) -> AttentionResult:
    return AttentionResult(
        out=config.out,
        models=models,
        area_share=sets[0].area,
        edge_area_share=None if real is None else sets[1].area,
        family=rendered.family.name,
        classes=rendered.family.classes,
        dataset_seed=rendered.seed,
        data=None if real is None else real.source,
        images=config.images,
        measured=config.measured,
        real_images=0 if real is None else min(config.images, len(real)),
        real_measured=0 if real is None else min(config.measured, len(real)),
        seed=config.seed,
        pictures=tuple(pictures),
    )


def _area(images: Images, measured: int) -> Spread:
    """Return the part of the images that is marked."""
    numbers = np.arange(min(measured, len(images)))
    parts = [
        images.marks(numbers[begin : begin + AT_ONCE]).mean(axis=(1, 2))
        for begin in range(0, len(numbers), AT_ONCE)
    ]
    return spread_of(np.concatenate(parts))
