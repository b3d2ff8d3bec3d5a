"""Systems by sigma-factor: the constraint, the published distribution, and that every one contracts."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import contractive
from fdsl.geometry import affine2d
from fdsl.geometry.maps import MAX_MAPS
from fdsl.random import Purpose, words

CLASSES, SEED = 3000, 5


@pytest.fixture(scope="module", params=[4, 7])
def family(request) -> fdsl.Contractive:
    return fdsl.Contractive(classes=CLASSES, most_maps=request.param)


@pytest.fixture(scope="module")
def systems(family):
    return family._systems(SEED, np.arange(CLASSES))


def matrices(maps: np.ndarray) -> np.ndarray:
    return maps[..., :4].reshape(*maps.shape[:-1], 2, 2)


def test_singular_values_satisfy_the_constraint(family, systems):
    values = np.linalg.svd(matrices(systems.maps), compute_uv=False)
    assert values.max() < 1
    sigma = (values @ [1, 2]).sum(axis=1) - (5 + systems.sizes) / 2
    assert stats.kstest(sigma, stats.uniform(0, 0.5).cdf).pvalue > 1e-3
    assert stats.chisquare(np.bincount(systems.sizes)[2:]).pvalue > 1e-3
    assert systems.sizes.max() == family.most_maps
    assert (systems.maps[np.arange(MAX_MAPS) >= systems.sizes[:, None]] == 0).all()


def one_after_the_other(n: int, sigma: float, rng: np.random.Generator) -> np.ndarray:
    """The published order of draws, a number at a time: each in the range that leaves the others a solution."""
    values, left = np.empty((n, 2)), sigma
    for m in range(n - 1):
        others = 3 * (n - 1 - m)
        s1 = rng.uniform(max(0, (left - others) / 3), min(1, left))
        s2 = rng.uniform(max(0, (left - s1 - others) / 2), min(s1, (left - s1) / 2))
        values[m], left = (s1, s2), left - s1 - 2 * s2
    s2 = rng.uniform(max(0, (left - 1) / 2), left / 3)
    values[-1] = left - 2 * s2, s2
    return values


@pytest.mark.parametrize(("n", "sigma"), [(2, 3.5), (3, 4.2), (4, 5.0), (7, 6.3), (2, 0.4), (2, 5.8)])
def test_singular_values_follow_the_published_distribution(n, sigma):
    rng = np.random.default_rng(n)
    count = 4000
    word = rng.integers(0, 1 << 32, (count, 7, 2)).astype(np.uint32)
    values = contractive.singular_values(word, np.full(count, sigma), np.full(count, n))
    assert (values[:, n:] == 0).all()
    assert (values >= 0).all()
    assert (values <= 1 + 1e-12).all()
    assert (values[..., 0] >= values[..., 1] - 1e-12).all()
    assert np.allclose((values @ [1, 2]).sum(axis=1), sigma)
    peer = np.array([one_after_the_other(n, sigma, rng) for _ in range(count)])
    for m in range(n):
        for part in range(2):
            assert stats.ks_2samp(values[:, m, part], peer[:, m, part]).pvalue > 1e-3, (m, part)


def test_directions_are_uniform_and_half_the_maps_reflect(systems):
    own = np.concatenate([systems.maps[row, :n] for row, n in enumerate(systems.sizes)])
    left, _, right = np.linalg.svd(matrices(own))
    for vectors in (left[:, :, 0], right[:, 0]):  # of either sign: directions modulo a half-turn
        angle = np.arctan2(vectors[:, 1], vectors[:, 0]) % np.pi
        assert stats.kstest(angle, stats.uniform(0, np.pi).cdf).pvalue > 1e-3
    reflecting = int((np.linalg.det(matrices(own)) < 0).sum())
    assert stats.binomtest(reflecting, len(own)).pvalue > 1e-3
    assert stats.kstest(own[:, 4:].ravel(), stats.uniform(-1, 2).cdf).pvalue > 1e-3


def test_stretches_are_the_greatest_singular_values(systems):
    values = np.linalg.svd(matrices(systems.maps), compute_uv=False)
    assert np.allclose(contractive.stretches(systems.maps), values[..., 0])


def test_instances_scale_one_map_by_up_to_a_tenth_more_or_a_fifth_less(systems):
    word = words(SEED, "test", np.arange(CLASSES), np.array(0), Purpose.INSTANCE, 8)
    scaled = contractive.jittered(systems.maps, systems.sizes, word)
    own = np.arange(MAX_MAPS) < systems.sizes[:, None]
    ratio = np.ones_like(scaled)
    ratio[own] = scaled[own] / systems.maps[own]
    assert np.allclose(ratio, ratio[..., :1])  # the whole map, translation and all
    changed = ~np.isclose(ratio[..., 0], 1, atol=1e-12)
    assert set(changed.sum(axis=1)) <= {0, 1}
    assert contractive.stretches(scaled).max() < 1
    factors = ratio[..., 0][changed]
    assert factors.min() >= 0.8
    assert factors.max() <= 1.1
    # where no map comes near 1, every first try counts
    free = contractive.stretches(systems.maps).max(axis=1) < 1 / 1.1
    assert stats.kstest(ratio[free][..., 0][changed[free]], stats.uniform(0.8, 0.3).cdf).pvalue > 1e-3


def test_coordinates_around_a_fixed_point_move_the_system_alone(systems):
    moved = contractive.around_fixed_point(systems.maps)
    first = matrices(systems.maps[:, 0])
    fixed = np.linalg.solve(np.eye(2) - first, systems.maps[:, 0, 4:, None])[..., 0]
    size = 1 + np.abs(fixed).max(axis=1)
    assert (np.abs(moved[:, 0, 4:]).max(axis=1) < 1e-9 * size).all()
    point = np.random.default_rng(0).uniform(-1, 1, (CLASSES, 1, 2, 1))
    here = (matrices(moved) @ point)[..., 0] + moved[..., 4:] + fixed[:, None]
    there = (matrices(systems.maps) @ (point + fixed[:, None, :, None]))[..., 0] + systems.maps[..., 4:]
    assert (np.abs(here - there).max(axis=(1, 2)) < 1e-9 * size).all()


@pytest.mark.parametrize("name", ["Contractive", "OnePFrac"])
def test_orbits_start_at_a_point_of_the_attractor(name):
    maps = fdsl.family(name, classes=50).table(SEED, np.arange(50), np.zeros(50, int)).maps
    assert (np.abs(maps[:, 0, 4:]).max(axis=1) < 1e-6 * np.abs(maps[..., 4:]).max(axis=(1, 2))).all()


def test_every_orbit_stays_in_the_ball_that_contraction_implies(family):
    """A ball of radius max |t| / (1 - s) about the origin is mapped into itself, hence never left from its centre."""
    table = family.table(SEED, np.arange(200), np.arange(200))
    orbits = affine2d.new_orbits(4000)
    for row in range(len(table)):
        affine2d.trace(table.address[row], table.maps[row], table.begins[row], orbits)
        maps = table.maps[row].astype(float)
        chosen = np.diff(np.append(table.begins[row], 1 << 16)) > 0  # unused rows are no maps of the system
        stretch = contractive.stretches(maps)[chosen].max()
        radius = np.hypot(maps[chosen, 4], maps[chosen, 5]).max() / (1 - stretch)
        reach = np.hypot(orbits.x_SR, orbits.y_SR).max()
        assert reach <= radius * (1 + 1e-4)
        assert affine2d.bounds(orbits)[0] == len(orbits.x_SR)  # nothing diverged


def test_probabilities_are_the_determinants_share():
    parameters = fdsl.Contractive(classes=4).category(0, 2)
    area = np.abs(np.linalg.det(matrices(np.array(parameters["maps"]))))
    assert np.allclose(parameters["probability"], area / area.sum())


@pytest.mark.parametrize("variant", ["patch_or", "patch_gray", "point_gray"])
def test_drawings_reach_the_edges_of_the_published_canvas(variant):
    k = np.arange(20)
    images = fdsl.Renderer(224)(fdsl.Contractive(classes=20, variant=variant).table(SEED, k, k))
    assert set(np.unique(images)) == {0, 127}
    assert (images > 0).mean(axis=(1, 2)).min() > 0.005
    for axis in (1, 2):
        lit = (images > 0).any(axis=axis)
        assert (lit.argmax(axis=1) <= 2).all()
        assert (lit[:, ::-1].argmax(axis=1) <= 2).all()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"variant": "patch_grey"}, "variant must be one of patch_or, patch_gray, point_gray.*did you mean"),
        ({"most_maps": 1}, "most_maps must be in 2..7, got 1"),
        ({"most_maps": 8}, "most_maps must be in 2..7, got 8"),
        ({"points": 0}, "points must be in"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        fdsl.Contractive(**fields)
