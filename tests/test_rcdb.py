"""RCDB's parameters against their published distributions, and its noise against the formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.geometry.radial import perlin_1d

CLASSES = 4000


@pytest.fixture(scope="module")
def parameters() -> dict[str, np.ndarray]:
    family = fdsl.RCDB(classes=CLASSES)
    rows = [family.category(11, k) for k in range(CLASSES)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize(
    ("name", "low", "high"), [("noise", 0, 4), ("drift", 0, 0.1), ("oval_x", 1, 2), ("oval_y", 1, 2)]
)
def test_real_parameters_are_uniform(parameters, name, low, high):
    assert stats.kstest(parameters[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize(
    ("name", "low", "high", "step"),
    [("strokes", 1, 200, 1), ("radius", 0, 100, 1), ("centre_x", 56, 456, 0.5), ("centre_y", 56, 456, 0.5)],
)
def test_integer_parameters_are_uniform_with_both_ends(parameters, name, low, high, step):
    values = parameters[name]
    assert (values.min(), values.max()) == (low, high)
    jittered = values + step * (np.random.default_rng(0).random(len(values)) - 0.5)
    assert stats.kstest(jittered, stats.uniform(low - step / 2, high - low + step).cdf).pvalue > 1e-3


def test_vertices_are_a_truncated_exponential(parameters):
    vertices = parameters["vertices"]
    assert vertices.min() >= 3
    assert vertices.max() <= 200
    # the published way, redrawn until it fits
    peer = np.floor(np.random.default_rng(0).exponential(100, 40_000))
    peer = peer[(peer >= 3) & (peer <= 200)]
    assert stats.ks_2samp(vertices, peer).pvalue > 1e-3


def test_released_redraws_all_but_the_first_instance():
    family = fdsl.RCDB(classes=10)
    table = family.table(0, [4, 4, 4], [0, 1, 2])
    first = family.category(0, 4)
    assert table.centre[0].tolist() == [first["centre_x"], first["centre_y"]]
    assert table.start[0, 0] == np.float32(first["radius"] * first["oval_x"])
    assert len({tuple(row) for row in table.start.tolist()}) == 3
    assert len({tuple(row) for row in table.centre.tolist()}) == 3
    assert len(set(table.vertices.tolist())) == len(set(table.gain.tolist())) == 1


def test_paper_varies_the_centre_alone():
    table = fdsl.RCDB(classes=10, variant="paper").table(0, [4, 4, 4], [0, 1, 2])
    assert len({tuple(row) for row in table.start.tolist()}) == 1
    assert len({tuple(row) for row in table.centre.tolist()}) == 3


def test_an_unknown_variant_is_named():
    with pytest.raises(
        InputError, match=r"variant must be one of released, paper, got 'papers'.*did you mean"
    ):
        fdsl.RCDB(variant="papers")


def reference_noise(count: int) -> np.ndarray:
    """1-D noise as the published images' library computes it, at uniform places, with a permutation table."""
    rng = np.random.default_rng(1)
    permutation = rng.permutation(256)
    place = rng.uniform(0, 10_000, count)
    lattice, u = np.floor(place).astype(int), place % 1
    hashes = permutation[lattice % 256], permutation[(lattice + 1) % 256]
    left, right = (np.where(h & 8, -1.0, (h & 7) + 1.0) for h in hashes)
    fade = u**3 * (u * (6 * u - 15) + 10)
    return 0.4 * ((1 - fade) * left * u + fade * right * (u - 1))


def test_perlin_noise_has_the_published_distribution():
    drawn = np.random.default_rng(2).integers(0, 2**32, 40_000, dtype=np.uint32)
    ours = np.array([perlin_1d(word) for word in drawn])
    assert stats.ks_2samp(ours, reference_noise(40_000)).pvalue > 1e-3
    assert abs(ours.std() - 0.33) < 0.01
    assert abs(ours.mean()) < 0.01
    assert round(float(np.abs(ours).max()), 3) <= 0.952
    assert np.abs(ours).max() > 0.9
