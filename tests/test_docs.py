"""What a newcomer follows word for word: the tutorial, every block of it, and the notebook from top to bottom."""

from __future__ import annotations

import pytest

from documents import ROOT, fences, run_page

pytest.importorskip("torch")

DOCS = ROOT / "docs"


def test_tutorial():
    assert run_page(DOCS / "tutorial.md") >= fences(DOCS / "tutorial.md") > 0


def test_notebook(tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "jupyter"))
    notebook = nbformat.read(DOCS / "fdsl.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in code), "committed without outputs"
    client = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    pictures = [out for cell in code for out in cell.get("outputs", ()) if "image/png" in out.get("data", {})]
    assert len(pictures) >= 4
