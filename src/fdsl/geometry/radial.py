"""Radial strokes: closed polygons that walk outward from a common centre, one after another.

A vertex starts on an ellipse; before each stroke it moves along its own direction by 1-D Perlin noise of two axes, and
keeps what it has. RCDB (Kataoka et al., CVPR 2022) and its descendants draw with it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numba import float32, int32, uint32
from numpy.typing import NDArray

from fdsl.compiled import VECTOR, inlined, kernel
from fdsl.errors import InputError, check_choice, check_int
from fdsl.geometry.table import check_array, check_grays
from fdsl.random.purpose import Purpose
from fdsl.random.scalar import philox_block

STROKE_NOISE = int(Purpose.STROKE_NOISE)
STROKE_GRAY = int(Purpose.STROKE_GRAY)
MAX_VERTICES, MAX_STROKES, MAX_FREQUENCY = 1 << 16, 1 << 16, 1 << 15
"""So that every product of them fits 32 bits."""
MAX_OBJECTS = 254
"""Contours of an image: a mask has a gray for each, beside 0 for none and 255, which losses over masks leave out."""
SHAPES = ("strokes", "ring", "fill")


@dataclass(frozen=True)
class RadialStrokes:
    """A parameter table, one row a contour; an image holds `objects` of them, one drawn over the other.

    Attributes:
        address: uint32 [R, 4], key and first counter words: seed, stream, category, instance. Contours that are to have
            random numbers of their own have addresses of their own.
        vertices: int32 [R], V.
        strokes: int32 [R], L.
        start: float32 [R, 2], semi-axes of the starting ellipse, canvas units.
        centre: float32 [R, 2], canvas units.
        gain: float32 [R], and
        offset: float32 [R]: a vertex moves inward by `gain * noise + offset` canvas units a stroke and axis.
        waves: int32 [R, 2], frequencies f1 and f2: less half of sin(f1 t) + sin(f2 t), t the vertex's angle, on top of
            `offset`. 0 is no wave; None is none anywhere.
        gray_levels: a stroke's gray is I{0..gray_levels - 1}, clamped to 255.
        background: gray of the empty canvas.
        canvas: side of the native canvas, pixels.
        objects: contours an image, 1..254: rows n * objects to (n + 1) * objects - 1, in that order, make image n.
        inks: uint8 [R], the gray of all that a contour draws; None for one at random a stroke.
        shape: what is drawn of a contour: "strokes", all of them; "ring", what lies between the last and the first;
            "fill", what lies within the last. The two have the outlines that bound them, and one gray: that of `inks`,
            or of the last stroke. What lies within is decided by the even-odd rule. As in the program released with
            SegRCDB, a ring is its last polygon filled, and then its first one in the background's gray, which covers
            what earlier contours have drawn there; and a contour of one stroke has none.
    """

    address: NDArray[np.uint32]
    vertices: NDArray[np.int32]
    strokes: NDArray[np.int32]
    start: NDArray[np.float32]
    centre: NDArray[np.float32]
    gain: NDArray[np.float32]
    offset: NDArray[np.float32]
    waves: NDArray[np.int32] | None = None
    gray_levels: int = 257
    background: int = 255
    canvas: int = 512
    channels: int = 1
    objects: int = 1
    inks: NDArray[np.uint8] | None = None
    shape: str = "strokes"

    def __post_init__(self) -> None:
        check_array("vertices", self.vertices, np.int32, ("N",))
        count = len(self.vertices)
        check_array("address", self.address, np.uint32, (count, 4))
        check_array("strokes", self.strokes, np.int32, (count,))
        for field in ("start", "centre"):
            check_array(field, getattr(self, field), np.float32, (count, 2))
        for field in ("gain", "offset"):
            check_array(field, getattr(self, field), np.float32, (count,))
        if self.waves is not None:
            check_array("waves", self.waves, np.int32, (count, 2))
            if (self.waves < 0).any() or (self.waves > MAX_FREQUENCY).any():
                raise InputError(
                    f"waves must be in 0..{MAX_FREQUENCY}, got {self.waves.min()}..{self.waves.max()}"
                )
        if self.inks is not None:
            check_array("inks", self.inks, np.uint8, (count,))
        check_choice("shape", self.shape, SHAPES)
        if count % check_int("objects", self.objects, 1, MAX_OBJECTS):
            raise InputError(f"objects must divide the rows, got {self.objects} an image and {count} rows")
        check_grays(self.canvas, background=self.background)
        check_int("gray_levels", self.gray_levels, 1, 1 << 16)
        for field, low, high in (("vertices", 1, MAX_VERTICES), ("strokes", 0, MAX_STROKES)):
            values = getattr(self, field)
            if count and (values.min() < low or values.max() > high):
                raise InputError(f"{field} must be in {low}..{high}, got {values.min()}..{values.max()}")

    def __len__(self) -> int:
        """Images."""
        return len(self.vertices) // self.objects

    def mask(self) -> RadialStrokes:
        """Return the table that draws contour o of every image in gray o + 1 on 0, in the same shape."""
        numbers = np.tile(np.arange(1, self.objects + 1, dtype=np.uint8), len(self))
        return replace(self, inks=numbers, background=0)

    @property
    def frequencies(self) -> NDArray[np.int32]:
        """`waves`, or zeros where there are none, int32 [R, 2]."""
        return np.zeros((len(self.vertices), 2), np.int32) if self.waves is None else self.waves


def directions(vertices: int) -> NDArray[np.float32]:
    """Return cos and sin of the vertices' angles 2 pi i / V, float32 [2, V], rounded once from float64."""
    angles = np.arange(vertices) * (2 * np.pi / vertices)
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def direction_table(vertices: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Lay the directions of a batch end to end, each padded to whole VECTOR, and say where each contour's begin.

    Returns:
        float32 [2, sum of padded V], and int64 [R].
    """
    kinds, row_kind = np.unique(vertices, return_inverse=True)
    parts = [_padded_directions(int(v)) for v in kinds]
    begins = np.concatenate([[0], np.cumsum([part.shape[1] for part in parts])[:-1]]).astype(np.int64)
    return np.concatenate(parts, axis=1), begins[row_kind]


@lru_cache(maxsize=2048)
def _padded_directions(vertices: int) -> NDArray[np.float32]:
    return np.pad(directions(vertices), ((0, 0), (0, lanes_for(vertices) - vertices)))


def lanes_for(vertices: int) -> int:
    """Return how many vertices loops run over: `vertices` made a multiple of VECTOR."""
    return -(-vertices // VECTOR) * VECTOR


@inlined
def gradient(bits):  # type: ignore[no-untyped-def]
    """Return the lattice gradient of the `noise` library (1.2.2) for 4 hash bits: -1 if bit 3 is set, else 1..8."""
    low = int32(bits & uint32(15))
    return float32(-1.0) if low >= int32(8) else float32(low + int32(1))


@inlined
def perlin_1d(word):  # type: ignore[no-untyped-def]
    """Return 1-D Perlin noise at a uniform place, from one uint32: 24 bits of place, two gradients of 4 bits."""
    u = float32(int32(word >> uint32(8))) * float32(2.0**-24)
    fade = u * u * u * (u * (u * float32(6.0) - float32(15.0)) + float32(10.0))
    left = gradient(word) * u
    right = gradient(word >> uint32(4)) * (u - float32(1.0))
    return float32(0.4) * (left + fade * (right - left))


@inlined
def noise_block(address, stroke, vertex, vertices):  # type: ignore[no-untyped-def]
    """Return the four words that move `vertex` in strokes `stroke` (even; words 0, 1) and `stroke + 1` (2, 3)."""
    i = uint32(uint32(stroke >> 1) * uint32(vertices) + uint32(vertex))
    return philox_block(address[2], address[3], uint32(STROKE_NOISE), i, address[0], address[1])


@inlined
def stroke_gray(address, stroke, gray_levels):  # type: ignore[no-untyped-def]
    """Return the gray of `stroke`, 0..255."""
    a, b, c, d = philox_block(
        address[2], address[3], uint32(STROKE_GRAY), uint32(stroke >> 2), address[0], address[1]
    )
    lane = stroke & 3
    word = a if lane == 0 else b if lane == 1 else c if lane == 2 else d
    return min((np.uint64(word) * np.uint64(gray_levels)) >> np.uint64(32), np.uint64(255))


@inlined
def wavy(offset, sin_V, vertex, vertices, frequencies):  # type: ignore[no-untyped-def]
    """Return the offset of a vertex with its waves; the sine of its angle's multiple stands elsewhere in the table."""
    first = sin_V[(uint32(frequencies[0]) * uint32(vertex)) % uint32(vertices)]
    second = sin_V[(uint32(frequencies[1]) * uint32(vertex)) % uint32(vertices)]
    return offset - float32(0.5) * (first + second)


@inlined
def moved(position, direction, word, gain, offset):  # type: ignore[no-untyped-def]
    """Return one coordinate of a vertex after the stroke whose noise word this is."""
    return position - direction * (gain * perlin_1d(word) + offset)


@kernel
def trace(
    address, vertices, start, gain, offset, frequencies, direction_2V, strokes, points_LV2
):  # type: ignore[no-untyped-def]  # fmt: skip
    """Write the vertices of every stroke of one contour, about the centre, float32 [L, V, 2]."""
    for vertex in range(vertices):
        own = wavy(offset, direction_2V[1], vertex, vertices, frequencies)
        x = direction_2V[0, vertex] * start[0]
        y = direction_2V[1, vertex] * start[1]
        for stroke in range(strokes):
            a, b, c, d = noise_block(address, stroke & ~1, vertex, vertices)
            odd = stroke & 1
            x = moved(x, direction_2V[0, vertex], c if odd else a, gain, own)
            y = moved(y, direction_2V[1, vertex], d if odd else b, gain, own)
            points_LV2[stroke, vertex, 0] = x
            points_LV2[stroke, vertex, 1] = y


@kernel
def _grays(address, gray_levels, grays_L):  # type: ignore[no-untyped-def]
    for stroke in range(len(grays_L)):
        grays_L[stroke] = stroke_gray(address, stroke, gray_levels)


def polygons(table: RadialStrokes, row: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return the strokes of contour `row`, in drawing order, whatever shape is made of them.

    Returns:
        The polygons' vertices in canvas units, centre added, float32 [L, V, 2]; and their grays, uint8 [L].
    """
    strokes, vertices = int(table.strokes[row]), int(table.vertices[row])
    points_LV2 = np.empty((strokes, vertices, 2), np.float32)
    grays_L = np.empty(strokes, np.uint8)
    trace(
        table.address[row], vertices, table.start[row], table.gain[row], table.offset[row], table.frequencies[row],
        directions(vertices), strokes, points_LV2,
    )  # fmt: skip
    if table.inks is None:
        _grays(table.address[row], table.gray_levels, grays_L)
    else:
        grays_L[:] = table.inks[row]
    return points_LV2 + table.centre[row], grays_L
