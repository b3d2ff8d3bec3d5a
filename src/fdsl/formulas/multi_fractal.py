"""Colour multi-fractals (Anderson & Farrell, WACV 2022): several categories in one image, before coloured noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.formulas.base import Family
from fdsl.formulas.contractive import (
    CANVAS,
    FEWEST_MAPS,
    TRIES,
    Contractive,
    around_fixed_point,
    jittered,
)
from fdsl.formulas.ifs import MOST_MAPS, areas
from fdsl.geometry.diamond_square import amplitudes
from fdsl.geometry.maps import MAX_MAPS, thresholds
from fdsl.geometry.scenes import MAX_OBJECTS, MAX_PATCH, FractalScenes
from fdsl.geometry.table import MAX_POINTS
from fdsl.random import Purpose, integer, stream_word, uniform, words

GRAIN = CANVAS // 2
"""Cells a side that the released program draws an object in, before it resizes it."""
CELLS_A_PIXEL = 1.5
"""Most cells a side for each canvas pixel: cells of smaller objects would go unseen."""
SCALES, SHIFT = (0.5, 2.0), 0.2
"""Of the window onto an object that has an image to itself, in its extents."""
SIGMAS = (0.5, 1.0)
"""Of the blur, pixels."""
LEAST_COLOUR = np.array([0, 0.3, 0.5])
"""Hue, saturation and value of an object, up to 1."""
LEAST_BACKDROP = np.array([0.25, 0.0, 0.1, 0.4, 0.3, 0.4])
"""How much hue there is a unit of noise, and without, how much saturation, and how much value."""
MOST_BACKDROP = np.array([1.0, 1.0, 0.3, 0.6, 0.6, 0.6])
DECAYS = (0.4, 0.8)
"""Of the noise's amplitude, a level: e to the minus this."""
VARIANTS = ("diamond_square", "black")


class Places(NamedTuple):
    """Where the objects of N images lie, up to O each."""

    boxes: NDArray[np.float64]
    """[N, O, 4]: left, top, width, height, canvas pixels."""
    grain: NDArray[np.int32]
    points: NDArray[np.int32]
    flips: NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class MultiFractal(Family):
    """Scenes of up to five coloured attractors of different categories before coloured noise, native canvas 224.

    Categories are the systems of `Contractive`, each object's jittered as there. Image (k, i) holds I{1..most_objects}
    objects; the last, on top, is of category k, the others are of categories drawn at random without repetition, so
    that labels are balanced (in the released program all are drawn at random, and may repeat). An object is flipped,
    transposed and fills a square of U(0.15, 0.6) of the canvas that may reach over the edge by half. It is drawn as the
    density of its points, each a random 3x3 patch of the object's own, in 112 cells a side, coloured, and resized;
    where nothing of that is seen, what lies below is. Its hue goes with its density, from a random one on; saturation
    U(0.3, 1) and value U(0.5, 1) are its own. Hues are two degrees a step and begin anew after 256, as released.

    With `most_objects` 1 an image shows its category alone: the window onto it is U(0.5, 2) times as wide and as high
    as the object and moved by up to 0.2 of that, and nothing is resized: the released single-fractal images.

    The background is diamond-square noise, mirrored beyond the canvas where a view looks there. Half of the images are
    blurred, by a separable 3x3 Gaussian of sigma U(0.5, 1) in whole 256ths, in pixels of what is drawn (of the larger
    drawing, where one is averaged).

    Attributes:
        variant: the background, "diamond_square" noise or "black".
        most_objects: objects an image holds at most. At 1 they are drawn larger.
        most_maps: maps a system has at most: I{2..most_maps}.
        points: points of an object of 112 pixels or more. Smaller ones have as many for their area (ours: the released
            program draws all of them, then makes the object smaller).
        smallest: least side of an object, a share of the canvas. Not used when there is one.
        largest: greatest side of an object, a share of the canvas. Not used when there is one.
        blurred: share of the images that are blurred.
    """

    variant: str = "diamond_square"
    most_objects: int = 5
    most_maps: int = 4
    points: int = 100_000
    smallest: float = 0.15
    largest: float = 0.6
    blurred: float = 0.5

    name: ClassVar[str] = "MultiFractal"
    source: ClassVar[str] = "Anderson and Farrell, WACV 2022, https://arxiv.org/abs/2110.03091"
    variants: ClassVar[tuple[str, ...]] = VARIANTS
    native_size: ClassVar[int] = CANVAS
    target: ClassVar[str] = "classes"
    labels: ClassVar[tuple[str, ...]] = ("box", "mask")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("variant", self.variant, VARIANTS)
        check_int("most_objects", self.most_objects, 1, MAX_OBJECTS)
        check_int("most_maps", self.most_maps, FEWEST_MAPS, MOST_MAPS)
        check_int("points", self.points, 1, MAX_POINTS)
        check_float("smallest", self.smallest, 0.05, 1.0)
        check_float("largest", self.largest, 0.05, 1.0)
        if self.smallest > self.largest:
            raise InputError(
                f"smallest must be <= largest, got {self.smallest:g} > {self.largest:g}: no object has a size"
            )
        check_float("blurred", self.blurred, 0.0, 1.0)

    @property
    def channels(self) -> int:
        return 3

    @property
    def objects(self) -> int:  # type: ignore[override]
        return self.most_objects

    def category(self, seed: int, k: int) -> dict[str, Any]:
        """Return the maps' coefficients and probabilities, as a category file has them: those of `Contractive`."""
        self._identity(seed, [k], 0)
        return self._systems().category(seed, k)

    def definition(self) -> dict[str, Any]:
        return {**super().definition(), "systems": self._systems().stream}

    def contents(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> NDArray[np.int64]:
        k, i = self._identity(seed, categories, instances)
        most = min(self.most_objects, self.classes)
        word = words(seed, self.stream, k, i, Purpose.CONTENT, 1 + self.most_objects)
        count = integer(word[:, 0], 1, most)
        chosen = np.full((len(k), self.most_objects), -1, np.int64)
        taken = k[:, None]
        for o in range(most - 1):
            other = integer(word[:, 1 + o], 0, self.classes - 2 - o)
            for lower in taken.T:  # in ascending order: what is taken is stepped over
                other = other + (other >= lower)
            chosen[:, o] = other
            taken = np.sort(np.column_stack([taken, other]), axis=1)
        chosen[np.arange(self.most_objects) >= count[:, None] - 1] = -1
        chosen[np.arange(len(k)), count - 1] = k
        return chosen

    def table(self, seed: int, categories: ArrayLike, instances: ArrayLike) -> FractalScenes:
        k, i = self._identity(seed, categories, instances)
        contents = self.contents(seed, k, i)
        maps, begins = self._maps(seed, k, i, contents)
        places = self._places(seed, k, i)
        address, shape = self._address(seed, k, i), contents.shape
        patch = words(seed, self.stream, k, i, Purpose.PATCH_PATTERN, self.most_objects)
        hue = words(seed, self.stream, k, i, Purpose.COLOUR, 3 * self.most_objects).reshape(*shape, 3)
        return FractalScenes(
            address=address,
            streams=np.array(
                [stream_word(f"{self.stream}/{o}") for o in range(self.most_objects)], np.uint32
            ),
            count=(contents >= 0).sum(axis=1).astype(np.int32),
            maps=maps,
            begins=begins,
            points=places.points,
            patches=integer(patch, 1, MAX_PATCH).astype(np.uint16),
            boxes=places.boxes,
            grain=places.grain,
            flips=places.flips,
            colours=(255 * (LEAST_COLOUR + (1 - LEAST_COLOUR) * uniform(hue))).astype(np.uint8),
            blur=self._blur(seed, k, i),
            **self._backdrop(seed, k, i),
            canvas=CANVAS,
        )

    def _systems(self) -> Contractive:
        return Contractive(classes=self.classes, most_maps=self.most_maps)

    def _maps(
        self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64], contents: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Return the maps of all objects, float32 [N, O, MAX_MAPS, 6], and where each begins, [N, O, MAX_MAPS]."""
        own = contents >= 0
        word = words(seed, self.stream, k, i, Purpose.INSTANCE, 2 * TRIES * self.most_objects)
        systems, _, count = self._systems()._systems(seed, contents[own])
        systems = jittered(systems, count, word.reshape(*own.shape, 2 * TRIES)[own])
        maps = np.zeros((*own.shape, MAX_MAPS, 6), np.float32)
        begins = np.zeros((*own.shape, MAX_MAPS), np.int32)
        maps[own], begins[own] = around_fixed_point(systems), thresholds(areas(systems), count)
        return maps, begins

    def _places(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> Places:
        shape = (len(k), self.most_objects)
        word = words(seed, self.stream, k, i, Purpose.PLACE, 5 * self.most_objects).reshape(*shape, 5)
        flips = integer(word[..., 0], 0, 7).astype(np.uint8)
        if self.most_objects == 1:
            scale, shift = uniform(word[..., 1:3], *SCALES), uniform(word[..., 3:], -SHIFT, SHIFT)
            first = CANVAS * (0.5 - (0.5 + shift) / scale)
            boxes = np.concatenate([first, CANVAS / scale], axis=-1)
            return Places(boxes, np.zeros(shape, np.int32), np.full(shape, self.points, np.int32), flips)
        side = np.floor(CANVAS * uniform(word[..., 1], self.smallest, self.largest))
        first = np.floor(CANVAS * uniform(word[..., 2:4])) - (side // 2)[..., None]
        boxes = np.concatenate([first, np.stack([side, side], axis=-1)], axis=-1)
        points = np.ceil(self.points * np.minimum(1, side / GRAIN) ** 2)
        grain = np.minimum(GRAIN, np.floor(CELLS_A_PIXEL * side))
        return Places(boxes, grain.astype(np.int32), points.astype(np.int32), flips)

    def _backdrop(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> dict[str, Any]:
        """Return the roughness and, unless it is black, the colours of the background."""
        word = words(seed, self.stream, k, i, Purpose.BACKGROUND, 7)
        roughness = amplitudes(uniform(word[:, 0], *DECAYS))
        if self.variant == "black":
            return {"roughness": roughness}
        share = LEAST_BACKDROP + (MOST_BACKDROP - LEAST_BACKDROP) * uniform(word[:, 1:])
        unit = np.tile([1 << 8, 1 << 16], 3)
        return {"roughness": roughness, "backdrop": np.rint(255 * share * unit).astype(np.int32)}

    def _blur(self, seed: int, k: NDArray[np.int64], i: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the weight of either neighbour, of 256, [N]; 0 for no blur."""
        word = words(seed, self.stream, k, i, Purpose.BLUR, 2)
        beside = np.exp(-0.5 / uniform(word[:, 1], *SIGMAS) ** 2)
        weight = np.rint(256 * beside / (1 + 2 * beside)).astype(np.int32)
        return np.where(uniform(word[:, 0]) < self.blurred, weight, np.int32(0))
