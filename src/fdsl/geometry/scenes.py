"""Scenes: several coloured attractors of affine maps of the plane, before a coloured noise field.

An object is drawn as a density, the number of points a cell, in cells of its own square, or in those of the canvas
where it is not resized. Orbits are those of `affine2d`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from fdsl.errors import InputError, check_int
from fdsl.geometry.diamond_square import LEVELS
from fdsl.geometry.maps import MAX_MAPS
from fdsl.geometry.table import MAX_CANVAS, MAX_POINTS, MIN_CANVAS, check_array

MAX_OBJECTS = 16
MAX_PATCH = 511
MOST_BLUR = 85
"""A third of 256: from there on the middle weighs less than its neighbours."""
FLIP_X, FLIP_Y, TRANSPOSE = 1, 2, 4
"""Bits of `flips`; the transposition comes first."""
BACKDROP = 6


@dataclass(frozen=True)
class FractalScenes:
    """A parameter table, one row an image, up to O objects each.

    Attributes:
        address: uint32 [N, 4], key and first counter words of the background: seed, stream, category, instance.
        streams: uint32 [O], the key word that stands in for the stream in object o's orbits.
        count: int32 [N], objects of an image; later ones lie on top.
        maps: float32 [N, O, MAX_MAPS, 6], coefficients a b c d e f.
        begins: int32 [N, O, MAX_MAPS], from `maps.thresholds`.
        points: int32 [N, O], points an object.
        patches: uint16 [N, O], what a point leaves: nine bits, bit 3 * line + column.
        boxes: float64 [N, O, 4], left, top, width and height of the rectangle an object fills, canvas pixels.
        grain: int32 [N, O], cells a side of an object that is drawn by itself and resized to its box, on a drawing of
            the canvas's native size; 0 for one that is drawn in place.
        flips: uint8 [N, O], sum of FLIP_X, FLIP_Y and TRANSPOSE.
        colours: uint8 [N, O, 3], hue at no density, saturation and value. Hues count from 0 to 179 around the circle;
            a density d, of the greatest, has hue (255 d + the first) mod 256.
        backdrop: int32 [N, 6], of the noise z: hue is (z * first + second) mod 256, then the same for saturation and
            value, held in 0..255. In units of 2^-16, z in units of 2^-8. None for a black background.
        roughness: int32 [N, LEVELS], from `diamond_square.amplitudes`.
        blur: int32 [N], weight of either neighbour when pixels are averaged with them along x, then y, of 256.
        canvas: side of the native canvas, pixels.
        numbered: draw objects in their numbers, from 1 on, instead of colours.
    """

    address: NDArray[np.uint32]
    streams: NDArray[np.uint32]
    count: NDArray[np.int32]
    maps: NDArray[np.float32]
    begins: NDArray[np.int32]
    points: NDArray[np.int32]
    patches: NDArray[np.uint16]
    boxes: NDArray[np.float64]
    grain: NDArray[np.int32]
    flips: NDArray[np.uint8]
    colours: NDArray[np.uint8]
    blur: NDArray[np.int32]
    roughness: NDArray[np.int32]
    backdrop: NDArray[np.int32] | None = None
    canvas: int = 224
    numbered: bool = False

    background = 0

    @property
    def channels(self) -> int:
        return 1 if self.numbered else 3

    def __post_init__(self) -> None:
        check_int("canvas", self.canvas, MIN_CANVAS, MAX_CANVAS)
        check_array("count", self.count, np.int32, ("N",))
        rows = len(self.count)
        check_array("maps", self.maps, np.float32, (rows, "O", MAX_MAPS, 6))
        objects = check_int("objects", self.maps.shape[1], 1, MAX_OBJECTS)
        check_array("address", self.address, np.uint32, (rows, 4))
        check_array("streams", self.streams, np.uint32, (objects,))
        check_array("begins", self.begins, np.int32, (rows, objects, MAX_MAPS))
        check_array("boxes", self.boxes, np.float64, (rows, objects, 4))
        check_array("colours", self.colours, np.uint8, (rows, objects, 3))
        for field, kind in (
            ("points", np.int32), ("patches", np.uint16), ("grain", np.int32), ("flips", np.uint8),
        ):  # fmt: skip
            check_array(field, getattr(self, field), kind, (rows, objects))
        check_array("blur", self.blur, np.int32, (rows,))
        check_array("roughness", self.roughness, np.int32, (rows, LEVELS))
        if self.backdrop is not None:
            check_array("backdrop", self.backdrop, np.int32, (rows, BACKDROP))
        self._check_values(objects)

    def _check_values(self, objects: int) -> None:
        for field, low, high in (
            ("count", 0, objects), ("points", 0, MAX_POINTS), ("patches", 0, MAX_PATCH), ("grain", 0, MAX_CANVAS),
            ("flips", 0, 7), ("blur", 0, MOST_BLUR), ("roughness", 0, 1 << 16),
        ):  # fmt: skip
            values = getattr(self, field)
            if values.size and (values.min() < low or values.max() > high):
                raise InputError(
                    f"{field} must be in {low}..{high}, got {int(values.min())}..{int(values.max())}"
                )
        own = self.boxes[np.arange(objects) < self.count[:, None]]
        if not (np.isfinite(own).all() and (own[:, 2:] > 0).all()):
            raise InputError(
                "boxes must be finite, with a width and height > 0: an object would have no place"
            )

    def __len__(self) -> int:
        return len(self.count)

    def mask(self) -> FractalScenes:
        """Return the table that draws object o in gray o + 1 where it shows, on 0."""
        return replace(self, numbered=True, backdrop=None, blur=np.zeros_like(self.blur))
