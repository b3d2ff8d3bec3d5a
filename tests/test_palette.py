"""Masks as files: pictures with a palette beside the images they are of."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")

import fdsl
from fdsl.cli import main
from fdsl.data.palette import colours, palette_picture
from fdsl.data.targets import FreeLabels
from fdsl.errors import InputError


@pytest.fixture
def dataset() -> fdsl.FormulaDataset:
    return fdsl.FormulaDataset(fdsl.Contractive(classes=3), 4, 64)


def test_the_palette_is_pascal_vocs():
    palette = colours()
    assert palette.shape == (256, 3)
    assert [palette[k].tolist() for k in (0, 1, 2, 3, 15, 20, 255)] == [
        [0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192],
    ]  # fmt: skip
    assert len(np.unique(palette, axis=0)) == 256


def test_pixels_are_categories(tmp_path):
    mask = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)
    palette_picture(mask).save(tmp_path / "mask.png")
    with Image.open(tmp_path / "mask.png") as read:
        assert read.mode == "P"
        assert (np.asarray(read) == mask).all()
        assert (np.asarray(read.convert("RGB")) == colours()[mask]).all()


def test_files_are_images_and_their_masks(dataset, tmp_path):
    told: list[int] = []
    fdsl.export_masks(dataset, tmp_path / "out", 12, progress=told.append)
    n = np.arange(12)
    identity = n % 3, n // 3
    masks = FreeLabels(dataset.family, 0, *identity, fdsl.Renderer(64))["mask"]
    images = dataset.draw(*identity)
    assert told == [12]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["image", "mask"]
    for number in range(12):
        for part, expected in (("image", images[number]), ("mask", masks[number])):
            with Image.open(tmp_path / "out" / part / f"{number:06}.png") as read:
                assert (np.asarray(read) == expected).all()
    assert len(list((tmp_path / "out" / "mask").iterdir())) == 12


def test_what_cannot_be_exported_leaves_nothing(dataset, tmp_path):
    many = fdsl.FormulaDataset(fdsl.Contractive(classes=256), 4, 64)
    with pytest.raises(InputError, match="classes must be <= 255 for masks with a palette, got 256"):
        fdsl.export_masks(many, tmp_path / "out", 4)
    with pytest.raises(InputError, match=r"images must be in 1\.\.12, got 13"):
        fdsl.export_masks(dataset, tmp_path / "out", 13)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        fdsl.export_masks(dataset, tmp_path / "full", 4)
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_the_command(tmp_path, capsys):
    out = str(tmp_path / "out")
    told = ["masks", "Contractive", "--classes", "3", "--size", "32", "--images", "5", "--out", out]
    assert main(told) == 0
    assert "5 images of Contractive and their masks" in capsys.readouterr().out
    assert main(told) == 2
    assert "out must be a new or empty folder" in capsys.readouterr().err
