"""How bright a colour is."""

from __future__ import annotations

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""Shares of red, green and blue in the luma of ITU-R BT.601, which Pillow's mode L has, too."""
