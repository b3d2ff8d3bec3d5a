"""Published category files: what they draw, and every way one can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fdsl
from fdsl.errors import DataError, InputError

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "fractaldb1k"


def write_category(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


GOOD = "0.5,0,0,0.5,0,0,0.5\n0.5,0,0,0.5,0.5,0.5,0.5\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1..8 maps, got 0"),
        ("0.5,0,0,0.5,0,0\n", "line 1: a map has 7 columns, got 6"),
        (GOOD + "1,2,3\n", "line 3: a map has 7 columns, got 3"),
        ("0.5,0,nan,0.5,0,0,1\n", "line 1: every value must be finite"),
        ("0.5,0,inf,0.5,0,0,1\n", "line 1: every value must be finite"),
        ("0.5,0,1e39,0.5,0,0,1\n", "line 1: every value must be within"),
        ("0.5,0,x,0.5,0,0,1\n", "line 1: could not convert"),
        ("0.5,0,0,0.5,0,0,-1\n", "line 1: probability must be >= 0"),
        ("0.5,0,0,0.5,0,0,0\n", "probabilities sum to 0"),
        ("0.5,0,0,0.5,0,0,1\n" * 9, "1..8 maps, got 9"),
    ],
)
def test_a_bad_category_file_is_named(tmp_path, text, message):
    write_category(tmp_path / "c", "00000.csv", GOOD)
    write_category(tmp_path / "c", "00001.csv", text)
    with pytest.raises(DataError, match=f"00001.csv.*{message}"):
        fdsl.FractalDB.from_csv(tmp_path / "c")


def test_a_binary_file_an_empty_folder_and_no_folder(tmp_path):
    with pytest.raises(InputError, match="must be an existing folder"):
        fdsl.FractalDB.from_csv(tmp_path / "none")
    (tmp_path / "c").mkdir()
    with pytest.raises(DataError, match="at least 2 category files"):
        fdsl.ExFractalDB.from_csv(tmp_path / "c")
    write_category(tmp_path / "c", "0.csv", GOOD)
    (tmp_path / "c" / "1.csv").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DataError, match=r"1\.csv: cannot be read as text"):
        fdsl.FractalDB.from_csv(tmp_path / "c")


def test_published_files_draw_what_they_say(tmp_path):
    for k in range(3):
        write_category(tmp_path / "c", f"{k}.csv", GOOD)
    family = fdsl.FractalDB.from_csv(tmp_path / "c")
    assert family.classes == 3
    assert family.category(0, 1)["maps"] == [[0.5, 0, 0, 0.5, 0, 0], [0.5, 0, 0, 0.5, 0.5, 0.5]]
    image = fdsl.Renderer(512)(
        fdsl.FractalDB.from_csv(tmp_path / "c", variant="point_gray").table(0, [0], [0])
    )[0]
    lit = np.argwhere(image)
    assert np.abs(lit[:, 0] + lit[:, 1] - 512).max() <= 1  # the attractor is a diagonal
    assert family.digest(0) != fdsl.FractalDB(classes=3).digest(0)


def test_a_row_moved_to_another_file_is_another_dataset(tmp_path):
    row = "0.5,0,0,0.5,0,0,0.5\n"
    for folder, first, second in (("a", 2 * row, row), ("b", row, 2 * row)):
        write_category(tmp_path / folder, "0.csv", first)
        write_category(tmp_path / folder, "1.csv", second)
    a, b = (fdsl.FractalDB.from_csv(tmp_path / folder) for folder in "ab")
    assert a != b
    assert a.digest(0) != b.digest(0)


def test_family_takes_a_folder_of_files_by_name(tmp_path):
    for k in range(2):
        write_category(tmp_path / "c", f"{k}.csv", GOOD)
    by_name = fdsl.family("fractaldb", files=str(tmp_path / "c"), variant="point_gray")
    assert by_name == fdsl.FractalDB.from_csv(tmp_path / "c", variant="point_gray")
    with pytest.raises(InputError, match="field of FractalDB must be one of"):
        fdsl.FractalDB.from_csv(tmp_path / "c", nosuch=1)
    with pytest.raises(InputError, match="files must come from"):
        fdsl.FractalDB(files=7)


def test_spatial_files_have_13_columns(tmp_path):
    row = ",".join(["0.4", "0", "0", "0", "0.4", "0", "0", "0", "0.4", "0.1", "0.2", "0.3", "0.5"])
    for k in range(2):
        write_category(tmp_path / "c", f"{k}.csv", f"{row}\n{row}\n")
    assert len(fdsl.ExFractalDB.from_csv(tmp_path / "c").category(0, 0)["maps"][0]) == 12
    with pytest.raises(DataError, match="7 columns, got 13"):
        fdsl.FractalDB.from_csv(tmp_path / "c")


@pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published FractalDB-1k category files are not at hand"
)
def test_all_published_categories_load_and_draw():
    family = fdsl.FractalDB.from_csv(PUBLISHED, variant="point_gray", points=20_000)
    assert family.classes == 1000
    images = fdsl.Renderer(64, "crisp")(family.table(0, np.arange(1000), np.zeros(1000, int)))
    fill = (images > 0).mean(axis=(1, 2))
    assert (fill > 0.05).all()
