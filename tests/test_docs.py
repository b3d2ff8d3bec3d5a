"""The pages that a reader follows in a shell: every block runs, or says why not and is parsed; and the notebook runs."""

from __future__ import annotations

from pathlib import Path

import pytest

import documents
from documents import ROOT, blocks, run_page

pytest.importorskip("torch")

DOCS = ROOT / "docs"
GENERATED = ("families.md", "recipes.md")
HERE = ("tutorial.md",)
ELSEWHERE = "test_docs_pages.py"


def test_tutorial(capsys):
    run_page(DOCS / "tutorial.md")
    if documents.absent:
        pytest.skip(f"all of it ran but for fdsl {', '.join(sorted(documents.absent))}, not there yet")


def test_notebook(tmp_path, monkeypatch):
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    notebook = nbformat.read(DOCS / "fdsl.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    client.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
