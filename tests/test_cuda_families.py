"""Every family as published, by CUDA kernels: the CPU's pixels, byte for byte, however lines become pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest

import fdsl
from drawn_alike import INVERTED, assert_drawn_alike

FULL = fdsl.Augmentation(
    crop_scale=(0.35, 1.0), hflip=0.5, vflip=0.5, auto_augment="rand-m9-n3-mstd0.5-inc1", random_erasing=0.5
)


@lru_cache
def table(name: str) -> Any:
    """Return two images of each family; categories that need a search are few."""
    classes = {"classes": 4} if "classes" in type(fdsl.family(name)).__dataclass_fields__ else {}
    return fdsl.family(name, **classes).table(0, [1, 3], [0, 5])


@pytest.mark.parametrize("lines", ["crisp", "area", "native"])
@pytest.mark.parametrize("name", sorted(fdsl.families()))
def test_pixels_are_those_of_the_cpu(name: str, lines: str) -> None:
    assert_drawn_alike(table(name), 32, lines, tone=INVERTED)


@pytest.mark.parametrize("name", sorted(fdsl.families()))
def test_augmented_pixels_are_those_of_the_cpu(name: str) -> None:
    drawn = table(name)
    for epoch in range(2):
        plan = FULL.plan(0, [1, 3], [0, 5], epoch, canvas=drawn.canvas, size=40, channels=drawn.channels)
        assert_drawn_alike(drawn, 40, "crisp", view=plan.view, tone=plan.tone, retouch=plan.retouch)


@pytest.mark.parametrize("name", sorted(fdsl.families()))
def test_masks_are_those_of_the_cpu(name: str) -> None:
    try:
        masks = table(name).mask()
    except fdsl.InputError:
        pytest.skip(f"{name} has no masks")
    assert len(np.unique(assert_drawn_alike(masks, 32, "crisp"))) >= 2
