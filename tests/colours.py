"""Colours in a slow way, for the tests of those that kernels compute."""

from __future__ import annotations

import colorsys

import numpy as np


def unpacked(colours: np.ndarray) -> np.ndarray:
    return colours.view(np.uint8).reshape(*colours.shape, 4)[..., :3]


def rgb(hue: np.ndarray, saturation: np.ndarray, value: np.ndarray) -> np.ndarray:
    convert = np.vectorize(lambda h, s, v: colorsys.hsv_to_rgb(h / 180 % 1, s / 255, v / 255))
    return 255 * np.stack(convert(hue, saturation, value), axis=-1)
