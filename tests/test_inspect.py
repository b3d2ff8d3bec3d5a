"""What `fdsl inspect` measures: exact values of made-up vectors, pixels and parameters."""

from __future__ import annotations

import math

import numpy as np
import pytest

import fdsl
from fdsl.evaluate.quality.descriptor import averaged, block_lengths, describe
from fdsl.evaluate.quality.measures import (
    chance,
    gaps,
    mixing,
    near_duplicates,
    neighbours,
    separability,
    silhouette,
    spreads,
)
from fdsl.evaluate.quality.pixels import has_background, read_pixels, repeats
from fdsl.evaluate.quality.ranges import best_split, parameter_columns
from fdsl.formulas import altered_family

FAMILIES = sorted(fdsl.families())
NO_BACKGROUND = {"MultiFractal", "PerlinNoiseDB"}


# Descriptors


@pytest.mark.parametrize("size", [16, 32, 100, 50])
def test_averaging_is_exact(size: int) -> None:
    plane = np.random.default_rng(size).integers(0, 256, (size, size)).astype(np.uint8)
    fine = math.lcm(size, 16)
    repeated = plane.repeat(fine // size, axis=0).repeat(fine // size, axis=1)
    expected = repeated.reshape(16, fine // 16, 16, fine // 16).mean(axis=(1, 3)) / 255
    np.testing.assert_allclose(averaged(plane[None], 16)[0], expected, atol=1e-6)
    np.testing.assert_allclose(averaged(plane[None].astype(np.float32), 16)[0], 255 * expected, atol=1e-3)


def test_descriptors_do_not_know_where_a_drawing_lies() -> None:
    image = np.full((64, 64), 255, np.uint8)
    image[10:20, 12:30] = 40
    image[14:18, 20:24] = 180
    moved = np.roll(image, (21, 17), axis=(0, 1))
    one, other, bent = describe(np.stack([image, moved, image.T]))
    np.testing.assert_allclose(one, other, atol=2e-5)
    assert np.linalg.norm(one - bent) > 0.05, "but which way it lies"


def test_descriptors_do_not_depend_on_the_size_an_image_is_repeated_to() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 64, 64), np.uint8)
    larger = image.repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(describe(image), describe(larger), atol=2e-5)


@pytest.mark.parametrize("frequency", [1.5, 3, 6, 12, 24])
@pytest.mark.parametrize("direction", [0, 4])
def test_a_wave_passes_the_filter_of_its_frequency_and_direction(frequency: float, direction: int) -> None:
    whole = round(frequency + 0.1)  # a plane holds whole periods
    wave = 127 + 100 * np.cos(2 * np.pi * whole * np.arange(64) / 64)
    across = np.broadcast_to(wave, (64, 64))
    image = (across if direction == 0 else across.T).astype(np.uint8)
    energies = describe(image[None])[0, :40].reshape(5, 8)
    strongest = np.unravel_index(energies.argmax(), energies.shape)
    assert strongest == ([1.5, 3, 6, 12, 24].index(frequency), direction)


def test_gray_images_in_colour_differ_in_no_chroma() -> None:
    gray = np.random.default_rng(1).integers(0, 256, (3, 64, 64), np.uint8)
    colour = np.repeat(gray[..., None], 3, axis=-1)
    found = describe(colour)
    assert found.shape == (3, sum(block_lengths(3).values()))
    assert describe(gray).shape == (3, sum(block_lengths(1).values()))
    # three blocks instead of two share the length
    np.testing.assert_allclose(found[:, :56] * math.sqrt(3 / 2), describe(gray), atol=1e-4)
    np.testing.assert_allclose(found[:, 56:], 0, atol=1e-5)
    red = colour.copy()
    red[..., 0] = 255
    assert (np.abs(describe(red)[:, 56:]).max(axis=1) > 0.5).all()


# Measures


def clouds(centres: list[float], instances: int = 6, width: float = 0.1, seed: int = 0) -> np.ndarray:
    """Return Gaussian clouds of three dimensions, a category each, centres along the first."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(0, width, (len(centres), instances, 3))
    vectors[..., 0] += np.array(centres)[:, None]
    return vectors.reshape(-1, 3)


@pytest.mark.parametrize("count", [12, 240])
def test_neighbours_are_those_of_brute_force(count: int) -> None:
    vectors = clouds([0.1 * k for k in range(count // 3)], instances=3, width=0.05)
    labels = np.arange(count) // 3
    right, widths = [], []
    for number, vector in enumerate(vectors):
        apart = np.linalg.norm(vectors - vector, axis=1)
        others = np.arange(count) != number
        right.append(labels[others][apart[others].argmin()] == labels[number])
        own = apart[others & (labels == labels[number])].mean()
        other = min(apart[labels == label].mean() for label in set(labels.tolist()) - {labels[number]})
        widths.append((other - own) / max(own, other))
    found = neighbours(vectors, 3)
    np.testing.assert_allclose(separability(found, 3), np.reshape(right, (-1, 3)).mean(axis=1))
    assert 0.2 < np.mean(right) < 1
    assert silhouette(found, 3) == pytest.approx(np.mean(widths))


def test_distances_are_computed_in_blocks_without_a_seam() -> None:
    vectors = clouds([0.01 * k for k in range(300)], instances=2)
    found = neighbours(vectors, 2)
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    expected = apart.reshape(600, 300, 2).sum(axis=2)
    expected[np.arange(600), np.arange(600) // 2] *= 2  # the own one is no other
    np.testing.assert_allclose(found.mean, expected / 2, atol=1e-6)


def test_gaps_by_hand() -> None:
    found = gaps(neighbours(np.array([[0.0], [1], [5], [9]]), 2), 2)
    assert found[0, 1] == found[1, 0] == pytest.approx(np.mean([5, 4, 4, 8]))
    assert found[0, 0] == math.inf


def test_equal_images_count_for_their_part() -> None:
    vectors = np.zeros((6, 2))
    found = neighbours(vectors, 2)
    np.testing.assert_allclose(separability(found, 2), 1 / 3)
    assert silhouette(found, 2) == 0
    assert (mixing(found, 2) == 0.5 - 0.5 * np.eye(3)).all()
    assert chance(3, 2) == 0.2


def test_spreads_by_hand() -> None:
    vectors = np.array([[0.0, 0], [2, 0], [10, 0], [10, 4]])
    found = spreads(vectors, 2)
    np.testing.assert_allclose(found.within, np.sqrt([2, 8]))
    assert found.between[0, 1] == pytest.approx(math.hypot(9, 2))
    assert found.between[0, 0] == math.inf
    assert found.pairs[0, 1] == pytest.approx(math.sqrt(5))
    # variances: 5 within; 85 / 2 between the means, of which 5 / 2 are due to two images a mean
    assert found.overall == pytest.approx(math.sqrt(5 + 42.5 - 2.5))
    assert found.compactness == pytest.approx(math.sqrt(5 / 45))
    assert found.reach(0.5) == pytest.approx(math.sqrt(0.25 + 1))


def test_compactness_of_one_cloud_is_one_and_of_points_zero() -> None:
    assert spreads(clouds([0.0] * 400), 6).compactness == pytest.approx(1, abs=0.02)
    assert spreads(clouds([0, 1, 2, 3], width=0), 6).compactness == 0
    assert spreads(np.ones((4, 3)), 2).compactness == 0


def test_near_duplicates_are_the_pairs_that_are_one() -> None:
    vectors = clouds([0, 0, 5, 9, 9, 9], instances=100)
    measured, found = spreads(vectors, 100), neighbours(vectors, 100)
    pairs = near_duplicates(measured, mixing(found, 100), 0.25)
    assert sorted(pairs) == [(0, 1), (3, 4), (3, 5), (4, 5)]


def test_wide_categories_that_do_not_mix_are_no_duplicates() -> None:
    """Two modes each, as of flipped instances: the means are one, no image is nearer to the other category."""
    vectors = np.array([[-5.0, 0], [-5, 0.1], [5, 0], [5, 0.1], [0, -5], [0.1, -5], [0, 5], [0.1, 5]])
    measured, found = spreads(vectors, 4), neighbours(vectors, 4)
    assert measured.between[0, 1] < 0.5 * measured.pairs[0, 1]
    assert near_duplicates(measured, mixing(found, 4), 0.5) == []


# Pixels


def test_pixels_of_a_hand_drawn_mask() -> None:
    images = np.full((4, 32, 32), 255, np.uint8)
    images[0, 4:8, 10:20] = 0
    images[1, 0, 0] = images[1, 31, 31] = 254
    images[3] = 7
    found = read_pixels(images, 255)
    np.testing.assert_allclose(found.fill, np.array([40, 2, 0, 1024]) / 1024)
    np.testing.assert_allclose(found.box, np.array([40, 1024, 0, 1024]) / 1024)
    assert found.border.tolist() == [False, True, False, True]
    assert found.constant.tolist() == [False, False, True, True]
    np.testing.assert_allclose(found.contrast, [image.std() for image in images])
    colour = np.repeat(images[..., None], 3, axis=-1)
    colour[2, 5, 5, 1] = 0
    assert read_pixels(colour, 255).fill[2] == 1 / 1024


def test_repeats_within_and_across() -> None:
    digest = np.array([b"a", b"b", b"b", b"b", b"c", b"a", b"d", b"e"], object)
    found = repeats(digest, 2)
    assert found.within == (1,)
    assert found.across == ((0, 1), (0, 2))
    assert found.images == 5


@pytest.mark.parametrize("name", FAMILIES)
def test_backgrounds(name: str) -> None:
    family = fdsl.family(name, classes=6)
    for drawn in (family, altered_family(family, "width=2")):
        assert has_background(drawn.table(0, [0], [0])) == (name not in NO_BACKGROUND)
    assert has_background(fdsl.family("MultiFractal", variant="black").table(0, [0], [0]))


# Ranges


def test_a_range_that_separates_is_found() -> None:
    rng = np.random.default_rng(2)
    strokes, noise = np.repeat(rng.integers(1, 100, 100), 4), rng.random(400)
    found = best_split({"noise": noise, "strokes": strokes.astype(float)}, strokes <= 20, 4)
    assert found is not None
    assert (found.parameter, found.below, found.precision, found.recall) == ("strokes", True, 1, 1)
    assert found.limit == strokes[strokes <= 20].max()
    assert found.images == (strokes <= 20).sum()
    above = best_split({"strokes": strokes.astype(float)}, strokes > 60, 4)
    assert above is not None
    assert str(above) == f"strokes >= {strokes[strokes > 60].min()}"


def test_where_chance_alone_is_at_work_no_range_is_named() -> None:
    named = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        columns = {str(n): np.repeat(rng.random(50), 4) for n in range(8)} | {"own": rng.random(200)}
        # categories have it, not images: four of a kind are no more evidence than one
        named += best_split(columns, np.repeat(rng.random(50) < 0.1, 4), 4) is not None
        named += best_split(columns, rng.random(200) < 0.1, 4) is not None
    assert named <= 2


def test_too_few_or_all_are_no_effect() -> None:
    values = {"x": np.arange(40.0)}
    assert best_split(values, np.arange(40) < 3, 2) is None
    assert best_split(values, np.ones(40, bool), 2) is None
    assert best_split({"x": np.ones(40)}, np.arange(40) < 20, 2) is None


def test_parameters_are_those_an_image_is_drawn_from() -> None:
    family = fdsl.RCDB(classes=20)
    k, i = np.arange(20).repeat(2), np.tile(np.arange(2), 20)
    columns = parameter_columns(family, 3, k, i)
    table = family.table(3, k, i)
    np.testing.assert_array_equal(columns["strokes"], table.strokes)
    np.testing.assert_array_equal(columns["vertices"], table.vertices)
    np.testing.assert_allclose(columns["radius"] * columns["oval_x"], table.start[:, 0], rtol=1e-4, atol=1e-3)
    maps = parameter_columns(fdsl.family("Contractive", classes=5), 0, np.arange(5), np.zeros(5, int))
    system = fdsl.family("Contractive", classes=5).category(0, 4)
    assert maps["number of maps"][4] == len(system["maps"])
    assert maps["sum of |det|"][4] == pytest.approx(
        sum(abs(a * d - b * c) for a, b, c, d, *_ in system["maps"])
    )
