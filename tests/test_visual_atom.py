"""VisualAtom's parameters against the published distributions, and its waves against the published formula."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.geometry.radial import perlin_1d, polygons
from fdsl.random import Purpose, philox4x32

CLASSES = 4000


@pytest.fixture(scope="module", params=["defaults", "script"])
def family(request) -> fdsl.VisualAtom:
    return fdsl.VisualAtom(classes=CLASSES, variant=request.param)


@pytest.fixture(scope="module")
def parameters(family) -> dict[str, np.ndarray]:
    return family._categories(11, np.arange(CLASSES))


def test_categories_have_these_parameters(family, parameters):
    for k in (0, 77):
        assert family.category(11, k) == {name: column[k] for name, column in parameters.items()}


def test_real_parameters_are_uniform(family, parameters):
    ranges = {"oval_x": (1, 2), "oval_y": (1, 2)} | (
        {"noise": (2, 6), "drift": (0, 0.01)}
        if family.variant == "defaults"
        else {"noise": (0, 4), "drift": (0, 0.1)}
    )
    for name, (low, high) in ranges.items():
        assert stats.kstest(parameters[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3, name


def test_integer_parameters_are_uniform_with_both_ends(family, parameters):
    radius = (0, 50) if family.variant == "defaults" else (10, 60)
    ranges = {"vertices": (200, 1000), "strokes": (1, 200), "radius": radius, "frequency_1": (0, 20)}
    for name, (low, high) in ranges.items():
        values = parameters[name]
        assert low <= values.min() <= values.max() <= high
        jittered = values + np.random.default_rng(0).random(CLASSES) - 0.5
        assert stats.kstest(jittered, stats.uniform(low - 0.5, high - low + 1).cdf).pvalue > 1e-3, name


def test_the_second_frequency_is_another_unless_the_first_is_none(parameters):
    first, second = parameters["frequency_1"], parameters["frequency_2"]
    assert (first != second)[first > 0].all()
    assert set(second[first == 0]) == set(range(21))
    # the published way, redrawn until it fits
    rng = np.random.default_rng(0)
    peer = rng.integers(0, 21, (60_000, 2))
    peer = peer[(peer[:, 0] != peer[:, 1]) | (peer[:, 0] == 0)]
    assert (
        stats.chi2_contingency([np.bincount(values, minlength=21) for values in (second, peer[:, 1])]).pvalue
        > 1e-3
    )


def test_instances_differ_in_the_centre_alone(family):
    table = family.table(0, np.zeros(2000, int), np.arange(2000))
    for column in (table.vertices, table.strokes, table.gain, table.offset, table.start, table.waves):
        assert (column == column[0]).all()
    assert (table.centre.min(), table.centre.max()) == (0, 512)
    assert stats.kstest(table.centre[:, 0], stats.uniform(0, 512).cdf).pvalue > 1e-3
    assert (table.gray_levels, table.background) == (256, 0)


def test_strokes_follow_the_published_formula():
    family = fdsl.VisualAtom(classes=4)
    table = family.table(5, [2], [1])
    points_LV2, _ = polygons(table, 0)
    own, vertices = family.category(5, 2), int(table.vertices[0])
    angle = np.arange(vertices) * 2 * np.pi / vertices
    counter = np.array([[*table.address[0, 2:], Purpose.STROKE_NOISE, v] for v in range(vertices)])
    word = philox4x32(counter, table.address[0, :2])
    at = np.stack(
        [np.cos(angle) * own["radius"] * own["oval_x"], np.sin(angle) * own["radius"] * own["oval_y"]], 1
    )
    waves = 0.5 * np.sin(angle * own["frequency_1"]) + 0.5 * np.sin(angle * own["frequency_2"])
    for stroke in range(min(2, int(table.strokes[0]))):
        for axis, direction in enumerate((np.cos(angle), np.sin(angle))):
            noise = np.array([perlin_1d(w) for w in word[:, 2 * stroke + axis]], float)
            n = noise * own["noise"] - own["noise"] - waves
            at[:, axis] -= direction * (n - own["drift"])
        assert np.allclose(points_LV2[stroke], at + table.centre[0], atol=1e-3)


def test_an_unknown_variant_is_named():
    with pytest.raises(
        InputError, match=r"variant must be one of defaults, script, got 'scripts'.*did you mean"
    ):
        fdsl.VisualAtom(variant="scripts")
