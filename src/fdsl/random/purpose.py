"""What a random draw is for: one word of its address.

The numbers are part of every dataset's definition. Never renumber; append.
"""

from __future__ import annotations

from enum import IntEnum


class Purpose(IntEnum):
    """The purpose word of a draw's address."""

    CATEGORY = 1
    INSTANCE = 2
    STROKE_NOISE = 3
    STROKE_GRAY = 4
    MAP_CHOICE = 5
    PATCH_PATTERN = 6
    VIEWPOINT = 7
    CANDIDATE = 8
    CONTENT = 9
    PLACE = 10
    COLOUR = 11
    BACKGROUND = 12
    BLUR = 13
    CURVE = 14
    FIELD = 15
    TEXTURE = 16
    ALTERATION = 17
    AUGMENT_VIEW = 20
    EPOCH_ORDER = 21
    STEP = 22
    SPLIT = 23
    FEW_LABELS = 24
    AUGMENT_FLIP = 25
    AUGMENT_LAYER = 26
    AUGMENT_ERASE = 27
    MIX = 28
