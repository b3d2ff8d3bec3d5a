"""Colours packed into one number: hues and mixtures, against a slow way to the same."""

from __future__ import annotations

import numpy as np

from colours import rgb, unpacked
from fdsl.render.cpu import density, packed


def test_packed_hsv_is_colorsys_s():
    hues = np.empty(256, np.uint32)
    for colour in ((0, 255, 255), (100, 80, 130), (255, 76, 254)):
        density.find_hues(np.array(colour, np.uint8), hues)
        hue = (np.arange(256) + colour[0]) % 256
        saturation, value = np.full(256, colour[1]), np.full(256, colour[2])
        assert np.abs(unpacked(hues) - rgb(hue, saturation, value)).max() <= 0.5 + 1e-9


def test_mixtures_are_rounded_per_channel():
    a, b = np.array([0x00FF8001, 0x00000000, 0x00FFFFFF], np.uint32), np.uint32(0x0010FF7F)
    for first in a:
        for share in (0, 1, 128, 255):
            mixed = np.array([_mix(first, b, np.uint32(share))], np.uint32)
            parts = unpacked(np.array([first, b])).astype(float)
            expected = np.floor((parts[0] * (256 - share) + parts[1] * share) / 256 + 0.5)
            assert (unpacked(mixed)[0] == expected).all()


@packed.inner
def _mix(a, b, share):
    return packed.mixed(a, b, share)
