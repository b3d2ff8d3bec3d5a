"""Scenes of fractals: noise, densities, colours, places and contents, each against a slow way to the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

import fdsl
from colours import rgb, unpacked
from fdsl.errors import InputError
from fdsl.geometry import affine2d, diamond_square
from fdsl.geometry.diamond_square import LEVELS, ONE, SIDE
from fdsl.geometry.scenes import FLIP_X, FLIP_Y, TRANSPOSE
from fdsl.random import Purpose, philox4x32
from fdsl.render.cpu import density
from fdsl.render.cpu.backdrop import LOWEST, SHADES, find_shades

CLASSES, SEED, SIZE = 40, 3, 224
MIDDLE = np.uint16(1 << 4)
"""The patch of one cell."""


def drawn(table, view=None, size: int = SIZE, lines: str = "crisp") -> np.ndarray:
    return fdsl.Renderer(size, lines, threads=1)(table, view)


def tables(count: int = 24, **fields):
    family = fdsl.MultiFractal(classes=CLASSES, blurred=0.0, **fields)
    return family.table(SEED, np.arange(count) % CLASSES, np.arange(count))


# The background


def slow_noise(address: np.ndarray, amplitude: np.ndarray) -> np.ndarray:
    """The textbook's steps, in place on one grid: all squares of a level, then all diamonds; borders wrap."""
    blocks = np.arange(diamond_square.BLOCKS)
    counter = np.stack(np.broadcast_arrays(address[2], address[3], int(Purpose.FIELD), blocks), axis=-1)
    halves = np.ascontiguousarray(philox4x32(counter, address[:2]).T).reshape(-1).view(np.uint16)
    take = iter(halves.astype(int))
    grid, last = np.zeros((SIDE, SIDE), int), SIDE - 1
    for corner in np.ndindex(2, 2):
        grid[corner[0] * last, corner[1] * last] = next(take)
    for level in range(LEVELS):
        step = last >> (level + 1)
        odd, even = range(step, SIDE, 2 * step), range(0, SIDE, 2 * step)
        for ys, xs, corners in ((odd, odd, True), (even, odd, False), (odd, even, False)):
            for y in ys:
                for x in xs:
                    up, down = (y - step if y else last - step), (y + step if y < last else step)
                    left, right = (x - step if x else last - step), (x + step if x < last else step)
                    around = (
                        (grid[up, left], grid[up, right], grid[down, left], grid[down, right])
                        if corners
                        else (grid[up, x], grid[down, x], grid[y, left], grid[y, right])
                    )
                    grid[y, x] = (sum(around) >> 2) + ((next(take) - 32768) * amplitude[level] >> 15)
    return grid


def test_noise_equals_the_textbook_s_steps():
    field = diamond_square.new_field()
    for seed, decay in enumerate([0.4, 0.8]):
        address = np.array([seed, 2, 3, 4], np.uint32)
        amplitude = diamond_square.amplitudes(np.array([decay]))[0]
        diamond_square.draw_field(address, amplitude, field)
        assert (field.grid[: SIDE * SIDE].reshape(SIDE, SIDE) == slow_noise(address, amplitude)).all()


def test_amplitudes_fall_by_the_decay():
    amplitude = diamond_square.amplitudes(np.array([0.5]))[0]
    assert np.allclose(amplitude / ONE, 0.5 * np.exp(-0.5 * np.arange(LEVELS)), atol=1e-5)


def test_background_is_the_noise_in_the_table_s_colours():
    table = replace(tables(3), count=np.zeros(3, np.int32))
    images, field = drawn(table), diamond_square.new_field()
    for row in range(3):
        diamond_square.draw_field(table.address[row], table.roughness[row], field)
        z = field.grid[: SIDE * SIDE].reshape(SIDE, SIDE)[:SIZE, :SIZE] / ONE
        scale, shift = table.backdrop[row, ::2] / 256, table.backdrop[row, 1::2] / ONE
        hue, saturation, value = (z[..., None] * scale + shift).transpose(2, 0, 1)
        expected = rgb(hue % 256, np.clip(saturation, 0, 255), np.clip(value, 0, 255))
        near = np.abs(images[row] - expected).max(axis=-1)
        assert np.median(near) <= 6  # hue steps of two degrees
        assert (near < 30).mean() > 0.98  # but where the hue begins anew


def test_shades_are_the_published_colours():
    table = tables(4)
    shades = np.empty(SHADES, np.uint32)
    for row in range(4):
        find_shades(table.backdrop[row], shades)
        z = np.arange(SHADES) + LOWEST
        parts = [(z * int(scale) + int(shift)) >> 16 for scale, shift in table.backdrop[row].reshape(3, 2)]
        expected = rgb(parts[0] % 256, np.clip(parts[1], 0, 255), np.clip(parts[2], 0, 255))
        assert np.abs(unpacked(shades) - expected).max() <= 0.5 + 1e-9


def test_background_goes_on_as_in_a_mirror():
    table = replace(tables(2), count=np.zeros(2, np.int32))
    whole = drawn(table, [[0.5, 0, 112], [0, 0.5, 112]])
    # canvas coordinate 0.5 is the mirror: pixel p there shows 2 p - 224 + ..., its twin the same at the other side
    left, right = whole[:, :, :112], whole[:, :, 112:224]
    assert np.abs(left[:, :, ::-1][:, :, :100].astype(int) - right[:, :, :100]).mean() < 6


# Objects


def traced(table, row: int, o: int) -> np.ndarray:
    """Return the points of an object, fitted to the unit square, float64 [P, 2]."""
    points = int(table.points[row, o])
    orbits = affine2d.new_orbits(points)
    address = table.address[row].copy()
    address[1] = table.streams[o]
    affine2d.trace(address, table.maps[row, o], table.begins[row, o], orbits)
    _, *bounds = affine2d.bounds(orbits)
    xy = np.stack([orbits.x_SR[65:].ravel()[:points], orbits.y_SR[65:].ravel()[:points]], axis=1)
    low, high = np.array(bounds, float).reshape(2, 2).T
    xy = (xy.astype(float) - low) / (high - low)
    flips = table.flips[row, o]
    if flips & TRANSPOSE:
        xy = xy[:, ::-1]
    return np.abs(xy - [bool(flips & FLIP_X), bool(flips & FLIP_Y)])


def histogram(table, row: int, o: int) -> np.ndarray:
    cells = int(table.grain[row, o])
    edges = np.arange(cells + 1) / (cells - 1)
    return np.histogram2d(*traced(table, row, o).T[::-1], bins=(edges, edges))[0]


def test_density_counts_the_points_of_each_cell():
    table = tables(2)
    points = int(table.points[0, 0])
    orbits = affine2d.new_orbits(points)
    affine2d.trace(table.address[0], table.maps[0, 0], table.begins[0, 0], orbits)
    last, low_x, high_x, low_y, high_y = affine2d.bounds(orbits)
    side, counts, out = 50, np.empty(52 * 52 + 1, np.uint32), np.empty(2500, np.uint32)
    place = np.array([[48 / (high_x - low_x), 0, 1 - 48 * low_x / (high_x - low_x)],
                      [0, 49 / (high_y - low_y), -49 * low_y / (high_y - low_y)]], np.float32)  # fmt: skip
    density.count_points(orbits, last, points, place, side, np.empty(128, np.int32), counts)
    x, y = (orbits.x_SR[65:last].ravel()[:points], orbits.y_SR[65:last].ravel()[:points])
    cells = [np.floor(place[a, a] * xy + place[a, 2]) for a, xy in enumerate((x, y))]
    edges = np.arange(side + 1)
    expected = np.histogram2d(cells[1], cells[0], bins=(edges, edges))[0]
    most = density.spread_patch(counts, MIDDLE, side, out)
    assert (
        np.abs(out.reshape(side, side) - expected).sum() <= 2e-4 * points
    )  # float32 against the border of a cell
    assert out.max() == most
    framed = counts[: 52 * 52].reshape(52, 52)
    assert framed.sum() == points
    for patch in (1, 2, 0b100000000, 0b010111010, 511):
        density.spread_patch(counts, np.uint16(patch), side, out)
        bits = np.array([patch >> bit & 1 for bit in range(9)]).reshape(3, 3)
        spread = ndimage.convolve(framed.astype(int), bits, mode="constant")[1:-1, 1:-1]
        assert (out.reshape(side, side) == spread).all()


def test_objects_are_their_density_in_hues_resized_into_their_boxes():
    """One object on black: density by NumPy, hues by colorsys, resized by bilinear interpolation as OpenCV's."""
    table = tables(12, variant="black")
    # whole on the canvas, all with the patch of one cell
    boxes = table.boxes.copy()
    boxes[..., :2] = np.clip(boxes[..., :2], 0, SIZE - boxes[..., 2:])
    table = replace(
        table, boxes=boxes, count=np.ones_like(table.count), patches=np.full_like(table.patches, MIDDLE)
    )
    images = drawn(table)
    for row in range(12):
        count = histogram(table, row, 0)
        hue, saturation, value = table.colours[row, 0].astype(float)
        colours = rgb((np.floor(255 * count / count.max()) + hue) % 256, saturation, value)
        colours[count == 0] = 0
        left, top, side, _ = table.boxes[row, 0].astype(int)
        place = np.clip((np.arange(side) + 0.5) * len(count) / side - 0.5, 0, len(count) - 1)
        grid = np.meshgrid(place, place, indexing="ij")
        expected = np.zeros((SIZE, SIZE, 3))
        for channel in range(3):
            resized = ndimage.map_coordinates(colours[..., channel], grid, order=1)
            expected[top : top + side, left : left + side, channel] = resized
        off = np.abs(images[row] - expected).max(axis=-1)
        assert (off <= 3).mean() > 0.99  # a point on a cell's border counts next door
        assert (off > 3).sum() <= 0.05 * (expected.max(axis=-1) > 0).sum()


def test_masks_are_lit_exactly_where_objects_are_drawn():
    table = tables(variant="black")
    images, masks = drawn(table), drawn(table.mask())
    assert masks.shape == images.shape[:3]
    assert ((masks > 0) == images.any(axis=-1)).all()
    assert (masks.max(axis=(1, 2)) <= table.count).all()
    view = [[1.2, 0.4, -40], [-0.4, 1.1, 20]]
    assert ((drawn(table.mask(), view) > 0) == drawn(table, view).any(axis=-1)).all()


def test_masks_number_objects_in_drawing_order():
    table = tables(8, most_objects=3)
    masks, images = drawn(table.mask()), drawn(table)
    for row in range(8):
        for o in range(table.count[row]):
            upto = replace(table, count=np.where(np.arange(8) == row, o, table.count).astype(np.int32))
            more = replace(table, count=np.where(np.arange(8) == row, o + 1, table.count).astype(np.int32))
            changed = (drawn(upto)[row] != drawn(more)[row]).any(axis=-1)
            assert changed[masks[row] == o + 1].mean() > 0.97 if (masks[row] == o + 1).any() else True
            assert not changed[(masks[row] > 0) & (masks[row] <= o)].any()
    assert (images[masks == 0] == drawn(replace(table, count=np.zeros(8, np.int32)))[masks == 0]).all()


def test_one_object_is_seen_through_a_window_and_drawn_in_place():
    table = tables(2000, most_objects=1)
    assert (table.grain == 0).all()
    assert (table.points == 100_000).all()
    left, top, width, height = table.boxes[:, 0].T
    for first, side in ((left, width), (top, height)):
        assert stats.kstest(SIZE / side, stats.uniform(0.5, 1.5).cdf).pvalue > 1e-3
        shift = (SIZE / 2 - first - side / 2) / side
        assert stats.kstest(shift, stats.uniform(-0.2, 0.4).cdf).pvalue > 1e-3


def test_in_place_an_object_fills_its_box():
    table = tables(4, most_objects=1, variant="black")
    boxes = np.broadcast_to([20.0, 40.0, 150.0, 100.0], (4, 1, 4)).copy()
    table = replace(table, boxes=boxes, patches=np.full_like(table.patches, MIDDLE))
    lit = drawn(table).any(axis=-1)
    for row in range(4):
        y, x = np.nonzero(lit[row])
        for found, edge in ((x.min(), 20), (y.min(), 40), (x.max(), 170), (y.max(), 140)):
            assert found in (edge - 1, edge)  # the outermost points lie on the edges
        xy = np.floor(traced(table, row, 0) * (150, 100) + (20, 40)).astype(int)
        expected = np.zeros((SIZE, SIZE), bool)
        expected[xy[:, 1], xy[:, 0]] = True
        assert (expected != lit[row]).mean() < 2e-3


# Places, contents, views


def test_places_are_the_published_ones():
    table = tables(3000)
    own = np.arange(5) < table.count[:, None]
    assert stats.chisquare(np.bincount(table.count)[1:]).pvalue > 1e-3
    left, top, side, height = table.boxes[own].T
    assert (side == height).all()
    assert side.min() >= 33
    assert side.max() <= 134
    assert abs(side.mean() - 0.375 * SIZE) < 1.5
    for first in (left, top):
        middle = first + side // 2
        assert middle.min() == 0
        assert middle.max() == SIZE - 1
    assert stats.chisquare(np.bincount(table.flips[own])).pvalue > 1e-3
    assert table.points[own].max() == 100_000
    assert np.allclose(table.points[own], 100_000 * np.minimum(1, (side / 112) ** 2), atol=1)
    assert table.grain[own].max() == 112


def test_contents_are_distinct_balanced_and_end_with_the_label():
    family = fdsl.MultiFractal(classes=12)
    k = np.repeat(np.arange(12), 2000)
    contents = family.contents(SEED, k, np.arange(len(k)))
    assert contents.shape == (len(k), family.objects)
    count = (contents >= 0).sum(axis=1)
    assert (contents[np.arange(len(k)), count - 1] == k).all()
    assert ((contents >= 0) == (np.arange(5) < count[:, None])).all()
    assert (count == family.table(SEED, k, np.arange(len(k))).count).all()
    for row in contents:
        shown = row[row >= 0]
        assert len(set(shown)) == len(shown)
    others = np.bincount(contents[contents >= 0], minlength=12) - 2000
    assert stats.chisquare(others).pvalue > 1e-3
    first = contents[(count > 1) & (k == 5), 0]
    assert stats.chisquare(np.delete(np.bincount(first, minlength=12), 5)).pvalue > 1e-3


def test_few_classes_are_not_repeated():
    contents = fdsl.MultiFractal(classes=3).contents(SEED, np.zeros(200, int), np.arange(200))
    assert (contents[:, 3:] == -1).all()
    assert (contents >= 0).sum(axis=1).max() == 3


def test_categories_are_the_contractive_systems():
    ours, theirs = fdsl.MultiFractal(classes=4), fdsl.Contractive(classes=4)
    assert ours.category(SEED, 3) == theirs.category(SEED, 3)


def test_a_shifted_view_shows_the_same_pixels():
    table = tables(12)
    whole, shifted = drawn(table), drawn(table, [[1, 0, -30], [0, 1, -50]])
    off = np.abs(whole[:, 50:, 30:].astype(int) - shifted[:, :-50, :-30]).max(axis=-1)
    assert (off <= 4).mean() > 0.999  # shares of a cell are rounded down to 256ths
    nothing = replace(table, count=np.zeros(12, np.int32))
    background = drawn(nothing, [[1, 0, -30], [0, 1, -50]])
    assert (drawn(nothing)[:, 50:, 30:] == background[:, :-50, :-30]).all()


def test_a_zoomed_view_shows_the_same_objects_larger():
    table = tables(12).mask()
    zoomed = drawn(table, [[2, 0, -112], [0, 2, -112]])[:, ::2, ::2] > 0
    whole = drawn(table)[:, 56:168, 56:168] > 0
    for row in range(12):
        if whole[row].sum() > 400:
            assert (zoomed[row] & whole[row]).sum() > 0.75 * zoomed[row].sum()


@pytest.mark.parametrize("scale", [0.001, 30.0, 100.0])
@pytest.mark.parametrize("size", [32, 224])
def test_extreme_views_draw_something(scale, size):
    for slant in (0.0, 0.9 * scale):
        images = drawn(tables(6), [[scale, slant, 5], [0, scale, -20]], size)
        assert images.any()


def test_images_of_other_sizes_show_the_same():
    table = tables(6)
    whole = drawn(table, size=448).reshape(6, 224, 2, 224, 2, 3).mean(axis=(2, 4))
    for lines in ("area", "native"):
        small = drawn(table, size=112, lines=lines)
        near = np.abs(small - whole.reshape(6, 112, 2, 112, 2, 3).mean(axis=(2, 4)))
        assert near.mean() < 8


def test_tones_apply_to_what_was_drawn():
    table, curve = tables(4), np.arange(255, -1, -1, dtype=np.uint8)
    toned = fdsl.Renderer(SIZE, "crisp", 1)(table, tone=curve)
    assert (toned == curve[drawn(table)]).all()


# Blur


def test_half_of_the_images_are_blurred_by_published_amounts():
    table = fdsl.MultiFractal(classes=CLASSES).table(SEED, np.zeros(4000, int), np.arange(4000))
    blurred = table.blur[table.blur > 0]
    assert stats.binomtest(len(blurred), 4000).pvalue > 1e-3
    beside = np.exp(-0.5 / np.array([0.5, 1.0]) ** 2)
    low, high = 256 * beside / (1 + 2 * beside)
    assert blurred.min() >= np.floor(low)
    assert blurred.max() <= np.ceil(high)
    assert (tables(500).blur == 0).all()


def test_blur_averages_neighbours():
    table = tables(6)
    sharp = drawn(table).astype(float)
    weight = 60
    soft = drawn(replace(table, blur=np.full(6, weight, np.int32)))
    kernel = np.array([weight, 256 - 2 * weight, weight]) / 256
    for axis in (2, 1):
        sharp = ndimage.convolve1d(sharp, kernel, axis=axis, mode="mirror")
    assert np.abs(soft - sharp).max() <= 1.01


# Bad input


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variant": "white"}, "variant must be one of diamond_square, black, got 'white'"),
        ({"most_objects": 0}, r"most_objects must be in 1\.\.16, got 0"),
        ({"most_objects": 17}, r"most_objects must be in 1\.\.16, got 17"),
        ({"most_maps": 8}, r"most_maps must be in 2\.\.7, got 8"),
        ({"points": 0}, "points must be in"),
        ({"smallest": 0.7}, r"smallest must be <= largest, got 0\.7 > 0\.6: no object has a size"),
        ({"largest": 1.5}, r"largest must be in \[0\.05, 1\], got 1\.5"),
        ({"blurred": -0.1}, r"blurred must be in \[0, 1\], got -0\.1"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        fdsl.MultiFractal(**fields)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("flips", 8, r"flips must be in 0\.\.7, got 8\.\.8"),
        ("patches", 512, r"patches must be in 0\.\.511"),
        ("blur", 86, r"blur must be in 0\.\.85"),
        ("boxes", np.nan, "boxes must be finite"),
        ("boxes", 0, "boxes must be finite, with a width and height > 0"),
        ("count", 6, r"count must be in 0\.\.5"),
    ],
)
def test_bad_tables_are_refused(field, value, message):
    table = tables(2)
    with pytest.raises(InputError, match=message):
        replace(table, **{field: np.full_like(getattr(table, field), value)})
    with pytest.raises(InputError, match=f"{field} must be"):
        replace(table, **{field: getattr(table, field)[:1].astype(np.int64)})
