"""Unusable input of `fdsl render`, `verify` and `repair`: one line, exit code 2, and nothing written."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("fsspec")

from fdsl.cli import main
from fdsl.data.export.exporting import export_dataset
from fdsl.errors import InputError
from trees import FORMATS, as_command, export_config, tree

Captured = pytest.CaptureFixture[str]

BAD = {
    "--shard 0/4": "shard must be I/N, 1/N to N/N, got '0/4'",
    "--shard 5/4": "shard must be I/N, 1/N to N/N, got '5/4'",
    "--shard a/b": "shard must be I/N",
    "--shard 1": "shard must be I/N",
    "--shard 1/": "shard must be I/N",
    "--shard -1/4": "shard must be I/N",
    "--shard 1/99999999999": "shard must be I/N",
    "--split valid": "split must be left out with folders, got 'valid'",
    "--format webdataset --split a/b": "split must be a word of letters, such as train, got 'a/b'",
    "--format webdataset --split ..": "split must be a word of letters",
    "--format zip": "format",
    "--encoding tiff": "Expected one of ('png', 'jpeg', 'webp', 'webp-lossless', 'npy')",
    "--effort 13": "effort must be in 1..12, got 13",
    "--effort 0": "effort must be in 1..12, got 0",
    "--effort 1.5": "effort",
    "--encoding jpeg --effort 2": "effort must be left out with jpeg, got 2",
    "--encoding webp --effort 7": "effort must be in 0..6, got 7",
    "--quality 90": "quality must be left out with png, got 90: nothing is lost",
    "--encoding npy --quality 90": "quality must be left out with npy, got 90",
    "--encoding npy --effort 1": "effort must be left out with npy, got 1",
    "--encoding jpeg --quality 0": "quality must be in 1..100, got 0",
    "--encoding jpeg --quality 101": "quality must be in 1..100, got 101",
    "--colour blue": "colour",
    "--instances 0": "instances must be in 1..",
    "--instances 99999999999": "instances must be in 1..4294901760, got 99999999999",
    "--instances 10000000 --classes 1000000": "classes x instances must be <= 1,000,000,000,000",
    "--first-instance -1": "first_instance must be in 0..",
    "--first-instance 4294901760": "first_instance must be in 0..",
    "--classes 99999999999": "classes must be in 2..1000000, got 99999999999",
    "--classes 0": "classes must be in",
    "--size 0": "size must be",
    "--size 99999": "size must be",
    "--seed -1": "seed must be",
    "--seed 4294967296": "seed must be",
    "--shard-size 0": "shard_size must be in 1..1000000, got 0",
    "--shard-size 1000001": "shard_size must be in 1..1000000, got 1000001",
    "--order random": "order",
    "--lines thick": "lines",
    "--options what=1": "what",
    "--alter blur=1": "alter",
    "--workers 0": "workers must be in 1..1024, got 0",
    "--workers 9999": "workers must be in 1..1024, got 9999",
    "--workers two": "workers",
    "--engine slurm": "engine",
    "--address auto": "address must be left out with engine local, got 'auto'",
    "--what 1": "--what",
}


@pytest.mark.parametrize("options", BAD)
def test_bad_options_write_nothing(tmp_path: Path, capsys: Captured, options: str) -> None:
    assert main(["render", "RCDB", "--out", str(tmp_path / "out"), *options.split()]) == 2
    said, error = capsys.readouterr()
    assert (said, error.count("\n"), error[:7]) == ("", 1, "error: ")
    assert BAD[options] in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("render NoSuch --out out", "family must be one of "),
        ("render RDCB --out out", "did you mean 'RCDB'"),
        ("render --out out", "FAMILY"),
        ("render RCDB", "--out"),
        ("render RCDB --out ", "out must be a folder or an address, got ''"),
        ("render RCDB --out foo://x", "got foo://x: Protocol not known: foo"),
        ("verify", "FOLDER"),
        ("verify nowhere", "nowhere must hold manifest.json"),
        ("verify nowhere --redraw nan", "redraw must be a finite number in [0, 1], got nan"),
        ("verify nowhere --redraw inf", "redraw must be a finite number in [0, 1], got inf"),
        ("verify nowhere --redraw 1.01", "redraw must be in [0, 1], got 1.01"),
        ("verify nowhere --redraw -0.1", "redraw must be in [0, 1], got -0.1"),
        ("verify nowhere --seed -1", "seed must be in 0..4294967295, got -1"),
        ("verify foo://x", "Protocol not known: foo"),
        ("repair nowhere", "nowhere must hold manifest.json"),
        ("repair nowhere --workers 0", "workers must be >= 1, got 0"),
    ],
)
def test_bad_targets_write_nothing(tmp_path: Path, capsys: Captured, arguments: str, told: str) -> None:
    assert main(arguments.split(" ")) == 2
    said, error = capsys.readouterr()
    assert (said, error.count("\n"), error[:7]) == ("", 1, "error: ")
    assert told in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(importlib.util.find_spec("s3fs") is not None, reason="s3fs is installed")
def test_an_address_says_what_it_needs(capsys: Captured) -> None:
    assert main(["render", "RCDB", "--out", "s3://bucket/x"]) == 2
    assert capsys.readouterr().err == (
        "error: out must be a folder or an address that fsspec opens, got s3://bucket/x: "
        "Install s3fs to access S3\n"
    )


def test_an_address_of_something_damaged_is_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "damaged.zip").write_text("no archive")
    assert main(["verify", f"zip://x::{tmp_path}/damaged.zip"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: out must be a folder or an address that fsspec opens, got zip://x::"), (
        error
    )
    assert error.count("\n") == 1


def test_gray_of_a_colour_family_is_refused() -> None:
    with pytest.raises(InputError, match=r"colour must be rgb or auto for MultiFractal .*, got gray"):
        export_dataset(export_config(family="MultiFractal", colour="gray"), "out", workers=1)
    assert not Path("out").exists()


def test_other_parameters_at_the_target_are_refused(tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "out"
    export_dataset(export_config("webdataset"), out, workers=1)
    before = tree(out)
    other = export_config("webdataset", seed=5, encoding="jpeg", quality=80, options=("variant=paper",))
    shown = (
        "effort 2 there, none here, encoding png there, jpeg here, options none there, variant=paper here, "
    )
    for config, told in (
        (other, f"{shown}quality none there, 80 here, seed 0 there, 5 here"),
        (export_config("parquet"), "format webdataset there, parquet here"),
        (export_config("webdataset", instances=9), "instances 8 there, 9 here"),
        (export_config("webdataset", family="BezierCurveDB"), "family RCDB there, BezierCurveDB here"),
    ):
        assert main(as_command(config, out)) == 2
        assert capsys.readouterr().err == (
            f"error: out must be free for this export, got {out}, which holds another: {told}\n"
        )
    assert tree(out) == before


def test_an_export_within_another_is_refused(tmp_path: Path) -> None:
    export_dataset(export_config(), tmp_path / "out", workers=1)
    before = tree(tmp_path)
    with pytest.raises(InputError, match="out must not lie inside another export"):
        export_dataset(export_config(seed=1), tmp_path / "out" / "val", workers=1)
    assert tree(tmp_path) == before
    (tmp_path / "manifest.json").write_text("{}")  # somebody else's
    export_dataset(export_config(seed=1), tmp_path / "other", workers=1)


def test_places_that_cannot_be_written_are_named(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.png").write_text("mine")
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / ".git").mkdir()
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone" / "away")
    before = tree(tmp_path)
    for place, told in {
        "file": f"out must be a folder, got {tmp_path}/file: it is a file",
        "file/below/it": f"Not a directory: {tmp_path}/file/below/it",
        "full": f"out must be a new or empty folder, or an export to go on with, got {tmp_path}/full",
        "hidden": f"out must be a new or empty folder, or an export to go on with, got {tmp_path}/hidden",
        "/proc/x": "No such file or directory: /proc/x",
        "nowhere": f"File exists: {tmp_path}/nowhere",
        "n" * 300: f"File name too long: {tmp_path}/nnn",
    }.items():
        assert main(as_command(export_config(), tmp_path / place)) == 2, place
        error = capsys.readouterr().err
        assert error.startswith(f"error: {told}"), error
        assert error.count("\n") == 1
    assert tree(tmp_path) == before


@pytest.mark.parametrize("form", FORMATS)
def test_names_with_spaces_and_other_letters_work(tmp_path: Path, capsys: Captured, form: str) -> None:
    plain, out = tmp_path / "plain", tmp_path / "a b" / "Bäume 木 [1] 'x' %41 #?*" / form
    for place in (plain, out):
        assert main(as_command(export_config(form), place)) == 0
    assert str(out) in capsys.readouterr().out
    assert tree(out) == tree(plain)
    assert main(["verify", str(out), "--redraw", "1"]) == 0
    lost = {"folder": "00001/000002.png", "webdataset": "train-00001.tar", "parquet": "data"}[form]
    shutil.rmtree(out / lost) if (out / lost).is_dir() else (out / lost).unlink()
    assert main(["repair", str(out), "--workers", "1"]) == 0
    assert tree(out) == tree(plain)
