"""Category files written and read again: the same categories bit for bit, and folders whole or not at all."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

import fdsl
from fdsl.cli import main
from fdsl.errors import InputError
from fdsl.formulas.ifs import areas, candidates, shares
from fdsl.formulas.map_files import MapFiles
from fdsl.formulas.published import PublishedFamily, file_names
from fdsl.geometry.maps import thresholds

PUBLISHED = [name for name, cls in fdsl.families().items() if issubclass(cls, PublishedFamily)]
CLASSES, SEED = 8, 7


def assert_same_tables(a: object, b: object) -> None:
    for field in fields(a):
        np.testing.assert_array_equal(getattr(a, field.name), getattr(b, field.name), strict=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_written_is_read_bit_for_bit(name, tmp_path):
    family = fdsl.family(name, classes=CLASSES)
    family.to_csv(tmp_path / "c", SEED)
    assert sorted(os.listdir(tmp_path / "c")) == [f"0000{family.first_file + k}.csv" for k in range(CLASSES)]
    again = type(family).from_csv(tmp_path / "c")
    for k in range(CLASSES):
        assert again.category(SEED, k) == family.category(SEED, k)
    categories, instances = np.arange(3 * CLASSES) % CLASSES, np.arange(3 * CLASSES) // CLASSES
    tables = [one.table(SEED, categories, instances) for one in (family, again)]
    assert_same_tables(*tables)
    first, second = (fdsl.Renderer(96)(table) for table in tables)
    assert (first == second).all()


def many_systems(count: int) -> MapFiles:
    """Return systems as the search draws them, accepted or not."""
    maps, sizes = candidates(SEED, "test", np.arange(count), 6)
    weights = np.abs(maps[..., 0] * maps[..., 3] - maps[..., 1] * maps[..., 2])
    assert (thresholds(shares(weights), sizes) == thresholds(weights, sizes)).all()
    names = file_names(count)
    return MapFiles(names=names, sha256="test", maps=maps, probability=shares(weights), count=sizes)


def test_a_thousand_systems_keep_their_maps_and_thresholds(tmp_path):
    family = fdsl.FractalDB(files=many_systems(1000))
    family.to_csv(tmp_path / "c", SEED)
    again = fdsl.FractalDB.from_csv(tmp_path / "c")
    every, first = np.arange(1000), np.zeros(1000, int)
    assert_same_tables(family.table(SEED, every, first), again.table(SEED, every, first))
    assert all(family.category(SEED, k) == again.category(SEED, k) for k in range(1000))


def test_a_thousand_contours_keep_their_numbers(tmp_path):
    family = fdsl.RCDB(classes=1000)
    family.to_csv(tmp_path / "c", SEED)
    again = fdsl.RCDB.from_csv(tmp_path / "c")
    assert all(family.category(SEED, k) == again.category(SEED, k) for k in range(1000))
    text = (tmp_path / "c" / "00999.csv").read_text().split()
    assert [line.split(",")[0] for line in text] == [
        "Vertex", "Perlin_noise", "line_width", "Center_rad", "Line_num", "Oval_rate_x", "Oval_rate_y", "start_pos_h",
        "start_pos_w",
    ]  # fmt: skip


def test_categories_from_files_keep_their_names_and_may_be_fewer(tmp_path):
    fdsl.RCDB(classes=4).to_csv(tmp_path / "a", SEED)
    for file in (tmp_path / "a").iterdir():
        file.rename(file.with_stem(f"ring{file.stem}"))
    some = fdsl.RCDB.from_csv(tmp_path / "a", classes=3)
    some.to_csv(tmp_path / "b", 99)
    assert sorted(os.listdir(tmp_path / "b")) == ["ring00000.csv", "ring00001.csv", "ring00002.csv"]
    for name in os.listdir(tmp_path / "b"):
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_names_sort_in_the_order_of_their_categories():
    assert file_names(3) == ("00000", "00001", "00002")
    names = file_names(100_001)
    assert names[-1] == "100000"
    assert list(names) == sorted(names)


def test_a_digest_kept_before_contours_had_files_still_holds():
    assert fdsl.RCDB(classes=10).definition() == {
        "family": "RCDB",
        "version": 1,
        "classes": 10,
        "variant": "released",
    }


def test_a_folder_appears_whole_or_not_at_all(tmp_path, monkeypatch):
    def break_off(self: object, seed: int) -> object:
        yield [("Vertex", 3)]
        raise KeyboardInterrupt

    monkeypatch.setattr(fdsl.RCDB, "_rows", break_off)
    with pytest.raises(KeyboardInterrupt):
        fdsl.RCDB(classes=4).to_csv(tmp_path / "c", SEED)
    assert list(tmp_path.iterdir()) == []


def test_only_a_new_or_empty_folder_is_written(tmp_path):
    family = fdsl.RCDB(classes=2)
    full, empty = tmp_path / "full", tmp_path / "empty"
    full.mkdir()
    (full / "note.txt").write_text("mine")
    empty.mkdir()
    family.to_csv(empty, SEED)
    assert len(os.listdir(empty)) == 2
    for folder, message in ((full, "it holds other files"), (full / "note.txt", "it is a file")):
        with pytest.raises(InputError, match=f"must be a new or empty folder, got .*: {message}"):
            family.to_csv(folder, SEED)
    with pytest.raises(InputError, match="seed must be"):
        family.to_csv(tmp_path / "new", -1)
    assert sorted(os.listdir(tmp_path)) == ["empty", "full"]
    assert os.listdir(full) == ["note.txt"]


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(list(argv)) == 0
    return capsys.readouterr().out


def test_export_import_and_preview_by_command(tmp_path, capsys):
    out = run(capsys, "params", "export", "rcdb", "--out", "c", "--classes", "4", "--seed", "3")
    assert out == "c: 4 category files of RCDB, seed 3\n"
    before = sorted(path for path in tmp_path.rglob("*"))
    out = run(capsys, "params", "import", "c", "--family", "RCDB")
    assert out.startswith("c: 4 categories of RCDB, sha256 ")
    assert "\n  vertices: " in out
    assert "\n00000.csv\n" in out
    assert "\n  fdsl preview RCDB --options files=c\n  fdsl.RCDB.from_csv('c')\n" in out
    assert sorted(path for path in tmp_path.rglob("*")) == before
    few = ["--categories", "4", "--instances", "2", "--size", "32", "--seed", "3"]
    run(capsys, "preview", "RCDB", "--options", "files=c", "--out", "files.png", *few)
    run(capsys, "preview", "RCDB", "--classes", "4", "--out", "drawn.png", *few)
    assert Path("files.png").read_bytes() == Path("drawn.png").read_bytes()


def test_import_counts_the_maps(tmp_path, capsys):
    files = tmp_path / "c"
    files.mkdir()
    (files / "a.csv").write_text("0.5,0,0,0.5,0,0,1\n")
    (files / "b.csv").write_text("0.5,0,0,0.5,0,0,0.25\n" * 4)
    out = run(capsys, "params", "import", "c", "--family", "FractalDB")
    assert "\n  maps: 1 to 4 a category, 5 in all\n" in out
    assert "\na.csv\n  maps:\n    0.5, 0, 0, 0.5, 0, 0\n  probability: 1\n" in out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["export"], "FAMILY"),
        (["export", "RCDB"], "--out"),
        (["export", "VisualAtom", "--out", "c"], "with category files, ExFractalDB, FractalDB,"),
        (["export", "RCDBB", "--out", "c"], "did you mean 'RCDB'?"),
        (["export", "RCDB", "--out", "c", "--classes", "1"], "classes must be in"),
        (["export", "RCDB", "--out", "c", "--seed", "-1"], "seed must be in"),
        (["export", "RCDB", "--out", "c", "--options", "files=none"], "must be an existing folder, got none"),
        (["export", "RCDB", "--out", "."], "out must not be the current folder"),
        (["export", "RCDB", "--out", "/proc/nosuch/c", "--classes", "2"], "/proc/nosuch"),
        (["import", "none"], "--family"),
        (["import", "none", "--family", "RCDB"], "must be an existing folder, got none"),
        (["import", "none", "--family", "VisualAtom"], "family must be one with category files"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(argv, message, tmp_path, capsys):
    assert main(["params", *argv]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


def test_searched_probabilities_choose_the_maps_they_always_chose():
    weights = areas(fdsl.FractalDB(classes=CLASSES).systems(SEED).maps)
    systems = fdsl.FractalDB(classes=CLASSES).systems(SEED)
    assert (thresholds(weights, systems.sizes) == thresholds(systems.probability, systems.sizes)).all()
    assert np.abs(systems.probability.sum(axis=1) - 1).max() < 1e-15
