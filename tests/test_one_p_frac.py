"""1p-frac: one fractal, its perturbations, and which of them are accepted."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import InputError
from fdsl.formulas import one_p_frac, search
from fdsl.formulas.ifs import Systems

CLASSES, SEED = 12, 3
STREAM = "OnePFrac/1"


@pytest.fixture(scope="module")
def family() -> fdsl.OnePFrac:
    return fdsl.OnePFrac(classes=CLASSES)


def matrices(maps: np.ndarray) -> np.ndarray:
    return maps[..., :4].reshape(*maps.shape[:-1], 2, 2)


@pytest.mark.parametrize("sigma", [3.5, 4.0])
def test_the_one_fractal_has_the_sigma_factor(sigma):
    for seed in range(4):
        base = one_p_frac._base(STREAM, seed, sigma)
        values = np.linalg.svd(matrices(base.maps[0, :2]), compute_uv=False)
        assert np.isclose((values @ [1, 2]).sum(), sigma)
        assert values.max() < 1
        assert (base.maps[0, 2:] == 0).all()


@pytest.mark.parametrize("delta", [0.01, 0.1])
def test_perturbations_scale_every_value_on_its_own(delta):
    numbers = np.arange(2000)
    systems = one_p_frac._perturbed(STREAM, SEED, 3.5, delta, numbers)
    ratio = (systems.maps[:, :2] / one_p_frac._base(STREAM, SEED, 3.5).maps[:, :2]).reshape(-1, 12)
    for value in range(12):
        assert stats.kstest(ratio[:, value], stats.uniform(1 - delta, 2 * delta).cdf).pvalue > 1e-4
    assert np.abs(np.corrcoef(ratio.T) - np.eye(12)).max() < 0.1


def test_categories_are_close_to_one_another_and_distinct(family):
    base = one_p_frac._base(STREAM, SEED, 3.5)
    maps = np.array([family.category(SEED, k)["maps"] for k in range(CLASSES)])
    ratio = maps / base.maps[0, :2]
    assert ratio.min() >= 0.9
    assert ratio.max() <= 1.1
    assert len({system.tobytes() for system in maps}) == CLASSES
    # the probabilities stay those of the unperturbed maps
    area = np.abs(np.linalg.det(matrices(base.maps[0, :2])))
    assert np.allclose(family.category(SEED, 5)["probability"], area / area.sum())


def test_categories_share_the_map_choices_and_instances_the_points(family):
    table = family.table(SEED, [0, 0, 1], [0, 8, 0])
    assert (table.address == table.address[0]).all()
    assert (table.begins == table.begins[0]).all()
    points = fdsl.Renderer(512)(replace(table, ink="point"))
    assert (points[0] == points[1]).all()
    assert (points[0] != points[2]).any()
    images = fdsl.Renderer(512)(table)
    assert (images[0] != images[1]).any()


def test_every_image_lights_a_twentieth_of_the_canvas(family):
    k = np.repeat(np.arange(CLASSES), 3)
    images = fdsl.Renderer(512)(family.table(SEED, k, np.tile([0, 1, 77], CLASSES)))
    lit = (images > 0).mean(axis=(1, 2))
    assert lit.min() > 0.049
    assert np.ptp(lit.reshape(CLASSES, 3), axis=1).max() < 0.002


def test_candidates_are_accepted_by_what_they_light(monkeypatch, tmp_path):
    """The rule, measured by the renderer with patterns the search never saw; and kept on disk."""
    monkeypatch.setenv("FDSL_CACHE", str(tmp_path))
    monkeypatch.setattr(search, "_found", {})
    numbers = np.arange(60)
    fdsl.OnePFrac(classes=len(numbers)).category(12, 0)  # so that as many candidates are tested at least
    (file,) = tmp_path.glob("OnePFrac-*.json")
    kept = json.loads(file.read_text())
    systems = one_p_frac._perturbed(STREAM, 12, 3.5, 0.1, numbers)
    table = one_p_frac._table(STREAM, 12, systems, points=100_000)
    patterns = table.address.copy()
    patterns[:, 3] = numbers
    lit = (fdsl.Renderer(512)(replace(table, patterns=patterns)) > 0).mean(axis=(1, 2))
    clear = np.abs(lit - 0.05) > 0.001
    accepted = np.isin(numbers, kept["accepted"])
    assert (~accepted).sum() > 3
    assert accepted.sum() > 3
    assert ((lit >= 0.05) == accepted)[clear].all()
    ratio = lit / one_p_frac._lit(table)
    assert abs(ratio.mean() - 1) < 0.003
    assert np.abs(ratio - 1).max() < 0.03


def test_perturbed_systems_that_diverge_are_drawn_safely_and_rejected():
    maps = np.zeros((2, 8, 6))
    maps[:, :2] = [[[1.9, 0, 0, 1.9, 1, 1], [1.8, 0.1, 0, 1.7, -1, 1]], [[1.1, 0, 0, 1.1, 0, 0]] * 2]
    systems = Systems(maps, np.tile([0.5, 0.5, 0, 0, 0, 0, 0, 0], (2, 1)), np.array([2, 2]))
    table = one_p_frac._table(STREAM, 0, systems, points=100_000)
    assert (one_p_frac._lit(table) < 0.05).all()
    assert ((fdsl.Renderer(512)(table) > 0).mean(axis=(1, 2)) < 0.05).all()
    # as large a perturbation as is allowed: many expand, those accepted are lit all the same
    wild = fdsl.OnePFrac(classes=4, delta=1.0)
    images = fdsl.Renderer(512)(wild.table(1, np.arange(4), np.zeros(4, int)))
    assert (images > 0).mean(axis=(1, 2)).min() > 0.049


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sigma": 2.0}, r"sigma must be in \[3.3, 5.8\], got 2.0"),
        ({"sigma": 6.0}, r"sigma must be in \[3.3, 5.8\], got 6.0"),
        ({"delta": 0.0}, r"delta must be in \[0.001, 1\], got 0.0"),
        ({"delta": float("nan")}, "delta must be a finite number"),
        ({"variant": "point_gray"}, "variant must be one of patch_gray, patch_or, patch_color"),
        ({"points": 0}, "points must be in"),
    ],
)
def test_bad_fields_are_named(fields, message):
    with pytest.raises(InputError, match=message):
        fdsl.OnePFrac(**fields)
