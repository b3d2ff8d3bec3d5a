"""Contact sheets: the right image in the right cell, and files written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdsl
from fdsl.evaluate.sheet import check_picture_path, contact_sheet, grid, save_picture

GAP = 2


def cell(sheet: Image.Image, size: int, row: int, column: int) -> np.ndarray:
    """Return the pixels of one image of a contact sheet."""
    top, left = GAP + row * (size + GAP), GAP + column * (size + GAP)
    return np.asarray(sheet)[top : top + size, left : left + size]


def test_cells_are_the_dataset_s_images():
    dataset = fdsl.FormulaDataset(fdsl.family("RCDB", classes=3), instances=5, size=32)
    sheet = contact_sheet(dataset, categories=2, instances=3)
    assert sheet.size == (3 * 34 + 2, 2 * 34 + 2)
    for row in range(2):
        for column in range(3):
            image, label = dataset[row * 5 + column]
            assert label == row
            np.testing.assert_array_equal(cell(sheet, 32, row, column), np.asarray(image.convert("L")))


@pytest.mark.parametrize("channels", [(), (3,)])
def test_grid_separators(channels):
    images = np.zeros((2, 3, 4, 5, *channels), np.uint8)
    images[...] = np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1, *(1 for _ in channels))
    sheet = np.asarray(grid(images))
    assert sheet.shape == (2 * 6 + 2, 3 * 7 + 2, *channels)
    for row in range(2):
        for column in range(3):
            inside = sheet[2 + row * 6 : 6 + row * 6, 2 + column * 7 : 7 + column * 7]
            assert (inside == row * 3 + column).all()
    separators = sheet.size - images.size
    assert (sheet == 128).sum() == separators


@pytest.mark.parametrize(
    ("categories", "instances", "message"),
    [(4, 1, "categories must be in 1..3, got 4"), (1, 6, "instances must be in 1..5"), (0, 1, "categories")],
)
def test_more_than_there_is(categories, instances, message):
    dataset = fdsl.FormulaDataset(fdsl.family("RCDB", classes=3), instances=5, size=32)
    with pytest.raises(fdsl.InputError, match=message):
        contact_sheet(dataset, categories, instances)


def test_a_sheet_too_long_to_look_at():
    dataset = fdsl.FormulaDataset(fdsl.family("RCDB", classes=1000), instances=1, size=1024)
    with pytest.raises(
        fdsl.InputError, match="categories must be at most 15 at 1024 pixels an image, got 1000"
    ):
        contact_sheet(dataset, 1000, 1)


def test_unlimited_instances():
    dataset = fdsl.FormulaDataset(fdsl.family("RCDB", classes=3), instances=None, size=32)
    limited = fdsl.FormulaDataset(fdsl.family("RCDB", classes=3), instances=5, size=32)
    np.testing.assert_array_equal(contact_sheet(dataset, 2, 3), contact_sheet(limited, 2, 3))


@pytest.mark.parametrize("name", ["sheet.txt", "sheet", "sheet.pdfx"])
def test_a_suffix_that_is_no_picture(name):
    with pytest.raises(fdsl.InputError, match=r"out must end in \.png"):
        check_picture_path("out", Path(name))


@pytest.mark.parametrize(("name", "format_name"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.webp", "WEBP")])
def test_the_suffix_chooses_the_format(tmp_path, name, format_name):
    save_picture(Image.new("L", (8, 8), 200), tmp_path / "new" / name)
    with Image.open(tmp_path / "new" / name) as picture:
        assert picture.format == format_name
        assert picture.size == (8, 8)


def test_a_failed_write_leaves_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "sheet.png"
    save_picture(Image.new("L", (8, 8)), path)
    before = path.read_bytes()

    def fail(_self, target, **_options):
        Path(target).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OSError, match="No space left"):
        save_picture(Image.new("L", (9, 9)), path)
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["sheet.png"]
