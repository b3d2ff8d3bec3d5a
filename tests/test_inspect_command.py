"""`fdsl inspect` as a whole: every family, what it warns of, what it refuses, and the command from end to end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import fdsl
from fdsl.cli.app import main
from fdsl.errors import InputError
from fdsl.evaluate.quality.concerns import concerns, percent
from fdsl.evaluate.quality.config import InspectConfig
from fdsl.evaluate.quality.inspecting import inspect, spread_evenly

FAMILIES = sorted(fdsl.families())
TINY = {"size": 32, "lines": "crisp", "threads": 1}
NO_BACKGROUND = {"MultiFractal", "PerlinNoiseDB"}


def tiny(name: str, **fields: object) -> InspectConfig:
    return InspectConfig(**{"family": name, "categories": 4, "instances": 3, **TINY, **fields})


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_can_be_inspected(name: str) -> None:
    done: list[tuple[int, int]] = []
    config = tiny(name, classes=6)
    found = inspect(config, lambda *told: done.append(told))
    assert done[-1] == (12, 12)
    assert found.numbers.tolist() == [0, 1, 3, 5]
    told = found.to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["what"] == "inspect"
    assert told["family"] == name
    assert 0 <= told["separability"] <= 1
    assert told["blank"] == found.blank.mean()
    assert told["fill"]["applicable"] == (name not in NO_BACKGROUND)
    assert (told["saturated"] is None) == (name in NO_BACKGROUND)
    if told["fill"]["applicable"]:
        assert sum(told["fill"]["histogram"]["images"]) == 12
    assert all(len(row) > 20 for row in concerns(found))


def test_an_inspection_depends_on_its_configuration_alone() -> None:
    one, other = (inspect(tiny("RCDB", threads=threads)).to_json() for threads in (1, 2))
    del one["seconds"], other["seconds"]
    assert one == other
    moved = inspect(tiny("RCDB", seed=1)).to_json()
    assert moved["compactness"] != one["compactness"]


def test_images_without_anything_are_blank_and_alike() -> None:
    found = inspect(tiny("RCDB", categories=5, instances=4, options=("radius=[0,0]", "strokes=[1,1]", "noise=[0,0]",
                                                                   "drift=[0,0]"), size=64))  # fmt: skip
    assert found.blank.all()
    assert found.blank_range is None, "all are: no range tells any"
    warned = concerns(found)
    assert warned[0].startswith(
        "20 of 20 images (100%) are blank: they draw on less than 0.5% of their pixels."
    )


def test_a_range_of_strokes_that_leaves_images_blank_is_named() -> None:
    config = tiny(
        "RCDB", categories=60, instances=4, options=("radius=[3,3]", "noise=[2,2]"), blank=0.02, size=64
    )
    found = inspect(config)
    assert found.blank_range is not None
    assert found.blank_range.parameter == "strokes"
    assert found.blank_range.below
    strokes = np.array([config.base().category(0, int(k))["strokes"] for k in found.numbers]).repeat(4)
    inside = strokes <= found.blank_range.limit
    assert found.blank_range.precision == pytest.approx(found.blank[inside].mean())
    assert found.blank_range.recall == pytest.approx(found.blank[inside].sum() / found.blank.sum())
    assert str(found.blank_range) in concerns(found)[0]


def test_identical_images_are_named() -> None:
    found = inspect(
        tiny("RCDB", options=("radius=[0,0]", "strokes=[1,1]", "noise=[0,0]", "drift=[0,0]"), instances=6)
    )
    assert found.repeats.images == sum(
        (found.pixels.digest == key).sum()
        for key in set(found.pixels.digest)
        if (found.pixels.digest == key).sum() > 1
    )


def test_categories_are_spread_from_the_first_to_the_last() -> None:
    assert spread_evenly(3, 11).tolist() == [0, 5, 10]
    assert spread_evenly(7, 7).tolist() == list(range(7))
    for classes in (200, 201, 999, 1000):
        chosen = spread_evenly(200, classes)
        assert len(set(chosen.tolist())) == 200
        assert chosen[0] == 0
        assert chosen[-1] == classes - 1


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "0.1%"), (0.5, "50%"), (1, "100%"), (0.996, "99.6%"), (0.0996, "10%")],
)
def test_percents(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"instances": 1}, "instances must be >= 2, got 1: a single image"),
        ({"categories": 1}, "categories must be >= 2, got 1"),
        ({"size": 31}, r"size must be in 32\.\.1024, got 31"),
        ({"lines": "thick"}, "lines must be one of auto"),
        ({"blank": 1.5}, r"blank must be in \[0, 1\], got 1.5"),
        ({"blank": 0.5, "saturated": 0.4}, "blank must be at most saturated, got 0.5 and 0.4"),
        ({"near": -1.0}, "near must be >= 0"),
        ({"threads": 0}, r"threads must be in 1\.\.1024"),
        ({"categories": 10_000}, "categories times instances must be at most 20,000, got 30,000"),
        ({"alter": ("bent=2",)}, "alter, kind must be one of broken"),
        ({"options": ("strokes",)}, "options must be KEY=VALUE"),
    ],
)
def test_fields_out_of_range_are_refused(fields: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tiny("RCDB", **fields)


def test_more_than_there_is_is_refused() -> None:
    with pytest.raises(InputError, match="categories must be at most 3, the classes of the dataset, got 4"):
        inspect(tiny("RCDB", classes=3))
    with pytest.raises(
        InputError, match=r"instances must be at most 100 for 200 categories, got 101: 20,200 images"
    ):
        inspect(tiny("RCDB", categories=None, instances=101))
    assert tiny("RCDB", categories=None).sampled(7) == 7
    with pytest.raises(InputError, match="did you mean 'RCDB'"):
        inspect(tiny("RCDBB"))


# The command

COMMAND = ["inspect", "RCDB", "--size", "32", "--lines", "crisp", "--categories", "5", "--instances", "2"]


def test_the_command_prints_and_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    out = tmp_path / "found"
    assert main([*COMMAND, "--options", "radius=[0,2]", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "RCDB: 5 of 1,000 categories, 2 images of each at 32 px" in printed
    assert "separability" in printed
    assert sorted(path.name for path in out.iterdir()) == ["inspect.json", "inspect.png"]
    told = json.loads((out / "inspect.json").read_text())
    assert told["options"] == ["radius=[0,2]"]
    assert " ".join(printed.split()).count("warning: ") == len(told["warnings"])
    assert all(text in " ".join(printed.split()) for text in told["warnings"])
    with Image.open(out / "inspect.png") as picture:
        assert picture.size == (1664, 1312)
    assert main([*COMMAND, "--categories", "3", "--out", str(out)]) == 0
    assert json.loads((out / "inspect.json").read_text())["categories"] == 3, (
        "an earlier inspection is replaced"
    )


@pytest.mark.parametrize("name", ["MultiFractal", "RCDB"])
def test_pictures_of_two_images_of_two_categories(name: str) -> None:
    """The fewest: no third pair, fewer images than a strip has columns, and neither spread nor distance if alike."""
    pytest.importorskip("matplotlib")
    from fdsl.evaluate.quality.picture import draw_picture, shown_pairs

    options = ("radius=[0,0]", "strokes=[1,1]", "noise=[0,0]", "drift=[0,0]") if name == "RCDB" else ()
    found = inspect(tiny(name, categories=2, instances=2, options=options))
    assert shown_pairs(found) == [(0, 1)]
    assert draw_picture(found, []).startswith(b"\x89PNG")


def test_pairs_shown_are_near_duplicates_first() -> None:
    pytest.importorskip("matplotlib")
    from fdsl.evaluate.quality.picture import shown_pairs

    found = inspect(tiny("SegRCDB", categories=6, instances=3, near=1.0))
    assert len(found.duplicates) > 0
    shown = shown_pairs(found)
    assert len(shown) == len(set(shown)) == 6
    assert shown[: len(found.duplicates)] == found.duplicates[:6]


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"notes.txt": "mine"}, "it holds notes.txt"),
        ({"inspect.json": '{"what": "probe"}'}, "it holds no inspect.json of such a result"),
        ({"inspect.json": "{"}, "it holds no inspect.json of such a result"),
        ({"inspect.png": "mine"}, "it holds no inspect.json of such a result"),
        ({"inspect.json": '{"what": "inspect"}', "notes.txt": "mine"}, "it holds notes.txt"),
    ],
)
def test_other_folders_are_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], held: dict[str, str], message: str
) -> None:
    pytest.importorskip("matplotlib")
    folder = tmp_path / "there"
    folder.mkdir()
    for name, text in held.items():
        (folder / name).write_text(text)
    assert main([*COMMAND, "--out", str(folder)]) == 2
    assert message in capsys.readouterr().err
    assert {path.name: path.read_text() for path in folder.iterdir()} == held


def test_an_out_that_cannot_be_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    (tmp_path / "file").write_text("mine")
    assert main([*COMMAND, "--out", str(tmp_path / "file" / "below")]) == 2
    assert "file is a file" in capsys.readouterr().err


def test_without_matplotlib_it_prints_and_refuses_to_write(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fdsl.cli.extras.find_spec", lambda name: None if name == "matplotlib" else True)
    assert main([*COMMAND, "--out", str(tmp_path / "new")]) == 2
    assert capsys.readouterr().err == (
        'error: fdsl inspect --out needs the report extra: pip install "fdsl[report]"\n'
    )
    assert not (tmp_path / "new").exists()
    assert main(COMMAND) == 0
    assert "separability" in capsys.readouterr().out


def test_printing_needs_neither_torch_nor_matplotlib() -> None:
    code = (
        f"import sys; from fdsl.cli.app import main; code = main({COMMAND}); "
        "sys.exit(code or any(name in sys.modules for name in ('torch', 'matplotlib', 'sklearn')) * 7)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=dict(os.environ), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["inspect"], "FAMILY"),
        (["inspect", "RCBD"], "family must be one of"),
        (["inspect", "RCDB", "--categories", "1001"], "categories must be at most 1000"),
        (["inspect", "RCDB", "--options", "stroke=1"], "did you mean 'strokes'"),
        (["inspect", "RCDB", "--instances", "1"], "instances must be >= 2"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
