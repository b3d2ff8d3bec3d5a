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


RANGES = {
    "vertices": (40, 900),
    "strokes": (500, 700),
    "noise": (1.0, 8.0),
    "drift": (0.5, 0.75),
    "radius": (30, 60),
    "ovals": (0.25, 0.5),
}


def test_changed_ranges_are_drawn_from():
    family = fdsl.RCDB(classes=CLASSES, **RANGES)
    rows = [family.category(11, k) for k in range(CLASSES)]
    drawn = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    for name in ("strokes", "radius"):
        low, high = RANGES[name]
        assert (drawn[name].min(), drawn[name].max()) == (low, high)
        assert stats.chisquare(np.bincount(drawn[name])[low:]).pvalue > 1e-3
    for name, (low, high) in {**RANGES, "oval_x": RANGES["ovals"], "oval_y": RANGES["ovals"]}.items():
        if isinstance(low, float) and name != "ovals":
            assert stats.kstest(drawn[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3, name
    peer = np.floor(np.random.default_rng(0).exponential(100, 40_000))
    assert stats.ks_2samp(drawn["vertices"], peer[(peer >= 40) & (peer <= 900)]).pvalue > 1e-3


def test_changed_ranges_hold_for_every_instance():
    for variant in fdsl.RCDB.variants:
        family = fdsl.RCDB(classes=50, variant=variant, **RANGES)
        table = family.table(0, np.arange(500) % 50, np.arange(500) // 50)
        assert 30 * 0.25 <= table.start.min() <= table.start.max() <= 60 * 0.5
        assert 500 <= table.strokes.min() <= table.strokes.max() <= 700


def test_one_changed_range_leaves_the_others_numbers():
    plain, wide = fdsl.RCDB(classes=9), fdsl.RCDB(classes=9, drift=(0.5, 1.0))
    for k in range(9):
        one, other = plain.category(0, k), wide.category(0, k)
        assert {name for name in one if one[name] != other[name]} == {"drift"}


def test_a_range_may_be_one_value_and_comes_as_a_list_too():
    family = fdsl.RCDB(classes=9, vertices=[5, 5], noise=[0, 0], ovals=[1, 1])
    assert (family.vertices, family.noise, family.ovals) == ((5, 5), (0.0, 0.0), (1.0, 1.0))
    assert {family.category(0, k)["vertices"] for k in range(9)} == {5}
    assert family == fdsl.RCDB(classes=9, vertices=(5, 5), noise=(0, 0), ovals=(1, 1))
    assert hash(family) == hash(fdsl.RCDB(classes=9, vertices=(5, 5), noise=(0, 0), ovals=(1, 1)))


def test_published_ranges_are_no_part_of_the_definition():
    """Digests that runs have kept from before there were ranges still hold."""
    kept = "488edcca935b1c89703b5bf955f8bbf748466c8a9609787ceb7ac999e02f7b0e"
    assert fdsl.RCDB().digest(0) == kept
    assert fdsl.RCDB(vertices=[3, 200], noise=[0, 4]).digest(0) == kept
    changed = fdsl.RCDB(vertices=(3, 201))
    assert changed.digest(0) != kept
    assert changed.definition()["vertices"] == (3, 201)
    assert "strokes" not in changed.definition()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vertices", (2, 200), r"least of vertices must be in 3\.\.1000, got 2"),
        ("vertices", (3, 1001), r"most of vertices must be in 3\.\.1000, got 1001"),
        ("vertices", (3.0, 9), r"least of vertices must be an integer in 3\.\.1000, got 3\.0"),
        ("strokes", (9, 8), "strokes must not begin above its end, got 9 and 8"),
        ("strokes", 7, "strokes must be two numbers, the least and the most, got 7"),
        ("strokes", "12", "strokes must be two numbers, the least and the most, got '12'"),
        ("noise", (0, 4, 5), r"noise must be two numbers, the least and the most, got \(0, 4, 5\)"),
        ("noise", (0, float("nan")), r"most of noise must be a finite number in \[0, 16\], got nan"),
        ("noise", (0, 10**400), r"most of noise must be a finite number in \[0, 16\], got 1000"),
        ("noise", (-0.5, 1), r"least of noise must be in \[0, 16\], got -0\.5"),
        ("drift", (0, 1.5), r"most of drift must be in \[0, 1\], got 1\.5"),
        ("radius", (0, 513), r"most of radius must be in 0\.\.512, got 513"),
        ("ovals", (0, 1), r"least of ovals must be in \[0\.1, 10\], got 0"),
        ("ovals", None, "ovals must be two numbers, the least and the most, got None"),
    ],
)
def test_ranges_that_cannot_be_drawn_from_are_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        fdsl.RCDB(**{field: value})


def test_ranges_do_not_go_with_files(tmp_path):
    fdsl.RCDB(classes=3).to_csv(tmp_path / "c", 0)
    assert fdsl.RCDB.from_csv(tmp_path / "c", radius=[0, 100]).classes == 3
    with pytest.raises(
        InputError, match=r"radius must not be given with files, got \(0, 50\): they hold the numbers"
    ):
        fdsl.RCDB.from_csv(tmp_path / "c", radius=(0, 50))


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
