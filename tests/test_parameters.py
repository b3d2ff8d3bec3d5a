"""Parameters as regression targets: from them alone, but for random numbers, comes the table that is drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import fdsl
from fdsl.errors import InputError
from fdsl.formulas.contractive import around_fixed_point
from fdsl.formulas.ifs import MOST_MAPS, DrawnByMaps, weigh
from fdsl.geometry.maps import MAX_MAPS, thresholds

CLASSES, SEED = 8, 11
REGRESSED = sorted(name for name in fdsl.families() if fdsl.family(name, classes=CLASSES).parameter_names)
BY_MAPS = [name for name in REGRESSED if issubclass(fdsl.families()[name], DrawnByMaps)]
K, I = np.arange(40) % CLASSES, np.arange(40) // CLASSES * 7  # noqa: E741


def named(family, k=K, i=I) -> dict[str, np.ndarray]:
    """Parameters by name, float64 [N] each."""
    return dict(zip(family.parameter_names, family.parameters(SEED, k, i).T.astype(np.float64), strict=True))


def in_units(family, k=K, i=I) -> dict[str, np.ndarray]:
    """A radial family's parameters in their own units."""
    return {
        name: low + (high - low) * named(family, k, i)[name] for name, (low, high) in family.ranges.items()
    }


def test_which_families_have_parameters():
    known = {"Contractive", "ExFractalDB", "FractalDB", "MVFractalDB", "OFDB2D", "OFDB3D", "OnePFrac", "RCDB"}
    assert known | {"VisualAtom"} <= set(REGRESSED)


@pytest.mark.parametrize("name", REGRESSED)
def test_they_are_float32_a_row_an_image_and_of_its_identity_alone(name):
    family = fdsl.family(name, classes=CLASSES)
    values = family.parameters(SEED, K, I)
    assert values.dtype == np.float32
    assert values.shape == (len(K), len(family.parameter_names))
    assert len(set(family.parameter_names)) == len(family.parameter_names)
    assert np.isfinite(values).all()
    assert (values[17:18] == family.parameters(SEED, K[17:18], I[17:18])).all()
    assert family.parameters(SEED, K[:0], I[:0]).shape == (0, values.shape[1])
    assert len({row.tobytes() for row in values[:CLASSES]}) == CLASSES
    with pytest.raises(InputError, match="category must be in"):
        family.parameters(SEED, [CLASSES], [0])


@pytest.mark.parametrize(
    "family",
    [fdsl.RCDB(classes=CLASSES), fdsl.RCDB(classes=CLASSES, variant="paper"), fdsl.VisualAtom(classes=CLASSES),
     fdsl.RCDB(classes=CLASSES, vertices=(10, 20), ovals=(0.5, 4.0), radius=(7, 7))],
)  # fmt: skip
def test_a_contours_table_follows_from_its_parameters(family):
    table, own = family.table(SEED, K, I), in_units(family)
    gain = 1 if family.name == "VisualAtom" else 2
    start = np.stack([own["radius"] * own["oval_x"], own["radius"] * own["oval_y"]], axis=1)
    np.testing.assert_allclose(table.start, start, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        table.centre, np.stack([own["centre_x"], own["centre_y"]], axis=1), rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(table.gain, gain * own["noise"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(table.offset, -own["noise"] - own["drift"], rtol=1e-5, atol=1e-6)
    assert (table.vertices == np.rint(own["vertices"])).all()
    assert (table.strokes == np.rint(own["strokes"])).all()
    if family.name == "VisualAtom":
        waves = np.stack([own["frequency_1"], own["frequency_2"]], axis=1)
        assert (table.waves == np.rint(waves)).all()


@pytest.mark.parametrize("name", ["RCDB", "VisualAtom"])
def test_parameters_of_contours_span_0_to_1(name):
    k = np.arange(2000)
    family = fdsl.family(name, classes=len(k))
    values = family.parameters(SEED, k, k % 3)
    assert values.min() >= 0
    assert values.max() <= 1
    assert (values.min(axis=0) < 0.03).all()
    assert (values.max(axis=0) > 0.9).all()


def test_the_first_image_of_a_released_contour_has_its_categorys_parameters():
    family = fdsl.RCDB(classes=CLASSES)
    own, category = in_units(family, [3, 3], [0, 1]), family.category(SEED, 3)
    for name, value in category.items():
        assert np.isclose(own[name][0], value, rtol=1e-5)
    changed = {name for name in own if not np.isclose(own[name][0], own[name][1])}
    assert changed == {"radius", "oval_x", "oval_y", "centre_x", "centre_y"}


def test_numbers_of_files_may_lie_beyond_the_published_ranges(tmp_path):
    rows = {"Vertex": 397, "Perlin_noise": 8, "line_width": 0.05, "Center_rad": 50, "Line_num": 200,
            "Oval_rate_x": 1, "Oval_rate_y": 3, "start_pos_h": 456, "start_pos_w": 256}  # fmt: skip
    for k in range(2):
        (tmp_path / f"{k}.csv").write_text("".join(f"{key},{value}\n" for key, value in rows.items()))
    family = fdsl.RCDB.from_csv(tmp_path)
    wanted = {"vertices": 2, "noise": 2, "drift": 0.5, "radius": 0.5, "strokes": 1, "oval_x": 0, "oval_y": 2,
              "centre_y": 1, "centre_x": 0.5}  # fmt: skip
    assert {name: round(float(values[0]), 6) for name, values in named(family, [0], [0]).items()} == wanted


@pytest.mark.parametrize("name", BY_MAPS)
def test_a_systems_table_and_image_follow_from_its_parameters(name):
    family = fdsl.family(name, classes=CLASSES)
    table, values = family.table(SEED, K, I), family.parameters(SEED, K, I)
    maps, chances = np.zeros_like(table.maps), np.zeros((len(K), MAX_MAPS))
    maps[:, :MOST_MAPS] = values[:, :-MOST_MAPS].reshape(len(K), MOST_MAPS, family.parts)
    chances[:, :MOST_MAPS] = values[:, -MOST_MAPS:]
    np.testing.assert_array_equal(chances.sum(axis=1), 1)
    if name in (
        "Contractive",
        "OnePFrac",
    ):  # whose maps are drawn in coordinates about the first one's fixed point
        maps = around_fixed_point(maps.astype(np.float64)).astype(np.float32)
    again = replace(table, maps=maps, begins=thresholds(chances, (chances > 0).sum(axis=1)))
    assert (again.begins == table.begins).all()
    own = chances > 0
    if name in ("Contractive", "OnePFrac"):  # which takes a double rounding with it
        np.testing.assert_allclose(again.maps[own], table.maps[own], rtol=1e-4, atol=1e-5)
    else:
        assert (again.maps[own] == table.maps[own]).all()
        renderer = fdsl.Renderer(64, "crisp")
        assert (renderer(again) == renderer(table)).all()
    assert not values[:, :-MOST_MAPS].reshape(len(K), MOST_MAPS, -1)[~own[:, :MOST_MAPS]].any()
    assert np.abs(values).max() <= (2 if "Ex" in name or "MV" in name or name == "FractalDB" else 1.1)


@pytest.mark.parametrize("name", ["FractalDB", "ExFractalDB", "OFDB3D"])
def test_coefficients_are_the_categorys_weighted_as_the_image(name):
    family = fdsl.family(name, classes=CLASSES)
    factors = {
        "FractalDB": (0.2, 0.6, 1.4, 1.8),
        "ExFractalDB": getattr(family, "factors", ()),
        "OFDB3D": (1,),
    }
    own = named(family)
    for row, (k, i) in enumerate(zip(K, I, strict=True)):
        category = family.category(SEED, int(k))
        number = {"FractalDB": i // 4 % 25, "ExFractalDB": i % 145, "OFDB3D": 0}[name]
        wanted = weigh(np.array([category["maps"]]), np.array([number]), factors[name])[0]
        for m, (coefficients, p) in enumerate(zip(wanted, category["probability"], strict=True)):
            read = [own[f"{letter}{m}"][row] for letter in "abcdefghijkl"[: family.parts]]
            np.testing.assert_allclose(read, coefficients, rtol=1e-6)
            assert abs(own[f"p{m}"][row] - p) < 2.0**-16
        beyond = [own[f"{letter}{m}"][row] for letter in "ap" for m in range(len(wanted), MOST_MAPS)]
        assert not any(beyond)


def test_an_eighth_map_of_files_has_parameters_too(tmp_path):
    for k in range(2):
        rows = [[0.1 * m, 0, 0, 0.3, k, 0, 0.125] for m in range(8)]
        (tmp_path / f"{k}.csv").write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    own = named(fdsl.FractalDB.from_csv(tmp_path), [0, 1], [0, 0])
    assert len(own) == 8 * 7
    assert np.allclose(own["a7"], 0.7)
    assert own["p7"].tolist() == [0.125, 0.125]
    assert own["e7"].tolist() == [0, 1]


def test_families_of_several_objects_have_none():
    family = fdsl.SegRCDB(classes=CLASSES)
    assert family.parameter_names == ()
    with pytest.raises(InputError, match=r"family must be one whose images have one set .* got SegRCDB"):
        family.parameters(SEED, K, I)
