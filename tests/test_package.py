"""The package from outside: its public names, and that importing it stays light."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import metadata

import pytest

import fdsl

# A name that leaves this list breaks somebody's program: say so in CHANGELOG.md.
PUBLIC_NAMES = [
    "Augmentation",
    "BrokenContours",
    "BezierCurveDB",
    "Contractive",
    "CudaRenderer",
    "DataError",
    "ExFractalDB",
    "ExportConfig",
    "FdslError",
    "FilledShapes",
    "FormulaDataset",
    "FractalDB",
    "InputError",
    "LineWidth",
    "Loader",
    "MVFractalDB",
    "MultiFractal",
    "OFDB2D",
    "OFDB3D",
    "OnePFrac",
    "OutlineOnly",
    "PerlinNoiseDB",
    "RCDB",
    "Renderer",
    "SegRCDB",
    "ScatteredPoints",
    "VisualAtom",
    "__version__",
    "contact_sheet",
    "export_dataset",
    "export_masks",
    "families",
    "family",
]


def loaded_after(statement: str) -> set[str]:
    """Return the top-level modules a fresh interpreter has loaded after `statement`."""
    program = (
        f"{statement}\nimport sys, json\nprint(json.dumps(sorted(m for m in sys.modules if '.' not in m)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_public_names():
    assert sorted(fdsl.__all__) == sorted(PUBLIC_NAMES)
    assert set(PUBLIC_NAMES) <= set(dir(fdsl))
    for name in PUBLIC_NAMES:
        assert getattr(fdsl, name) is not None


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="nosuch"):
        _ = fdsl.nosuch


def test_version_is_the_distribution_s():
    assert metadata.version("fdsl") == fdsl.__version__


def test_import_is_light():
    heavy = {"torch", "numba", "llvmlite", "timm", "lightning", "matplotlib", "scipy", "PIL", "tyro"}
    assert not loaded_after("import fdsl") & heavy


def test_drawing_needs_no_torch():
    drawing = "fdsl.Renderer(32)(fdsl.family('RCDB', classes=2).table(0, [0], [0]))"
    assert not loaded_after(f"import fdsl; {drawing}; fdsl.contact_sheet; fdsl.Augmentation()") & {
        "torch",
        "timm",
        "lightning",
        "matplotlib",
    }


def test_help_is_light():
    printed = "import fdsl.cli; fdsl.cli.main(['--help'])"
    assert not loaded_after(printed) & {"torch", "numba", "timm", "lightning", "matplotlib", "tyro"}
