"""SegRCDB's parameters and contents against the published distributions, its masks, and its category files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import fdsl
from fdsl.errors import DataError, InputError
from fdsl.formulas.contour_files import LAST_NUMBER
from fdsl.random import stream_word

SEEDS = 16


@pytest.fixture(scope="module")
def parameters() -> dict[str, np.ndarray]:
    """Of all categories of several seeds: 4,064 of them."""
    family = fdsl.SegRCDB()
    rows = [family.category(seed, k) for seed in range(SEEDS) for k in range(family.classes)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


@pytest.mark.parametrize(
    ("name", "low", "high"), [("noise", 0, 4), ("drift", 0, 0.1), ("oval_x", 1, 2), ("oval_y", 1, 2)]
)
def test_real_parameters_are_uniform(parameters, name, low, high):
    assert stats.kstest(parameters[name], stats.uniform(low, high - low).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("name", "low", "high"), [("strokes", 1, 50), ("radius", 0, 50)])
def test_integer_parameters_are_uniform_with_both_ends(parameters, name, low, high):
    assert (parameters[name].min(), parameters[name].max()) == (low, high)
    assert stats.chisquare(np.bincount(parameters[name])[low:]).pvalue > 1e-3


def test_vertices_are_a_truncated_exponential(parameters):
    assert 3 <= parameters["vertices"].min() <= parameters["vertices"].max() <= 500
    # the published way, redrawn until it fits
    peer = np.floor(np.random.default_rng(0).exponential(100, 40_000))
    peer = peer[(peer >= 3) & (peer <= 500)]
    assert stats.ks_2samp(parameters["vertices"], peer).pvalue > 1e-3


def test_the_last_contour_is_the_image_s_own_and_all_categories_are_as_frequent():
    family = fdsl.SegRCDB(classes=20)
    k = np.arange(4000) % 20
    held_NO = family.contents(3, k, np.arange(4000) // 20)
    assert held_NO.shape == (4000, 32)
    assert (held_NO[:, -1] == k).all()
    assert stats.chisquare(np.bincount(held_NO[:, :-1].ravel(), minlength=20)).pvalue > 1e-3
    # of two contours of an image, and of one contour of an image and the next, neither says anything about the other
    for one, other in ((held_NO[:, 0], held_NO[:, 1]), (held_NO[:-1, 4], held_NO[1:, 4])):
        pairs = np.bincount(20 * one + other, minlength=400).reshape(20, 20)
        assert stats.chi2_contingency(pairs).pvalue > 1e-3


def test_a_table_draws_the_contents_at_random_places():
    family = fdsl.SegRCDB()
    k, i = np.arange(100), np.arange(100)
    table, held_NO = family.table(1, k, i), family.contents(1, k, i)
    own = [family.category(1, category) for category in held_NO.ravel().tolist()]
    assert table.vertices.tolist() == [each["vertices"] for each in own]
    assert table.strokes.tolist() == [each["strokes"] for each in own]
    assert np.allclose(table.start[:, 1], [each["radius"] * each["oval_y"] for each in own])
    assert np.allclose(table.gain, [2 * each["noise"] for each in own])
    assert np.allclose(table.offset, [-each["noise"] - each["drift"] for each in own])
    assert (table.centre.min(), table.centre.max()) == (0, 512)
    for axis in (0, 1):
        assert stats.kstest(table.centre[:, axis], stats.uniform(0, 512).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(table.centre.T)[0, 1]) < 0.06
    assert (table.gray_levels, table.background, family.objects) == (256, 0, 32)


def test_every_contour_has_random_numbers_of_its_own():
    address = fdsl.SegRCDB(contours=254).table(0, [0, 1, 1], [0, 0, 1]).address
    assert len(np.unique(address, axis=0)) == 3 * 254
    family = {stream_word(fdsl.family(name).stream) for name in fdsl.families()}
    assert not family & set(address[:, 1].tolist())


def test_variants_differ_in_masks_and_digests_alone():
    families = [fdsl.SegRCDB(variant=variant) for variant in fdsl.SegRCDB.variants]
    renderer, k = fdsl.Renderer(224, "crisp"), np.arange(4)
    images = [renderer(family.table(0, k, k)) for family in families]
    assert all((image == images[0]).all() for image in images)
    strokes, ring, fill = (renderer(family.mask_table(0, k, k)) for family in families)
    assert len({family.digest(0) for family in families}) == 3
    assert (strokes[images[0] > 0] > 0).all()
    assert (fill > 0).mean() > (ring > 0).mean() > 0.2
    for mask in (strokes, ring, fill):
        assert 20 < len(np.unique(mask)) <= 33
        assert mask.max() == 32  # the image's own contour, on top
    assert (fdsl.SegRCDB.target, families[0].classes) == ("mask", 254)


def test_numbers_of_objects_become_those_of_categories():
    """What is done to make a mask of categories: a table of 256 entries an image."""
    family, renderer = fdsl.SegRCDB(variant="M3"), fdsl.Renderer(128, "crisp")
    k = np.arange(5)
    mask, held_NO = renderer(family.mask_table(0, k, k)), family.contents(0, k, k)
    for image in range(5):
        numbers = np.append(0, held_NO[image] + 1).astype(np.uint8)[mask[image]]
        assert k[image] + 1 in numbers
        assert set(np.unique(numbers)) <= {0, *(held_NO[image] + 1).tolist()}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("classes", 255, r"classes must be in 2\.\.254, got 255: a mask's gray is a category's number"),
        ("contours", 0, r"contours must be in 1\.\.254, got 0"),
        ("contours", 255, r"contours must be in 1\.\.254, got 255"),
        ("contours", 1.5, r"contours must be an integer in 1\.\.254, got 1\.5"),
        ("variant", "m2", "variant must be one of M1, M2, M3, got 'm2'"),
    ],
)
def test_fields_out_of_range_are_refused(field, value, message):
    with pytest.raises(InputError, match=message):
        fdsl.SegRCDB(**{field: value})


def test_an_image_of_one_contour_is_its_category():
    family = fdsl.SegRCDB(contours=1)
    assert family.contents(0, [5, 9], [0, 1]).tolist() == [[5], [9]]
    assert set(np.unique(fdsl.Renderer(224)(family.mask_table(0, [5], [0])))) == {0, 1}


CATEGORY = """Category_num,{0}
Vertex,40
Perlin_noise,1.5
line_width,0.05
Center_rad,30
Line_num,12
Oval_rate_x,1.25
Oval_rate_y,1.5
Color_Gray,{0}
"""


def folder_of(path: Path, *texts: str) -> Path:
    path.mkdir()
    for number, text in enumerate(texts, start=1):
        (path / f"{number:05}.csv").write_text(text)
    return path


def test_files_are_written_as_published_and_read_bit_for_bit(tmp_path):
    family = fdsl.SegRCDB()
    family.to_csv(tmp_path / "c", 3)
    files = sorted((tmp_path / "c").iterdir())
    assert [files[0].name, files[-1].name, len(files)] == ["00001.csv", "00254.csv", 254]
    rows = [line.split(",") for line in files[76].read_text().splitlines()]
    assert [name for name, _ in rows] == [line.split(",")[0] for line in CATEGORY.splitlines()]
    assert rows[0][1] == rows[-1][1] == "77"
    again = fdsl.SegRCDB.from_csv(tmp_path / "c", variant="M3", contours=8)
    assert all(again.category(9, k) == family.category(3, k) for k in range(254))
    plain, k = replace(family, contours=8), np.arange(20)
    assert (fdsl.Renderer(96)(again.table(3, k, k)) == fdsl.Renderer(96)(plain.table(3, k, k))).all()
    again.to_csv(tmp_path / "d", 9)
    assert all(file.read_bytes() == (tmp_path / "d" / file.name).read_bytes() for file in files)
    few = fdsl.SegRCDB.from_csv(tmp_path / "c", classes=10)
    assert few.contents(0, k % 10, k).max() < 10
    few.to_csv(tmp_path / "e", 0)
    assert len(list((tmp_path / "e").iterdir())) == 10


def test_a_published_file_says_what_is_drawn(tmp_path):
    family = fdsl.SegRCDB.from_csv(folder_of(tmp_path / "c", CATEGORY.format(1), CATEGORY.format(2)))
    assert family.category(0, 1) == {
        "vertices": 40, "noise": 1.5, "drift": 0.05, "radius": 30, "strokes": 12, "oval_x": 1.25, "oval_y": 1.5,
    }  # fmt: skip
    assert set(family.table(0, [0], [0]).start[:, 0].tolist()) == {37.5}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": key Category_num and Vertex and .* must be there, a category has 9 keys"),
        (CATEGORY.format(2).replace("Color_Gray,2\n", ""), ": key Color_Gray must be there"),
        (CATEGORY.format(2) + "Vertex,41\n", "line 10: key Vertex comes twice"),
        (CATEGORY.format(1), r"line 1, Category_num must be 2, got 1: masks number categories in the order"),
        (CATEGORY.format(3), "line 1, Category_num must be 2, got 3: masks number .* without gaps"),
        (CATEGORY.format(2).replace("Gray,2", "Gray,1"), "line 9, Color_Gray must be 2, got 1"),
        (CATEGORY.format(0), r"line 1, Category_num must be an integer in 1\.\.254, got '0'"),
        (CATEGORY.format(255), r"line 1, Category_num must be an integer in 1\.\.254, got '255'"),
        (CATEGORY.format(2).replace("num,12", "num,x"), r"line 6, Line_num must be an integer in 1\.\.1000"),
        (
            CATEGORY.format(2) + "start_pos_h,4\n",
            "line 10: key must be .*'start_pos_h', as in a file of RCDB",
        ),
        ("0.5,0,0,0.5,0,0,1\n", "line 1: a row has 2 columns key,value, got 7, as in a file of FractalDB"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, message):
    folder = folder_of(tmp_path / "c", CATEGORY.format(1), text)
    with pytest.raises(DataError, match=f"00002.csv.*{message}"):
        fdsl.SegRCDB.from_csv(folder)


def test_files_of_the_other_family_of_contours_are_told_apart(tmp_path):
    fdsl.RCDB(classes=2).to_csv(tmp_path / "r", 0)
    fdsl.SegRCDB(classes=2).to_csv(tmp_path / "s", 0)
    with pytest.raises(DataError, match=r"00000.csv, line 8: .*'start_pos_h', as in a file of RCDB$"):
        fdsl.SegRCDB.from_csv(tmp_path / "r")
    with pytest.raises(DataError, match=r"00001.csv, line 1: .*'Category_num', as in a file of SegRCDB$"):
        fdsl.RCDB.from_csv(tmp_path / "s")
    with pytest.raises(InputError, match=r"files must come from SegRCDB\.from_csv"):
        fdsl.SegRCDB(classes=2, files=fdsl.RCDB.from_csv(tmp_path / "r").files)
    with pytest.raises(InputError, match=r"files must come from RCDB\.from_csv"):
        fdsl.RCDB(classes=2, files=fdsl.SegRCDB.from_csv(tmp_path / "s").files)


def test_more_files_than_grays_are_refused(tmp_path):
    texts = [CATEGORY.format(number) for number in range(1, LAST_NUMBER + 2)]
    with pytest.raises(DataError, match=r"00255.csv, line 1, Category_num must be an integer in 1\.\.254"):
        fdsl.SegRCDB.from_csv(folder_of(tmp_path / "c", *texts))
