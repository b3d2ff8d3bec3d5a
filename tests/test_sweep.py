"""Sweeps: what their points are, that a stopped one goes on as if it had not, what is written, what is refused."""

from __future__ import annotations

import csv
import dataclasses
import fcntl
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("matplotlib")

import fdsl
from fdsl.cli import main
from fdsl.errors import DataError, InputError
from fdsl.evaluate.figures import LIGHT, PRETRAINED
from fdsl.options import parse_options
from fdsl.sweep import SweepConfig, SweepResult, run_sweep
from fdsl.sweep import run as sweep_run
from fdsl.sweep.results import cells, csv_text, markdown
from fdsl.sweep.sweeps import SWEEPS
from fdsl.train.config import PretrainConfig
from fdsl.train.learner import Learner
from fdsl.train.recipes import PROBE_VIT
from fdsl.train.run import RunFolder
from tiny_runs import TINY, contents

FILES = {"points", "scratch", "sweep.csv", "sweep.json", "sweep.lock", "sweep.md", "sweep.png"}


def config_of(out: Path, **changed: Any) -> SweepConfig:
    """Return a sweep of seconds, with some fields changed."""
    fields: dict[str, Any] = {
        "sweep": "classes",
        "values": ("2", "4"),
        "labels": 20,
        "epochs": 4,
        "test_limit": 60,
        "seeds": (0, 1),
        "samples": 640,
        "model_args": TINY,
        "threads": 1,
    }
    return SweepConfig(out=out, **{**fields, **changed})


def numbers(out: Path) -> dict[str, Any]:
    """Return what a sweep came to, without times, and without where and on what it ran."""

    def timeless(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: timeless(v) for k, v in value.items() if k not in ("seconds", "out", "machine")}
        return [timeless(one) for one in value] if isinstance(value, list) else value

    return timeless(json.loads((out / "sweep.json").read_text()))


def results(out: Path) -> dict[str, float]:
    """Return when each part was finished."""
    found = [*out.rglob("result.json"), *out.rglob("probe-*.json")]
    return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> SweepResult:
    """Run a sweep that nothing stops."""
    return run_sweep(config_of(tmp_path_factory.mktemp("sweeps") / "whole"))


@pytest.fixture
def again(whole: SweepResult, tmp_path: Path) -> SweepConfig:
    """Return the config of a finished sweep, in a folder of the test's own."""
    shutil.copytree(whole.config.out, tmp_path / "again")
    return config_of(tmp_path / "again")


@pytest.mark.parametrize("name", SWEEPS)
def test_points_of_every_sweep_are_what_pretraining_takes(name: str, tmp_path: Path) -> None:
    config = SweepConfig(sweep=name, out=tmp_path / "sweep").resolved(10)
    known = {field.name for cls in (PretrainConfig, fdsl.RCDB) for field in dataclasses.fields(cls)}
    points = config.points()
    assert len({point.name for point in points}) == len(points) > 1
    for point in points:
        assert Path(point.name).name == point.name
        asked = {**point.fields, **parse_options("options", point.fields.get("options", ()))}
        if missing := set(asked) - known:
            pytest.skip(f"RCDB or its pre-training has no {missing.pop()} yet")
        pretraining = sweep_run.pretrain_config(config, point)
        assert sweep_run.categories(pretraining) == point.fields.get("classes", 100)
        assert pretraining.out == tmp_path / "sweep" / "points" / point.name / "pretrain"
    assert SWEEPS[name].points([point.name for point in points]) == points


def test_values_are_read() -> None:
    assert SWEEPS["classes"].points(["10_000"])[0].fields == {"classes": 10_000}
    assert SWEEPS["vertices"].points(["3-50"])[0].fields == {"options": ("vertices=[3,50]",)}
    [point] = SWEEPS["noise"].points(["0.50-4"])
    assert (point.name, point.fields) == ("0.5-4", {"options": ("noise=[0.5,4.0]",)})
    assert SWEEPS["noise"].points(["0.1-1.2345678"])[0].name == "0.1-1.2345678"
    assert SWEEPS["contours"].points(["broken=20"])[0].fields == {"alter": ("broken=20",)}
    assert SWEEPS["contours"].points(["broken=020"]) == SWEEPS["contours"].points(["broken=20"])
    flat, deep = SWEEPS["dimensions"].points()
    assert flat.fields == {"family": "FractalDB", "options": ("variant=point_gray",)}
    assert SWEEPS["dimensions"].points(["exfractaldb"]) == (deep,)


BAD_FIELDS = [
    (["clases"], "did you mean 'classes'?"),
    (["classes", "--values", "10", "ten"], "values of classes must be an integer in 2..1000000, got 'ten'"),
    (["classes", "--values", "1"], "values of classes must be in 2..1000000, got 1"),
    (["classes", "--values", "10", "1_0"], "values must differ, got 10 twice"),
    (["classes", "--values"], "values must be one at least"),
    (["classes", "--classes", "10"], "classes must not be given, got 10: sweep classes varies them"),
    (["vertices", "--values", "50"], "values of vertices must be ranges LOW-HIGH of whole numbers, got '50'"),
    (["vertices", "--values", "3-5.5"], "must be ranges LOW-HIGH of whole numbers"),
    (["noise", "--values", "4-0"], "got 4-0: it ends before it begins"),
    (["dimensions", "--values", "RCDB"], "values of dimensions must be one of FractalDB, ExFractalDB"),
    (["contours", "--values", "../../etc"], "values of contours must be as-is or alterations KIND=STRENGTH"),
    (["classes", "--seeds", "0"], "seeds must be two or more different numbers"),
    (["classes", "--seeds", "0", "-1"], "seeds must be in"),
    (["classes", "--pretrain-seed", "-1"], "pretrain_seed must be in"),
    (["classes", "--samples", "10"], "samples must be >= 64"),
    (["classes", "--lr", "0"], "lr must be"),
    (["classes", "--size", "16"], "size must be in 32..1024, got 16"),
    (["classes", "--model-args", "depth"], "model_args must be KEY=VALUE pairs"),
    (["classes", "--model", "vit_tinny"], "model must be a name that timm.list_models() knows"),
    (["classes", "--model-args", "patch_size=0"], "model_args must suit vit_tiny_patch16_224 at 32 pixels"),
    (["classes", "--data", "nowhere"], "data must be 'digits' or an existing folder"),
    (["classes", "--labels", "5"], "labels must be >= 10, got 5"),
    (["classes", "--labels", "5000"], "labels must be fewer, got 5000"),
    (["vertices", "--values", "0-3"], "vertices"),
    (["contours", "--values", "as-is", "brokn=20"], "alter"),
]


@pytest.mark.parametrize(("argv", "message"), BAD_FIELDS, ids=[" ".join(argv) for argv, _ in BAD_FIELDS])
def test_bad_input_is_one_line_and_writes_nothing(argv, message, tmp_path, capsys) -> None:
    assert main(["sweep", *argv, "--out", "new/sweep"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert message in captured.err
    assert list(tmp_path.iterdir()) == []


def test_help_lists_the_sweeps_a_line_each(capsys) -> None:
    assert main(["sweep", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, sweep in SWEEPS.items():
        [line] = [line for line in lines if line.strip().startswith(f"{name} ")]
        assert line.strip().endswith(" ".join(sweep.values))


def test_none_is_decided_by_the_data_and_the_model() -> None:
    decided = SweepConfig(sweep="classes").resolved(classes=10)
    assert (decided.labels, decided.epochs, decided.samples) == (100, 100, 450_000)
    assert decided.model_args == PROBE_VIT
    assert SweepConfig(sweep="classes", model="resnet10t").resolved(10).model_args == ()
    quick = SweepConfig(sweep="classes", quick=True).resolved(10)
    assert quick.samples < decided.samples / 10
    assert quick.epochs < decided.epochs


def test_finished_sweep_holds_what_its_runs_hold(whole: SweepResult) -> None:
    out = whole.config.out
    assert {path.name for path in out.iterdir()} == FILES
    assert not list(out.rglob("checkpoints"))
    found = numbers(out)
    assert found["whole"]
    assert [point["name"] for point in found["points"]] == ["2", "4"]
    for point in found["points"]:
        folder = out / "points" / point["name"]
        run = json.loads((folder / "pretrain" / "run.json").read_text())["config"]
        assert (run["classes"], run["samples"]) == (int(point["name"]), 640)
        result = json.loads((folder / "pretrain" / "result.json").read_text())
        assert point["pretext"] == {
            "accuracy": result["accuracy"],
            "chance": 1 / run["classes"],
            "loss": result["loss"],
        }
        gains = []
        for seed in ("0", "1"):
            tuned = json.loads((folder / f"finetune-{seed}" / "result.json").read_text())
            assert tuned["weights"] == str(folder / "pretrain")
            assert (tuned["accuracy"], tuned["labels"]) == (point["finetuned"][seed], 20)
            probed = json.loads((folder / f"probe-{seed}.json").read_text())["result"]
            assert (probed["linear"], probed["knn"]) == (point["linear"][seed], point["knn"][seed])
            gains.append(100 * (tuned["accuracy"] - found["scratch"]["finetuned"][seed]))
        assert point["gain"]["mean"] == pytest.approx(np.mean(gains))
        assert point["gain"]["standard_error"] == pytest.approx(np.std(gains, ddof=1) / np.sqrt(2))


def test_table_and_csv_say_the_same(whole: SweepResult) -> None:
    out, found = whole.config.out, numbers(whole.config.out)
    assert (out / "sweep.csv").read_text() == csv_text(whole)
    rows = list(csv.DictReader(csv_text(whole).splitlines()))
    assert [(row["point"], row["seed"]) for row in rows] == [
        (point, seed) for point in ("from scratch", "2", "4") for seed in "01"
    ]
    sources = {"from scratch": found["scratch"], **{point["name"]: point for point in found["points"]}}
    for row in rows:
        for column in ("finetuned", "linear", "knn"):
            assert float(row[column]) == sources[row["point"]][column][row["seed"]]
    header, *lines = cells(whole)
    text = (out / "sweep.md").read_text()
    assert text == markdown(whole)
    for line in (header, *lines):
        assert "| " + " | ".join(line) + " |" in text
    mean = 100 * np.mean(list(found["points"][1]["finetuned"].values()))
    assert lines[2][2].startswith(f"{mean:.1f} ± ")


def test_plot_shows_lines(whole: SweepResult) -> None:
    with Image.open(whole.config.out / "sweep.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert pixels.shape[0] > 600
    assert pixels.shape[1] > 800
    blue = np.array([int(LIGHT[PRETRAINED][start : start + 2], 16) for start in (1, 3, 5)])
    assert (np.abs(pixels - blue).sum(2) < 12).sum() > 500
    assert 0.5 < (pixels.sum(2) > 740).mean() < 0.99


def test_same_command_again_does_nothing_anew(again: SweepConfig, whole: SweepResult) -> None:
    before = results(again.out)
    (again.out / "sweep.json").write_text(json.dumps({"sweep": "classes"}))
    assert run_sweep(again).rows == whole.rows
    assert results(again.out) == before
    assert numbers(again.out) == numbers(whole.config.out)


def test_more_values_and_seeds_add_to_what_is_there(again: SweepConfig, whole: SweepResult) -> None:
    before = results(again.out)
    result = run_sweep(replace(again, values=("4", "3"), seeds=(1, 0, 2), samples=640))
    assert {name: time for name, time in results(again.out).items() if name in before} == before
    assert [row.point.name for row in result.rows] == ["4", "3"]
    kept, known = result.rows[0].measured, whole.rows[1].measured
    assert {seed: kept.finetuned[seed] for seed in (0, 1)} == known.finetuned
    assert list(kept.finetuned) == [1, 0, 2]


@pytest.mark.parametrize("killed", [False, True], ids=["interrupted", "killed"])
def test_stopped_anywhere_it_comes_to_the_same_numbers(
    killed: bool, whole: SweepResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, original, made = config_of(tmp_path / "sweep"), Learner.update, 0

    def update(self: Learner, *arguments: Any, **how: Any) -> Any:
        nonlocal made
        made += 1
        if made == stop:
            raise KeyboardInterrupt
        return original(self, *arguments, **how)

    monkeypatch.setattr(Learner, "update", update)
    if killed:  # what a killed run had no time for
        monkeypatch.setattr(RunFolder, "_remove", lambda self: None)
    stops = 0
    for stop in (1, 9, 5, 14, 7, 0):  # counted anew each time; the last one is not stopped
        made = 0
        if not stop:
            run_sweep(config)
            break
        with pytest.raises(KeyboardInterrupt):
            run_sweep(config)
        stops += 1
        if killed:
            (config.out / "points" / "4" / "pretrain").mkdir(parents=True, exist_ok=True)
            (config.out / "points" / "4" / "pretrain" / ".run.json.0a1b2c3d.tmp").write_text("{")
    assert stops == 5
    assert numbers(config.out) == numbers(whole.config.out)
    for name in ("sweep.csv", "sweep.png"):
        assert (config.out / name).read_bytes() == (whole.config.out / name).read_bytes()
    weights = "points/4/pretrain/model.safetensors"
    assert (config.out / weights).read_bytes() == (whole.config.out / weights).read_bytes()


@pytest.mark.parametrize("part", ["points/2/finetune-1", "points/4/pretrain"])
def test_stopped_between_parts_the_rest_is_made(part: str, again: SweepConfig, whole: SweepResult) -> None:
    order = ["scratch/finetune-0", "scratch/finetune-1"]
    for point in ("points/2", "points/4"):
        order += [f"{point}/pretrain", f"{point}/finetune-0", f"{point}/finetune-1"]
    for name in order[order.index(part) :]:
        shutil.rmtree(again.out / name)
        (again.out / name).with_name(f"probe-{name[-1]}.json").unlink(missing_ok=True)
    run_sweep(again)
    assert numbers(again.out) == numbers(whole.config.out)


def test_look_in_the_middle_shows_the_points_so_far(
    again: SweepConfig, whole: SweepResult, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    for path in (
        again.out / "points" / "2" / "probe-1.json",
        again.out / "sweep.json",
        again.out / "sweep.lock",
    ):
        path.unlink()
    (again.out / "sweep.json").write_text('{"sweep": "classes"}')
    original = sweep_run.complete

    def stopped(config: Any) -> Any:
        if config.out == again.out / "points" / "4" / "pretrain":
            raise KeyboardInterrupt
        return original(config)

    monkeypatch.setattr(sweep_run, "complete", stopped)
    with pytest.raises(KeyboardInterrupt):
        run_sweep(again)
    assert "the same command goes on from here" in capsys.readouterr().out
    found = numbers(again.out)
    assert found["points"] == numbers(whole.config.out)["points"][:1]
    assert not found["whole"]
    assert "So far 1 of 2 points." in (again.out / "sweep.md").read_text()
    assert {path.name for path in again.out.iterdir()} == FILES


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"samples": 704}, r"samples must be 640 as in .*points/2/pretrain, got 704"),
        ({"epochs": 5}, r"epochs must be 4 as in .*scratch/finetune-0, got 5"),
        ({"labels": 30}, r"labels must be 20 as in .*, got 30"),
        ({"pretrain_seed": 1}, r"seed must be 0 as in .*points/2/pretrain, got 1"),
        ({"lr": 0.002}, r"lr must be 0\.001 as in"),
        ({"model_args": (*TINY, "qkv_bias=false")}, r"model_args must be \["),
        ({"sweep": "vertices", "values": None}, "it holds one of classes"),
    ],
)
def test_folder_of_other_settings_is_refused(
    changed: dict[str, Any], message: str, again: SweepConfig
) -> None:
    if changed.get("sweep") == "vertices" and "vertices" not in {
        f.name for f in dataclasses.fields(fdsl.RCDB)
    }:
        changed = {"sweep": "dimensions", "values": None}
    before = contents(again.out)
    with pytest.raises(InputError, match=message):
        run_sweep(replace(again, **changed))
    assert contents(again.out) == before


def test_folder_of_something_else_is_refused(tmp_path: Path, again: SweepConfig) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"it holds thesis\.tex"):
        run_sweep(config_of(tmp_path / "thesis"))
    with pytest.raises(InputError, match="it is a file"):
        run_sweep(config_of(tmp_path / "thesis" / "thesis.tex"))
    assert contents(tmp_path / "thesis") == {"thesis.tex": b"mine"}
    (again.out / "points" / "4" / "finetune-1" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"got .*finetune-1/notes\.txt"):
        run_sweep(again)
    (again.out / "points" / "4" / "finetune-1" / "notes.txt").unlink()
    (again.out / "points" / "2" / "pretrain" / "run.json").write_text('{"config": {"nosuch": 1}}')
    with pytest.raises(DataError, match=r"pretrain/run\.json must describe a run of this sweep"):
        run_sweep(again)


def test_two_sweeps_do_not_share_a_folder(again: SweepConfig) -> None:
    with (again.out / "sweep.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process is running there"):
            run_sweep(again)
    run_sweep(again)


@pytest.mark.parametrize("moves", [False, True], ids=["stays", "moves"])
def test_finetuning_stopped_after_its_checkpoint_goes_on(
    moves: bool, again: SweepConfig, whole: SweepResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the folder has moved, its run names weights that are no longer there: it starts anew."""
    part = again.out / "points" / "2" / "finetune-0"
    shutil.rmtree(part)

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("fdsl.train.finetuning.single.save_weights", stop)
        with pytest.raises(KeyboardInterrupt):
            run_sweep(again)
    assert list((part / "checkpoints").iterdir())
    assert not (part / "result.json").exists()
    if moves:
        again = replace(again, out=again.out.rename(again.out.with_name("moved")))
    run_sweep(again)
    assert numbers(again.out) == numbers(whole.config.out)
    record = json.loads((again.out / "points" / "2" / "finetune-0" / "run.json").read_text())
    assert len(record["earlier"]) == (0 if moves else 1)
