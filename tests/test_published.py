"""Published category files: what they draw, and every way one can be wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import fdsl
from fdsl.errors import DataError, InputError

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "fractaldb1k"


def write_category(folder: Path, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)


GOOD = "0.5,0,0,0.5,0,0,0.5\n0.5,0,0,0.5,0.5,0.5,0.5\n"
CONTOUR = """Vertex,40
Perlin_noise,1.5
line_width,0.05
Center_rad,30
Line_num,12
Oval_rate_x,1.25
Oval_rate_y,1.5
start_pos_h,150.5
start_pos_w,300.0
"""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1..8 maps, got 0"),
        ("0.5,0,0,0.5,0,0\n", "line 1: a map has 7 columns a,b,c,d,e,f,p, got 6$"),
        (GOOD + "1,2,3\n", "line 3: a map has 7 columns a,b,c,d,e,f,p, got 3$"),
        ("0.5,0,nan,0.5,0,0,1\n", r"line 1, c must be a number in \[-1e\+06, 1e\+06\], got 'nan'"),
        ("0.5,0,inf,0.5,0,0,1\n", "line 1, c must be a number in .* got 'inf'"),
        ("0.5,0,1e39,0.5,0,0,1\n", "line 1, c must be a number in .* got '1e39'"),
        ("\n0.5,0,x,0.5,0,0,1\n", "line 2, c must be a number in .* got 'x'"),
        ("0.5,0,1_0,0.5,0,0,1\n", "line 1, c must be a number in .* got '1_0'"),
        ("0.5,0,,0.5,0,0,1\n", "line 1, c must be a number in .* got ''"),
        ("0.5,0,0,0.5,0,0,-1\n", r"line 1, p must be a number in \[0, 1\], got '-1'"),
        ("0.5,0,0,0.5,0,0,1.5\n", r"line 1, p must be a number in \[0, 1\], got '1.5'"),
        ("0.5,0,0,0.5,0,0,0\n", "probabilities p must sum to 1, got 0$"),
        (GOOD + "0.5,0,0,0.5,0,0,0.002\n", "probabilities p must sum to 1, got 1.002$"),
        ("0.5,0,0,0.5,0,0,0.111\n" * 9, "1..8 maps, got 9"),
        ("a,b,c,d,e,f,p\n" + GOOD, "line 1, a must be a number in .* got 'a'"),
        (CONTOUR, "line 1: a map has 7 columns a,b,c,d,e,f,p, got 2, as in a file of RCDB"),
        ("0," * 12 + "1\n", "a map has 7 columns a,b,c,d,e,f,p, got 13, as in a file of ExFractalDB"),
    ],
)
def test_a_bad_file_of_maps_is_named(tmp_path, text, message):
    write_category(tmp_path / "c", "00000.csv", GOOD)
    write_category(tmp_path / "c", "00001.csv", text)
    with pytest.raises(DataError, match=f"00001.csv.*{message}"):
        fdsl.FractalDB.from_csv(tmp_path / "c")


def changed(key: str, value: str) -> str:
    """Return the contour's file with another value of `key`."""
    return "".join(
        f"{key},{value}\n" if line.startswith(f"{key},") else line
        for line in CONTOUR.splitlines(keepends=True)
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": key Vertex and Perlin_noise and .* must be there"),
        (CONTOUR.replace("Line_num,12\n", ""), ": key Line_num must be there, a category has 9 keys"),
        (CONTOUR + "Line_num,13\n", "line 10: key Line_num comes twice"),
        (
            CONTOUR + "Line_nun,13\n",
            "line 10: key must be one of Vertex, .*'Line_nun'.*did you mean 'Line_num'",
        ),
        (CONTOUR + "nami 1,3\n", "line 10: key must be one of Vertex"),
        (changed("Vertex", "0"), "line 1, Vertex must be an integer in 3..1000, got '0'"),
        (changed("Vertex", "5000"), "line 1, Vertex must be an integer in 3..1000, got '5000'"),
        (changed("Vertex", "40.5"), "line 1, Vertex must be an integer in 3..1000, got '40.5'"),
        (changed("Line_num", "0"), "line 5, Line_num must be an integer in 1..1000, got '0'"),
        (changed("Line_num", "-4"), "line 5, Line_num must be an integer in 1..1000, got '-4'"),
        (changed("Perlin_noise", "-0.1"), r"line 2, Perlin_noise must be a number in \[0, 16\], got '-0.1'"),
        (changed("Perlin_noise", "nan"), r"line 2, Perlin_noise must be a number in \[0, 16\], got 'nan'"),
        (changed("Center_rad", "600"), "line 4, Center_rad must be an integer in 0..512"),
        (changed("start_pos_h", "inf"), r"line 8, start_pos_h must be a number in \[0, 512\], got 'inf'"),
        (changed("Oval_rate_x", "wide" * 20), r"line 6, Oval_rate_x must be .* got '(wide){10}\.\.\.'"),
        (GOOD, "line 1: a row has 2 columns key,value, got 7, as in a file of FractalDB"),
    ],
)
def test_a_bad_file_of_contours_is_named(tmp_path, text, message):
    write_category(tmp_path / "c", "00000.csv", CONTOUR)
    write_category(tmp_path / "c", "00001.csv", text)
    with pytest.raises(DataError, match=f"00001.csv.*{message}"):
        fdsl.RCDB.from_csv(tmp_path / "c")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "needs at least 2 category files .* found 0$"),
        (["0.csv"], "needs at least 2 category files .* found 1$"),
        (["image/", "param/"], "needs at least 2 category files .* found 0 beside image$"),
        (["0.csv", "1.csv", "README.md"], r"must hold category files \(\*.csv\) alone, got README.md"),
        (["0.csv", "1.csv", "2.CSV"], "alone, got 2.CSV"),
        (["0.csv", "1.csv", "2.csv/"], "alone, got 2.csv"),
        (["00001.csv", "1.csv"], "00001.csv and 1.csv name the same category 1"),
        (["Sea.csv", "sea.csv"], "Sea.csv and sea.csv name the same category sea"),
    ],
)
def test_a_folder_holds_category_files_alone(tmp_path, names, message):
    folder = tmp_path / "c"
    folder.mkdir()
    for name in names:
        (folder / name).mkdir() if name.endswith("/") else (folder / name).write_text(GOOD)
    with pytest.raises(DataError, match=message):
        fdsl.FractalDB.from_csv(folder)


def test_hidden_files_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path):
    for name, mark in (("0.csv", ""), ("1.csv", "\ufeff")):
        write_category(tmp_path / "c", name, mark + CONTOUR.replace("\n", "\r\n"))
    (tmp_path / "c" / ".DS_Store").write_bytes(b"\0")
    assert fdsl.RCDB.from_csv(tmp_path / "c").category(0, 1)["centre_x"] == 300


def test_no_folder_and_no_text(tmp_path):
    with pytest.raises(InputError, match="must be an existing folder"):
        fdsl.FractalDB.from_csv(tmp_path / "none")
    for name, content in (("0.csv", GOOD.encode()), ("1.csv", b"\xff\xfe\x00\x80")):
        write_category(tmp_path / "c", name, "")
        (tmp_path / "c" / name).write_bytes(content)
    with pytest.raises(DataError, match=r"1\.csv: must be CSV in UTF-8"):
        fdsl.FractalDB.from_csv(tmp_path / "c")


def test_the_first_image_of_a_contour_file_is_what_its_numbers_say(tmp_path):
    """Without noise nothing is random but the gray: an ellipse of 40 vertices, drawn by Pillow at the file's place."""
    for name in ("0.csv", "1.csv"):
        write_category(
            tmp_path / "c", name, changed("Perlin_noise", "0").replace("Line_num,12", "Line_num,3")
        )
    family = fdsl.RCDB.from_csv(tmp_path / "c")
    angles = np.arange(41) % 40 * (2 * np.pi / 40)
    picture = Image.new("L", (512, 512), 255)
    for stroke in (1, 2, 3):
        x = np.cos(angles) * (30 * 1.25 + 0.05 * stroke) + 300.0
        y = np.sin(angles) * (30 * 1.5 + 0.05 * stroke) + 150.5
        for i in range(40):
            ImageDraw.Draw(picture).line((x[i], y[i], x[i + 1], y[i + 1]), fill=0, width=1)
    drawn = fdsl.Renderer(512, "crisp")(family.table(0, [0], [0]))[0]
    assert ((drawn < 255) == (np.asarray(picture) < 255)).all()


def test_later_images_of_a_contour_file_vary_as_the_variant_says(tmp_path):
    for name in ("0.csv", "1.csv"):
        write_category(tmp_path / "c", name, CONTOUR)
    images = np.arange(50)
    released, paper = (
        fdsl.RCDB.from_csv(tmp_path / "c", variant=variant).table(0, np.zeros(50, int), images)
        for variant in ("released", "paper")
    )
    assert released.start[0].tolist() == paper.start[0].tolist() == [37.5, 45.0]
    assert len({tuple(row) for row in released.start.tolist()}) == 50
    assert len({tuple(row) for row in paper.start.tolist()}) == 1
    assert set(released.vertices.tolist()) == {40}
    assert set(released.strokes.tolist()) == {12}


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
    one, two = "0.5,0,0,0.5,0,0,1\n", "0.5,0,0,0.5,0,0,1\n0.5,0,0,0.5,0,0,0\n"
    for folder, first, second in (("a", two, one), ("b", one, two)):
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
    with pytest.raises(InputError, match=r"files must come from FractalDB\.from_csv"):
        fdsl.FractalDB(files=7)
    with pytest.raises(InputError, match=r"files must come from RCDB\.from_csv"):
        fdsl.RCDB(files=by_name.files)
    with pytest.raises(InputError, match="files must hold maps of 12 coefficients, got 6"):
        fdsl.ExFractalDB(files=by_name.files, classes=2)
    with pytest.raises(InputError, match="field of VisualAtom must be one of classes, variant, got 'files'"):
        fdsl.family("VisualAtom", files=str(tmp_path / "c"))


def test_spatial_files_have_13_columns(tmp_path):
    row = ",".join(["0.4", "0", "0", "0", "0.4", "0", "0", "0", "0.4", "0.1", "0.2", "0.3", "0.5"])
    for k in range(2):
        write_category(tmp_path / "c", f"{k}.csv", f"{row}\n{row}\n")
    assert len(fdsl.ExFractalDB.from_csv(tmp_path / "c").category(0, 0)["maps"][0]) == 12
    write_category(tmp_path / "c", "2.csv", GOOD)
    with pytest.raises(
        DataError, match=r"2\.csv, line 1: a map has 13 columns .* got 7, as in a file of FractalDB"
    ):
        fdsl.ExFractalDB.from_csv(tmp_path / "c")


@pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published FractalDB-1k category files are not at hand"
)
def test_all_published_categories_load_and_draw():
    family = fdsl.FractalDB.from_csv(PUBLISHED, variant="point_gray", points=20_000)
    assert family.classes == 1000
    images = fdsl.Renderer(64, "crisp")(family.table(0, np.arange(1000), np.zeros(1000, int)))
    fill = (images > 0).mean(axis=(1, 2))
    assert (fill > 0.05).all()


@pytest.mark.skipif(
    not PUBLISHED.is_dir(), reason="the published FractalDB-1k category files are not at hand"
)
def test_all_published_categories_are_written_as_they_were_read(tmp_path):
    family = fdsl.FractalDB.from_csv(PUBLISHED)
    assert np.abs(family.systems(0).probability.sum(axis=1) - 1).max() < 1e-15
    family.to_csv(tmp_path / "c", 0)
    again = fdsl.FractalDB.from_csv(tmp_path / "c")
    assert again == family
    assert again.files.names == family.files.names
    k = np.arange(1000)
    np.testing.assert_array_equal(again.table(0, k, k).begins, family.table(0, k, k).begins)
