"""Manifests that are damaged, newer, forged, or of something else."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from fdsl.cli import main
from fdsl.data.export.checking import repair, verify
from fdsl.data.export.exporting import export_dataset
from fdsl.data.export.manifest import MANIFEST_FILE, _checksum, manifest_text, read_manifest
from fdsl.data.export.plan import make_plan
from fdsl.data.export.records import Record
from fdsl.data.export.stores import Folder
from fdsl.errors import DataError, InputError
from trees import as_command, export_config, tree

Captured = pytest.CaptureFixture[str]


GONE = object()


def with_manifest(out: Path, **changes: Any) -> None:
    """Change fields of a manifest, or leave out what is GONE, and its own checksum with them."""
    content = json.loads((out / MANIFEST_FILE).read_text())
    del content["sha256"]
    content = {name: value for name, value in {**content, **changes}.items() if value is not GONE}
    (out / MANIFEST_FILE).write_text(json.dumps({**content, "sha256": _checksum(content)}))


def cut(text: str) -> str:
    return text[: len(text) // 2]


MANIFESTS: dict[str, tuple[Callable[[str], str | None], type[Exception], str]] = {
    "none": (lambda _: None, InputError, r"must hold manifest\.json, as fdsl render leaves it"),
    "cut": (cut, DataError, r"manifest\.json is damaged: "),
    "empty": (lambda _: "", DataError, r"manifest\.json is damaged: "),
    "else": (lambda _: "[1, 2]", DataError, r"manifest\.json must be a manifest of fdsl"),
    "edited": (
        lambda text: text.replace('"seed": 0', '"seed": 1'),
        DataError,
        r"manifest\.json is damaged or edited: its own checksum differs",
    ),
    "newer": (
        lambda text: text.replace('"manifest_version": 1', '"manifest_version": 2').replace(
            '"made_by": "fdsl ', '"made_by": "fdsl 9'
        ),
        DataError,
        r"manifest\.json is of version 2, by fdsl 9.*; fdsl .* reads 1: pip install --upgrade fdsl",
    ),
}


@pytest.mark.parametrize("kind", MANIFESTS)
def test_an_unusable_manifest_is_said_to_be(
    wholes: dict[str, Path], tmp_path: Path, capsys: Captured, kind: str
) -> None:
    change, error, told = MANIFESTS[kind]
    out = tmp_path / "out"
    shutil.copytree(wholes["folder"], out)
    text = change((out / MANIFEST_FILE).read_text())
    (out / MANIFEST_FILE).unlink()
    if text is not None:
        (out / MANIFEST_FILE).write_text(text)
    before = tree(out)
    for command in (verify, repair):
        with pytest.raises(error, match=told):
            command(out)
    for name in ("verify", "repair"):
        assert main([name, str(out)]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    if text is not None:
        with pytest.raises(error, match=told):
            export_dataset(export_config(), out, workers=1)
    assert tree(out) == before


def config_with(**fields: Any) -> dict[str, Any]:
    return {"config": {**export_config().to_json(), **fields}}


def planned(**fields: Any) -> dict[str, Any]:
    """Return what an honest manifest would say of another config."""
    return make_plan(export_config(**fields)).to_json()


FORGED: dict[str, tuple[dict[str, Any], str]] = {
    "no config": ({"config": GONE}, "must hold config, a dict, got None"),
    "no definition": ({"definition": GONE}, "must hold definition, a dict, got None"),
    "no dataset": ({"dataset": GONE}, "must hold dataset, a str, got None"),
    "no versions": ({"versions": GONE}, "must hold versions, a dict, got None"),
    "no shards": ({"shards": GONE}, "must hold shards, a list, got None"),
    "a definition of nothing": ({"definition": None, "dataset": ""}, "must hold definition, a dict"),
    "shards of numbers": ({"shards": [1, 2, 3, 4]}, "must hold records of shard, first, name"),
    "fewer fields": ({"config": {"family": "RCDB"}}, "must hold a config of alter, classes"),
    "a family of a number": (config_with(family=5), "must hold a config of alter, classes"),
    "a split of a number": (config_with(split=5), "must hold a config of alter, classes"),
    "options of numbers": (config_with(options=[1]), "must hold a config of alter, classes"),
    "an alteration of letters": (config_with(alter="width=3"), "must hold a config of alter, classes"),
    "a size of text": (config_with(size="32"), "must hold a config of alter, classes"),
    "no size": (config_with(size=None), "holds a config that cannot be used: size must be"),
    "a way out": (config_with(format="parquet", split="../x"), "cannot be used: split must be a word"),
    "many digits": (config_with(options=["variant=" + "9" * 5000]), "cannot be used: variant must be"),
    "many brackets": (config_with(options=["variant=" + "[" * 10**5]), "cannot be used: variant must be"),
    "more shards than memory has room for": (
        planned(classes=10**6, instances=10**6, shard_size=1),
        "must list 1000000000000 shards in order, got 4",
    ),
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_forged_manifest_is_refused(
    wholes: dict[str, Path], tmp_path: Path, capsys: Captured, kind: str
) -> None:
    changes, told = FORGED[kind]
    out = Path(shutil.copytree(wholes["folder"], tmp_path / "out"))
    with_manifest(out, **changes)
    before = tree(out)
    for command in (["verify", str(out)], ["repair", str(out)], as_command(export_config(), out)):
        assert main(command) == 2
        said, error = capsys.readouterr()
        assert (said, error.count("\n")) == ("", 1)
        assert error.startswith(f"error: {out}/manifest.json "), error
        assert told in error
    assert tree(out) == before


def test_a_manifest_of_brackets_is_damaged(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_FILE).write_text("[" * 10**5)
    with pytest.raises(DataError, match=r"manifest\.json is damaged: "):
        verify(tmp_path)


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "../../elsewhere", "must call shard 1 .*, got '../../elsewhere'$"),
        ("images", 10**9, "must list 6 images from 6 on of shard 1, got 1000000000 from 6 on$"),
    ],
)
def test_a_record_of_something_else_is_refused(out: Path, field: str, value: Any, told: str) -> None:
    manifest = read_manifest(Folder(out))
    records = [*manifest.records]
    records[1] = Record(**{**records[1].to_json(), field: value})
    (out / MANIFEST_FILE).write_text(manifest_text(manifest.plan, records))
    before = tree(out)
    for command in (verify, repair):
        with pytest.raises(DataError, match=told):
            command(out)
    assert tree(out) == before


def test_a_family_that_is_drawn_otherwise_now_is_refused(wholes: dict[str, Path], tmp_path: Path) -> None:
    out = Path(shutil.copytree(wholes["folder"], tmp_path / "out"))
    definition = json.loads((out / MANIFEST_FILE).read_text())["definition"]
    with_manifest(out, definition={**definition, "version": 7}, dataset="0" * 64)
    for command in (verify, repair, lambda out: export_dataset(export_config(), out, workers=1)):
        with pytest.raises(DataError, match=r"draws otherwise: version 7 there, \d+ here"):
            command(out)
