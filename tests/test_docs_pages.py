"""README and the pages of docs beside the tutorial: every code block runs, or says why not and is parsed."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from documents import ROOT, blocks, check_commands, commands, fences, run_page

pytest.importorskip("torch")

DOCS = ROOT / "docs"
GENERATED = {"families.md", "recipes.md"}
BY_ITSELF = {"tutorial.md", "own-family.md", "gallery.md"}
PAGES = [
    ROOT / "README.md",
    ROOT / "RESULTS.md",
    *(page for page in sorted(DOCS.glob("*.md")) if page.name not in GENERATED | BY_ITSELF),
]
# Blocks that are not run, page by page: each says why before it. More of them is less that is tested.
NOT_RUN = {
    "README.md": 2,
    "RESULTS.md": 2,
    "benchmarks.md": 3,
    "clusters.md": 7,
    "evaluate.md": 1,
    "export.md": 1,
    "gpu.md": 3,
    "own-family.md": 1,
    "tutorial.md": 1,
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page(page):
    assert run_page(page) >= fences(page)


def test_gallery_draws_the_pictures_it_shows():
    run_page(DOCS / "gallery.md")
    for shown in sorted((DOCS / "gallery").glob("*.png")):
        with Image.open(shown) as picture, Image.open(shown.name) as drawn:
            assert (np.asarray(picture) == np.asarray(drawn)).all(), f"make docs draws {shown.name} anew"
        assert f"(gallery/{shown.name})" in (DOCS / "gallery.md").read_text()


def test_own_family(tmp_path, monkeypatch):
    """The page's file lies in a folder of the test that counts as part of the package."""
    from fdsl import formulas

    folder = tmp_path / "src" / "fdsl" / "formulas"
    folder.mkdir(parents=True)
    monkeypatch.setattr(formulas, "__path__", [*formulas.__path__, str(folder)])
    formulas._registry.cache_clear()
    try:
        run_page(DOCS / "own-family.md")
        assert "petals" in vars(formulas)
    finally:
        formulas._registry.cache_clear()
        sys.modules.pop("fdsl.formulas.petals", None)
        vars(formulas).pop("petals", None)


def test_blocks_that_are_not_run_are_counted_and_say_why():
    pages = [ROOT / "README.md", ROOT / "RESULTS.md", *DOCS.glob("*.md")]
    marked = [(page.name, block) for page in pages for block in blocks(page) if block.reason is not None]
    for name, block in marked:
        print(f"{name}:{block.line} is not run: {block.reason}")
    assert Counter(name for name, _ in marked) == NOT_RUN


def test_blocks_are_found_with_marks_files_and_lines(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A\n\n<!-- not run: needs\na moon -->\n```bash\nfdsl demo\n```\n\n    make\n\n"
        '```python title="a.py"\nx = 1\n```\n\n<!-- not run: of no block -->\n\nText.\n\n    ls\n'
    )
    found = [(block.language, block.text, block.line, block.reason, block.file) for block in blocks(page)]
    assert found == [
        ("bash", "fdsl demo\n", 5, "needs a moon", None),
        ("bash", "make\n", 9, None, None),
        ("python", "x = 1\n", 11, None, "a.py"),
        ("bash", "ls\n", 19, None, None),
    ]


def test_commands_are_found_in_scripts_and_not_run(tmp_path):
    script = (
        'A=(--size 64)\nfor n in 1 2; do fdsl preview RCDB "${A[@]}" --seed $n; done; rm -rf /\n'
        'srun python -m fdsl pretrain --seed "$SLURM_ARRAY_TASK_ID" \\\n  --out "a b"; X=1 fdsl families | head\n'
    )
    assert list(commands(script)) == [
        ["preview", "RCDB", "--size", "64", "--seed", "1"],
        ["preview", "RCDB", "--size", "64", "--seed", "2"],
        ["pretrain", "--seed", "1", "--out", "a b"],
        ["families"],
    ]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```bash\nfdsl preview RCDB --sizes 64\n```", "preview"),
        ("<!-- not run: needs a GPU -->\n```bash\nfdsl preview RCDB --sizes 64\n```", "preview"),
        ("<!-- not run: needs a GPU -->\n```bash\nfdsl pretain --out x\n```", "pretain"),
        ("```bash\nfalse\necho went on\n```", "ended with 1"),
        ("```bash\nfdsl verify nothing\nfdsl families\n```", "ended with 2"),
        ("```\nfdsl families\n```", "no language"),
    ],
)
def test_what_cannot_run_fails(text, error, tmp_path):
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(AssertionError, match=error):
        run_page(tmp_path / "page.md")


def test_python_that_is_not_run_is_compiled(tmp_path):
    (tmp_path / "page.md").write_text("<!-- not run: needs a GPU -->\n```python\nx = (\n```")
    with pytest.raises(SyntaxError):
        run_page(tmp_path / "page.md")


def test_commands_of_a_block_run_one_after_the_other_in_its_folder(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "```bash\nmkdir a\ncd a\nwhere=$PWD\n" + "fdsl families RCDB > said.txt\n" * 5 + "```\n"
        '```bash\ntest -s a/said.txt\ngrep -q Radial a/said.txt\npython -c "import fdsl"\n```\n'
    )
    run_page(page)
    assert "Radial" in Path("a/said.txt").read_text()


def test_checking_a_command_does_nothing(tmp_path):
    check_commands("fdsl preview RCDB --out sheet.png")
    assert not Path("sheet.png").exists()
