"""The augmentation recipe of DeiT in formula space: what happens to each sample, drawn from its identity.

Crops, flips, rotations, shears and shifts become one affine a sample, applied to coordinates before any pixel exists;
operations on one gray at a time become one tone curve; what needs the finished picture is left to a `Retouch`. The
order within each is the drawn one. `docs/augmentation.md` says where this equals the pipeline on pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fdsl.data.boxes import random_boxes
from fdsl.data.randaugment import FULL, SHEAR_AT_FULL, Layers, Operation, RandAugment, parse, settled
from fdsl.data.sample_draws import SampleDraws
from fdsl.data.tones import TONAL, tone_curves
from fdsl.errors import InputError, check_float, check_int
from fdsl.geometry.table import MIN_CANVAS
from fdsl.random import Purpose, uniform
from fdsl.render.renderer import MAX_ZOOM
from fdsl.render.retouch import QUANTILES, Retouch, Step

ERASED_SHARE = (0.02, 1 / 3)
ERASED_RATIO = (0.3, 1 / 0.3)
GEOMETRIC = (
    Operation.ROTATE,
    Operation.SHEAR_X,
    Operation.SHEAR_Y,
    Operation.TRANSLATE_X,
    Operation.TRANSLATE_Y,
)
_GEOMETRIC, _TONAL = (np.isin(np.arange(len(Operation)), operations) for operations in (GEOMETRIC, TONAL))
_STEPS = np.zeros(len(Operation), np.uint8)
_STEPS[Operation.AUTO_CONTRAST] = Step.AUTOCONTRAST
_STEPS[Operation.EQUALIZE] = Step.EQUALIZE
_STEPS[Operation.CONTRAST] = Step.CONTRAST
_STEPS[Operation.COLOR] = Step.COLOR
_STEPS[Operation.SHARPNESS] = Step.SHARPNESS


@dataclass(frozen=True)
class Plan:
    """What happens to N samples.

    Attributes:
        view: float64 [N, 2, 3], from the native canvas to itself, for `Renderer(view=)`.
        tone: uint8 [N, 256], for `Renderer(tone=)`.
        retouch: what needs the finished images, for `Renderer(retouch=)`.
        layers: the RandAugment operations all this was made from, L = 0 without RandAugment.
    """

    view: NDArray[np.float64]
    tone: NDArray[np.uint8]
    retouch: Retouch
    layers: Layers

    def __len__(self) -> int:
        return len(self.view)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How training images are varied; the default is a random resized crop alone.

    The order is timm's: crop and resize, flips, RandAugment, erasing.

    Attributes:
        crop_scale: least and greatest share of the canvas's area that a crop shows, 0.001..1; None for all of it.
        crop_ratio: least and greatest width / height of a crop, 0.25..4.
        hflip: probability of a mirror image, left for right.
        vflip: the same, top for bottom.
        auto_augment: a RandAugment of timm's, such as "rand-m9-mstd0.5-inc1"; None for none.
        random_erasing: probability that a rectangle of 2% to a third of the image becomes noise.

    Raises:
        InputError: a value is out of range, or the string describes nothing that is drawn here.
    """

    crop_scale: tuple[float, float] | None = (0.08, 1.0)
    crop_ratio: tuple[float, float] = (3 / 4, 4 / 3)
    hflip: float = 0.0
    vflip: float = 0.0
    auto_augment: str | None = None
    random_erasing: float = 0.0

    def __post_init__(self) -> None:
        if self.crop_scale is not None:
            _check_range("crop_scale", self.crop_scale, 1e-3, 1.0)
        _check_range("crop_ratio", self.crop_ratio, 0.25, 4.0)
        for field in ("hflip", "vflip", "random_erasing"):
            check_float(field, getattr(self, field), 0.0, 1.0)
        if self.auto_augment is not None:
            if not isinstance(self.auto_augment, str):
                raise InputError(f"auto_augment must be a string or None, got {self.auto_augment!r}")
            self._check_zoom(parse(self.auto_augment))

    def _check_zoom(self, policy: RandAugment) -> None:
        """Raise InputError if crop and operations together could zoom in further than views may."""
        share = 1.0 if self.crop_scale is None else self.crop_scale[0]
        ratio = max(1 / self.crop_ratio[0], self.crop_ratio[1], 1.0)
        crop = 1.0 if self.crop_scale is None else math.sqrt(ratio / share)
        # the norm of a shear; a rotation's is 1
        shear = SHEAR_AT_FULL * policy.limit / FULL
        stretch = (shear + math.sqrt(shear**2 + 4)) / 2
        if crop * stretch**policy.layers > MAX_ZOOM / 2:  # half, so that shifts stay within bounds too
            raise InputError(
                f"auto_augment must be weaker with crop_scale from {share:g}, got {self.auto_augment!r}: "
                f"{policy.layers} shears on a crop could zoom in more than {MAX_ZOOM / 2:g} times"
            )

    def plan(
        self,
        seed: int,
        categories: ArrayLike,
        instances: ArrayLike,
        epochs: ArrayLike,
        *,
        repeats: ArrayLike = 0,
        canvas: int,
        size: int,
        channels: int,
        mean: float | Sequence[float] = 0.5,
        std: float | Sequence[float] = 0.5,
    ) -> Plan:
        """Draw what happens to N samples; each one's share depends on its own numbers alone.

        Args:
            seed: of the augmentation, 0..2^32-1.
            categories: int [N].
            instances: int [N].
            epochs: in which each is seen, 0..2^23-1, int [N] or one for all.
            repeats: which time within the epoch, under repeated augmentation, 0..31, int [N] or one for all.
            canvas: side of the native canvas, pixels.
            size: side of the images, pixels.
            channels: 1 or 3.
            mean: what the model's input is normalised with, in 0..1, one number or one a channel; noise of erased
                rectangles is normal with mean 0 and deviation 1 after it, as far as 0..255 allows.
            std: the deviation, likewise.

        Raises:
            InputError: a number is out of range or a shape does not fit.
        """
        draws = SampleDraws(seed, categories, instances, epochs, repeats)
        check_int("canvas", canvas, MIN_CANVAS)
        check_int("size", size, 2)
        if channels not in (1, 3):
            raise InputError(f"channels must be 1 or 3, got {channels!r}")
        view = self._crop(draws, canvas)
        self._flip(draws, canvas, view)
        layers = self._layers(draws)
        tone, steps, which, tables = _fold_tones(layers, channels)
        _fold_geometry(layers, canvas, view)
        boxes, keys = self._erase(draws, size)
        factors = layers.arguments.astype(np.float32)
        quantiles = _noise_quantiles(_by_channel("mean", mean, channels), _by_channel("std", std, channels))
        return Plan(view, tone, Retouch(steps, factors, which, tables, boxes, keys, quantiles), layers)

    def _crop(self, draws: SampleDraws, canvas: int) -> NDArray[np.float64]:
        """Return the views of random resized crops, float64 [N, 2, 3]."""
        view = np.zeros((len(draws), 2, 3))
        if self.crop_scale is None:
            view[:, 0, 0] = view[:, 1, 1] = 1.0
            return view
        boxes, fits = random_boxes(
            draws, Purpose.AUGMENT_VIEW, np.arange(len(draws)), 0,
            side=canvas, longest=canvas, share=self.crop_scale, ratio=self.crop_ratio,
        )  # fmt: skip
        boxes[~fits] = _central_box(canvas, self.crop_ratio)
        for axis in range(2):
            extent, start = boxes[:, 3 - axis], boxes[:, 1 - axis]
            view[:, axis, axis] = canvas / extent
            view[:, axis, 2] = -start * canvas / extent
        return view

    def _flip(self, draws: SampleDraws, canvas: int, view: NDArray[np.float64]) -> None:
        if self.hflip == 0 and self.vflip == 0:
            return
        chance = uniform(draws.words(Purpose.AUGMENT_FLIP, [0])[:, 0])
        for axis, probability in enumerate((self.hflip, self.vflip)):
            rows = chance[:, axis] < probability
            view[rows, axis] *= -1
            view[rows, axis, 2] += canvas

    def _layers(self, draws: SampleDraws) -> Layers:
        if self.auto_augment is None:
            nothing = np.zeros((len(draws), 0))
            return Layers(nothing.astype(np.uint8), nothing.astype(np.bool_), nothing)
        policy = parse(self.auto_augment)
        return policy.draw(draws.words(Purpose.AUGMENT_LAYER, np.arange(policy.layers)))

    def _erase(self, draws: SampleDraws, size: int) -> tuple[NDArray[np.int32], NDArray[np.uint32]]:
        """Return the erased rectangles, int32 [N, 4], and the keys of their noise, uint32 [N, 2]."""
        boxes = np.zeros((len(draws), 4), np.int32)
        if self.random_erasing == 0:
            return boxes, np.zeros((len(draws), 2), np.uint32)
        words = draws.words(Purpose.AUGMENT_ERASE, [0])[:, 0]
        rows = np.flatnonzero(uniform(words[:, 0]) < self.random_erasing)
        if rows.size:
            drawn, fits = random_boxes(
                draws, Purpose.AUGMENT_ERASE, rows, 1,
                side=size, longest=size - 1, share=ERASED_SHARE, ratio=ERASED_RATIO,
            )  # fmt: skip
            boxes[rows[fits]] = drawn[fits]
        return boxes, words[:, 2:].copy()


def _check_range(field: str, value: object, low: float, high: float) -> None:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise InputError(f"{field} must be (least, most), got {value!r}")
    ends = [check_float(f"{field}[{end}]", value[end], low, high) for end in range(2)]
    if ends[0] > ends[1]:
        raise InputError(f"{field} must be (least, most), got {value!r}")


def _central_box(side: int, ratio: tuple[float, float]) -> tuple[int, int, int, int]:
    """Return the largest central rectangle of an allowed ratio: top, left, height, width."""
    height = round(side / max(ratio[0], 1.0))
    width = round(side * min(ratio[1], 1.0))
    return (side - height) // 2, (side - width) // 2, height, width


def _fold_geometry(layers: Layers, canvas: int, view: NDArray[np.float64]) -> None:
    """Let rotations, shears and shifts follow `view`, in place, in the drawn order.

    Pillow maps output to input; content moves by the inverse. Its coordinates are those of pixel edges, as the canvas's
    are, shears fix the upper left corner, rotations the centre.
    """
    for layer in range(layers.operations.shape[1]):
        rows = np.flatnonzero(layers.applied[:, layer] & _GEOMETRIC[layers.operations[:, layer]])
        operation, argument = layers.operations[rows, layer], layers.arguments[rows, layer]
        turn = np.where(operation == Operation.ROTATE, np.radians(argument), 0.0)
        cos, sin = settled(np.cos(turn)), settled(np.sin(turn))
        right, down = (
            np.where(operation == one, -argument, 0.0) for one in (Operation.SHEAR_X, Operation.SHEAR_Y)
        )
        centre, before = canvas / 2, view[rows]
        shift_x, shift_y = (
            np.where(operation == one, -argument * canvas, 0.0)
            for one in (Operation.TRANSLATE_X, Operation.TRANSLATE_Y)
        )
        # written out: a matrix product's last bits are the library's
        x, y = before[:, 0], before[:, 1]
        view[rows, 0] = cos[:, None] * x + (sin + right)[:, None] * y
        view[rows, 1] = (down - sin)[:, None] * x + cos[:, None] * y
        view[rows, 0, 2] += shift_x + (centre - cos * centre - sin * centre)
        view[rows, 1, 2] += shift_y + (centre + sin * centre - cos * centre)


def _fold_tones(
    layers: Layers, channels: int
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.int32], NDArray[np.uint8]]:
    """Return the tone up to the first step that needs a finished image, and from there on the steps of `Retouch`.

    Returns:
        tone uint8 [N, 256], steps uint8 [N, L], which int32 [N, L], tables uint8 [T, 256].
    """
    steps = np.where(layers.applied, _STEPS[layers.operations], Step.NONE).astype(np.uint8)
    if channels == 1:
        steps[steps == Step.COLOR] = Step.NONE
    tonal = layers.applied & _TONAL[layers.operations]
    tables = tone_curves(layers.operations[tonal], layers.arguments[tonal])
    which = np.zeros(steps.shape, np.int32)
    which[tonal] = np.arange(len(tables))
    finished = np.logical_or.accumulate(steps != Step.NONE, axis=1)
    steps[tonal & finished] = Step.TONE
    tone = np.tile(np.arange(256, dtype=np.uint8), (len(steps), 1))
    for layer in range(steps.shape[1]):
        rows = np.flatnonzero(tonal[:, layer] & ~finished[:, layer])
        tone[rows] = tables[which[rows, layer, None], tone[rows]]
    return tone, steps, which, tables


def _by_channel(field: str, value: float | Sequence[float], channels: int) -> tuple[float, ...]:
    values = tuple(map(float, np.ravel(value))) if np.ndim(value) else (value,) * channels
    if len(values) != channels:
        raise InputError(f"{field} must be one number or one for each of {channels} channels, got {value!r}")
    return tuple(check_float(field, one, 0.0 if field == "mean" else 1e-6, 1.0) for one in values)


@lru_cache(maxsize=16)
def _noise_quantiles(mean: tuple[float, ...], std: tuple[float, ...]) -> NDArray[np.uint8]:
    """Return the gray levels of a normal at 4096 equally likely steps, uint8 [C, 4096]."""
    normal = NormalDist()
    steps = np.array([normal.inv_cdf((step + 0.5) / QUANTILES) for step in range(QUANTILES)])
    levels = 255 * (np.array(mean)[:, None] + np.array(std)[:, None] * steps)
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    table.flags.writeable = False
    return table
