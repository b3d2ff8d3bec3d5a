"""The registry as documentation: what it prints, and that the page in docs is what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdsl
from fdsl.cli import main
from fdsl.evaluate.catalogue import entry, page, thumbnail

DOCS = Path(__file__).parents[1] / "docs"
FAMILIES = sorted(fdsl.families())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_documents_itself(name):
    one = entry(fdsl.families()[name])
    assert one.drawn.endswith(".")
    assert one.source, f"{name} must name its publication: Family.source"
    for field in one.fields:
        assert field.text, f"{name}'s docstring must explain the field {field.name} under Attributes"
    assert "variant" not in [field.name for field in one.fields] or fdsl.families()[name].variants


def test_a_class_s_own_words_come_before_those_it_inherits():
    texts = {field.name: field.text for field in entry(fdsl.ExFractalDB).fields}
    assert texts["files"].endswith("columns a..l, p: see `from_csv`.")
    assert {field.name: field.text for field in entry(fdsl.MVFractalDB).fields} == texts
    assert entry(fdsl.FractalDB).colours == "gray (colour: patch_color, point_color)"
    assert "points = 100000" in entry(fdsl.FractalDB).settings.split("\n")


def test_the_page_is_what_the_program_writes():
    assert (DOCS / "families.md").read_text() == page("families"), "make docs writes it anew"


@pytest.mark.parametrize("name", FAMILIES)
def test_the_page_s_sheets_show_what_is_drawn(name):
    file = DOCS / "families" / f"{name}.png"
    assert file.stat().st_size < 150_000
    with Image.open(file) as sheet:
        drawn = thumbnail(fdsl.families()[name])
        assert sheet.size == drawn.size == (6 * 98 + 2, 4 * 98 + 2)
        assert (np.asarray(sheet.convert("RGB")) == np.asarray(drawn.convert("RGB"))).all(), "make docs"


def test_the_list_fits_a_narrow_terminal(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["families"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines if "https://" not in line and not line.startswith("fdsl")) <= 60


def test_the_list_names_every_family_and_draws_nothing(tmp_path):
    program = (
        "import os, fdsl.cli, fdsl.formulas.search as search, fdsl.render.renderer as renderer\n"
        "search.find = renderer.Renderer.__call__ = None\n"
        "assert fdsl.cli.main(['families']) == 0"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    for name in FAMILIES:
        assert f"\n{name}\n  " in f"\n{done.stdout}"
    assert os.listdir(tmp_path) == []


def test_one_family_says_its_fields_and_a_category(capsys):
    assert main(["families", "rcdb"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("RCDB\nRadial contours")
    assert "\n  source     Kataoka et al., CVPR 2022, https://arxiv.org/abs/2206.09132\n" in out
    assert '\n  variant = released, paper\n      "released", the authors\' script: ' in out
    assert f"\n  vertices: {fdsl.RCDB().category(0, 0)['vertices']}\n" in out


def test_speed_and_thumbnails(tmp_path, capsys, monkeypatch):
    from fdsl.cli import families as command

    monkeypatch.setattr(command, "SPEED_IMAGES", 2)
    assert main(["families", "rcdb", "--speed", "--thumbnails", "new/pictures"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  thumbnail  new/pictures/RCDB.png" in lines
    rate = next(line for line in lines if line.startswith("  speed "))
    assert float(rate.split()[1].replace(",", "")) > 0
    with Image.open(tmp_path / "new" / "pictures" / "RCDB.png") as sheet:
        assert sheet.size == (590, 394)


def test_the_page_by_command(tmp_path, capsys):
    assert main(["families", "--markdown", "list.md"]) == 0
    assert capsys.readouterr().out == f"list.md: {len(FAMILIES)} families\n"
    assert (tmp_path / "list.md").read_text() == page("list")
    assert sorted(os.listdir(tmp_path / "list")) == [f"{name}.png" for name in FAMILIES]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["NoSuchDB"], "family must be one of"),
        (["rcbd"], "'rcbd'"),
        (["--markdown", "list.txt"], "markdown must be a file that ends in .md, got 'list.txt'"),
        (["rcdb", "--markdown", "list.md"], "markdown takes no NAME"),
        (["--thumbnails", "/proc/version"], "thumbnails must be a folder, got the file '/proc/version'"),
    ],
)
def test_bad_input_is_one_line(argv, message, tmp_path, capsys):
    assert main(["families", *argv]) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert message in printed.err
    assert os.listdir(tmp_path) == []
