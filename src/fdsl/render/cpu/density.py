"""Densities: how many points a cell has, and the colours that stand for it.

Cells have a border of one, for patches whose middle lies just outside, and one cell past the end for all others.
"""

from __future__ import annotations

from numba import float32, int32, uint32, uint64

from fdsl.compiled import inlined, inner
from fdsl.geometry.affine2d import ORBITS
from fdsl.geometry.maps import BURN_IN
from fdsl.render.cpu.packed import packed_hsv
from fdsl.render.cpu.points import find_cells

LEVELS = 256
"""Of density, a hue each."""


@inner
def count_points(orbits, last, points, place, side, cell_R, counts):  # type: ignore[no-untyped-def]
    """Count the points of each cell.

    Args:
        orbits: traced ones.
        last: rows of them end here, from `affine2d.bounds`.
        points: how many are counted at most.
        place: float32 [2, 3], from points to cells.
        side: cells a side, without the border.
        cell_R: int32 [ORBITS], scratch.
        counts: uint32 [(side + 2)^2 + 1 or more], written.
    """
    counts[: (side + 2) * (side + 2) + 1] = 0
    left = min(points, (last - BURN_IN - 1) * ORBITS)
    for begin in range(0, left, ORBITS):
        s = BURN_IN + 1 + begin // ORBITS
        find_cells(orbits.x_SR[s], orbits.y_SR[s], place, side, 1, cell_R)
        for orbit in range(uint64(min(ORBITS, left - begin))):
            counts[uint32(cell_R[orbit])] += uint32(1)


@inlined
def cell_around(line, bit, pitch):  # type: ignore[no-untyped-def]
    """Return which of the counted cells has the points whose patches have this bit at the first cell of a line."""
    return (line + 2 - bit // 3) * pitch + 2 - bit % 3


@inner
def spread_patch(counts, patch, side, density):  # type: ignore[no-untyped-def]
    """Lay the patch around every point, and return the greatest sum.

    All points have one patch: adding it at each is adding up the counts of the cells around.

    Args:
        counts: from `count_points`.
        patch: nine bits, bit 3 * line + column.
        side: cells a side.
        density: uint32 [side^2 or more], written.
    """
    pitch, most = side + 2, uint32(0)
    for line in range(side):
        out_W = density[line * side : (line + 1) * side]
        out_W[:] = 0
        for bit in range(9):
            if (patch >> bit) & 1:
                begin = cell_around(line, bit, pitch)
                _add(counts[begin : begin + side], out_W)
        most = max(most, _greatest(out_W))
    return most


@inner
def _add(counts_W, out_W):  # type: ignore[no-untyped-def]
    for x in range(uint64(len(out_W))):
        out_W[x] = uint32(out_W[x] + counts_W[x])


@inner
def _greatest(values_W):  # type: ignore[no-untyped-def]
    most = uint32(0)
    for x in range(uint64(len(values_W))):
        most = values_W[x] if values_W[x] > most else most
    return most


@inlined
def colour_of_level(colour, level):  # type: ignore[no-untyped-def]
    """Return the packed colour of a level of density. `colour` is uint8 [3]: hue of none, saturation, value."""
    return packed_hsv((level + int32(colour[0])) & 255, colour[1], colour[2])


@inner
def find_hues(colour, hues):  # type: ignore[no-untyped-def]
    """Write the packed colour of each level of density."""
    for level in range(LEVELS):
        hues[level] = colour_of_level(colour, level)


@inlined
def scale_of(most):  # type: ignore[no-untyped-def]
    """Return what takes densities to levels, when the greatest one is `most`."""
    return float32(255.0) / float32(most if most > 0 else 1)


@inlined
def level_of(density, scale):  # type: ignore[no-untyped-def]
    """Return the level of a density, uint32, and one; 0 for none."""
    level = int32(float32(int32(density)) * scale)
    level = level if level < int32(LEVELS - 1) else int32(LEVELS - 1)
    return uint32(level + int32(1)) if density != uint32(0) else uint32(0)


@inner
def _find_levels(density_W, scale):  # type: ignore[no-untyped-def]
    """Write over each density its level. By itself: in one loop with looking up it stays scalar."""
    for x in range(uint64(len(density_W))):
        density_W[x] = level_of(density_W[x], scale)


@inner
def colour_cells(density, most, hues, side, cells):  # type: ignore[no-untyped-def]
    """Write each cell's packed colour, 0 where there is no density; densities are used up.

    `hues` is uint32 [LEVELS + 1], 0 and then those of `find_hues`;
    `cells` is uint32 [(side + 1) * (side + 2) + 1 or more]: a column and two lines of none more, for lookups beyond.
    """
    pitch, scale = side + 1, scale_of(most)
    for line in range(side):
        density_W, out_W = density[line * side : (line + 1) * side], cells[line * pitch : (line + 1) * pitch]
        _find_levels(density_W, scale)
        for x in range(uint64(len(density_W))):
            out_W[x] = hues[uint64(density_W[x])]
        out_W[side] = 0
    cells[side * pitch : (side + 2) * pitch + 1] = 0
