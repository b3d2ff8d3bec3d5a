"""Figures of the pages: what they look like, curves over a training, and sides compared.

style.py      inks, looks, axes, and SVG that takes its colours from the page
curves.py     what went on while runs were learning
compared.py   what they came to, side by side
"""

from __future__ import annotations

from fdsl.evaluate.figures.compared import Side, by_class, calibration, dots, paired_dots, rates
from fdsl.evaluate.figures.curves import Band, Line, curves, learning, smooth
from fdsl.evaluate.figures.style import (
    GRID,
    INK,
    LIGHT,
    MUTED,
    NAMED_CLASSES,
    PAPER,
    PRETRAINED,
    SCRATCH,
    SERIES,
    Look,
    Numbers,
    light_style,
    look,
    percent_axis,
    shortened,
)

__all__ = [
    "GRID",
    "INK",
    "LIGHT",
    "MUTED",
    "NAMED_CLASSES",
    "PAPER",
    "PRETRAINED",
    "SCRATCH",
    "SERIES",
    "Band",
    "Line",
    "Look",
    "Numbers",
    "Side",
    "by_class",
    "calibration",
    "curves",
    "dots",
    "learning",
    "light_style",
    "look",
    "paired_dots",
    "percent_axis",
    "rates",
    "shortened",
    "smooth",
]
