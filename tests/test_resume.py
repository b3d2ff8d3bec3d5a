"""Runs that stop and go on: bit for bit, and only in a folder and from a checkpoint of their own."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

import fdsl  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.train import FinetuneConfig, pretrain  # noqa: E402
from fdsl.train.checkpoint import checksum_of, list_checkpoints, save_checkpoint  # noqa: E402
from fdsl.train.run import RunFolder  # noqa: E402
from tiny_runs import (  # noqa: E402
    AUGMENTED,
    RANDOM,
    contents,
    finetune_config,
    metrics,
    pretrain_config,
    run_config,
    run_until,
)


@pytest.mark.parametrize(
    "make",
    [partial(pretrain_config, **RANDOM, **AUGMENTED), partial(finetune_config, **RANDOM)],
    ids=["pre", "fine"],
)
def test_interrupted_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, make: Any) -> None:
    whole = run_config(make(tmp_path / "whole"))
    steps = whole.steps
    for update in (4, 6, steps):  # right after a checkpoint, between two, at the end
        out = tmp_path / f"stopped-{update}"
        run_until(make(out), update)
        assert not (out / "result.json").exists()
        again = run_config(make(out, resume=True))
        assert metrics(out) == metrics(tmp_path / "whole")
        name = "model.safetensors"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert (again.accuracy, again.loss) == (whole.accuracy, whole.loss)
        record = json.loads((out / "run.json").read_text())
        assert record["finished"] is not None
        assert [session["finished"] for session in record["earlier"]] == [None]


@pytest.mark.parametrize("there_before", [False, True])
def test_run_that_stops_before_its_first_checkpoint_can_be_started_again(
    tmp_path: Path, there_before: bool
) -> None:
    out = tmp_path / "run"
    if there_before:
        out.mkdir()
    run_until(finetune_config(out), 2)
    assert out.exists() == there_before
    assert not contents(out)
    run_until(finetune_config(out, batch_size=4), 4)
    assert list_checkpoints(out)
    assert run_config(finetune_config(out, batch_size=4, resume=True)).steps == 15
    assert not any((tmp_path / name).exists() for name in ("metrics.csv", "run.json"))


def test_rows_cut_short_are_left_out(tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", epochs=1)
    run_config(config)
    metrics = config.out / "metrics.csv"
    whole = metrics.read_bytes()
    columns = whole.decode().splitlines()[0].split(",")
    for torn in (b"2", b"2,4", b"2,4,0.001,1.2,0.5,0.", b"2\r\n", b"2,x,0.001,1.2,0.5,0.5\r\n", b"\xff\x00"):
        metrics.write_bytes(whole + torn)
        with RunFolder(dataclasses.replace(config, resume=True), "finetune", columns) as run:
            run.begin(4, "cpu")
        assert metrics.read_bytes() == whole, torn


def test_resume_refuses_another_dataset(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run")
    pretrain(config)
    record = json.loads((config.out / "run.json").read_text())
    assert record["dataset"] == fdsl.RCDB(classes=4).digest(0)
    (config.out / "run.json").write_text(json.dumps({**record, "dataset": "0123abc"}))
    with pytest.raises(InputError, match=f"digest 0123abc as in the run .* got {record['dataset']}"):
        pretrain(dataclasses.replace(config, resume=True))


def test_alterations_are_part_of_the_dataset(tmp_path: Path) -> None:
    altered = pretrain_config(tmp_path / "run", alter=("width=3", "broken=20"))
    pretrain(altered)
    record = json.loads((altered.out / "run.json").read_text())
    base = fdsl.LineWidth(fdsl.RCDB(classes=4), width=3)
    assert record["dataset"] == fdsl.BrokenContours(base, strokes=20).digest(0)
    with pytest.raises(InputError, match=r"alter must be \['width=3', 'broken=20'\] as in the run"):
        pretrain(dataclasses.replace(altered, alter=("broken=20", "width=3"), resume=True))
    assert pretrain(dataclasses.replace(altered, samples=78, resume=True)).steps == 13
    plain = pretrain_config(tmp_path / "plain")
    pretrain(plain)
    name = "model.safetensors"
    assert (altered.out / name).read_bytes() != (plain.out / name).read_bytes()


def test_a_field_that_older_runs_know_nothing_of_had_its_default(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run")
    pretrain(config)
    record = json.loads((config.out / "run.json").read_text())
    del record["config"]["alter"]
    (config.out / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"alter must be \[\] as in the run"):
        pretrain(dataclasses.replace(config, alter=("broken=20",), resume=True))
    assert pretrain(dataclasses.replace(config, samples=78, resume=True)).steps == 13


def test_long_runs_find_their_checkpoints(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 1_000_000_000):
        save_checkpoint(tmp_path, step, {})
    (tmp_path / "checkpoints" / "step-1.pt").touch()
    names = ["step-99999999.pt", "step-100000000.pt", "step-1000000000.pt"]
    assert [path.name for path in list_checkpoints(tmp_path)] == names


def test_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_config(finetune_config(out, epochs=1))
    before = contents(out)
    with pytest.raises(InputError, match="holds a run"):
        run_config(finetune_config(out, epochs=1))
    with pytest.raises(InputError, match="seed must be 0 as in the run"):
        run_config(finetune_config(out, epochs=1, seed=1, resume=True))
    with pytest.raises(InputError, match="a pretrain run"):
        run_config(pretrain_config(out, resume=True))
    assert contents(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match="holds other files"):
        run_config(finetune_config(other))
    with pytest.raises(InputError, match="it is a file"):
        run_config(finetune_config(other / "thesis.txt"))
    with pytest.raises(InputError, match=r"holds no run\.json"):
        run_config(finetune_config(tmp_path / "nowhere", resume=True))
    assert not (tmp_path / "nowhere").exists()


def test_finished_run_can_be_made_longer_but_not_shorter(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run")
    pretrain(config)
    longer = pretrain(dataclasses.replace(config, samples=96, resume=True))
    assert longer.steps == 16
    assert [row["step"] for row in metrics(config.out)] == ["4", "8", "12", "16"]
    with pytest.raises(InputError, match="shorten"):
        pretrain(dataclasses.replace(config, samples=48, resume=True))
    again = pretrain(dataclasses.replace(config, samples=96, resume=True))
    assert again == longer, "nothing was left to do"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> FinetuneConfig:
    """A run with checkpoints after updates 3 and 4."""
    config = finetune_config(tmp_path_factory.mktemp("finished") / "run", epochs=1)
    run_config(config)
    return config


def _copy(config: FinetuneConfig, out: Path) -> FinetuneConfig:
    shutil.copytree(config.out, out)
    return dataclasses.replace(config, out=out, resume=True)


@pytest.mark.parametrize("damage", ["truncated", "a bit", "text", "empty", "no checksum", "another's"])
def test_damaged_checkpoint_is_named_and_the_one_before_used(
    tmp_path: Path, finished: FinetuneConfig, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _copy(finished, tmp_path / "run")
    before, newest = list_checkpoints(config.out)
    whole = newest.read_bytes()
    if damage == "truncated":
        newest.write_bytes(whole[: len(whole) // 2])
    elif damage == "a bit":
        newest.write_bytes(whole[:-100] + bytes([whole[-100] ^ 1]) + whole[-99:])
    elif damage == "text":
        newest.write_text("not a checkpoint")
    elif damage == "empty":
        newest.write_bytes(b"")
    elif damage == "no checksum":
        checksum_of(newest).unlink()
    else:
        newest.write_bytes(before.read_bytes())
        name = checksum_of(before).read_text().replace(before.name, newest.name)
        checksum_of(newest).write_text(name)
    wanted = (finished.out / "model.safetensors").read_bytes()
    (config.out / "model.safetensors").unlink()
    run_config(config)
    assert f"{newest} " in capsys.readouterr().out
    assert (config.out / "model.safetensors").read_bytes() == wanted
    assert json.loads((config.out / "run.json").read_text())["first_step"] == 3
    newest.write_bytes(b"")
    before.write_bytes(b"")
    kept = contents(config.out)
    with pytest.raises(DataError, match="must hold a whole checkpoint, got 2 damaged"):
        run_config(config)
    assert contents(config.out) == kept


def _rewritten(config: FinetuneConfig, change: Callable[[dict[str, Any]], object]) -> None:
    newest = list_checkpoints(config.out)[-1]
    content = torch.load(newest, weights_only=True)
    change(content)
    torch.save(content, newest)
    digest = hashlib.sha256(newest.read_bytes()).hexdigest()
    checksum_of(newest).write_text(f"{digest}  {newest.name}\n")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda c: c["model"].update({"head.weight": torch.zeros(3, 16)}),
            r"head\.weight is \[3, 16\] there",
        ),
        (lambda c: c["run"].update(data="faces"), "data is 'faces' there, 'digits' here"),
        (lambda c: c["run"].update(kind="pretrain"), "kind is 'pretrain' there, 'finetune' here"),
        (lambda c: c["run"].update(dataset="0123"), "dataset is '0123' there, None here"),
        (lambda c: c.update(format=1), "of format 2, got 1: go on with the version of fdsl that wrote it"),
    ],
    ids=["model", "data", "kind", "family", "version"],
)
def test_checkpoint_of_another_run_is_refused(
    tmp_path: Path, finished: FinetuneConfig, change: Any, message: str
) -> None:
    config = _copy(finished, tmp_path / "run")
    _rewritten(config, change)
    before = contents(config.out)
    with pytest.raises(DataError, match=message):
        run_config(config)
    assert contents(config.out) == before


def test_other_processes_and_versions_are_said(
    tmp_path: Path, finished: FinetuneConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config = _copy(finished, tmp_path / "run")

    def elsewhere(content: dict[str, Any]) -> None:
        content["world_size"] = 8
        content["versions"]["torch"] = "2.4.0"

    _rewritten(config, elsewhere)
    run_config(config)
    assert "processes before" not in capsys.readouterr().out, "there was nothing left to do"
    list_checkpoints(config.out)[-1].unlink()
    _rewritten(config, elsewhere)
    run_config(config)
    told = capsys.readouterr().out
    assert "8 processes before, 1 now: the same samples, but sums in another order\n" in told
    assert f"torch 2.4.0 before, {torch.__version__.split('+')[0]}" in told


def test_pickle_with_code_among_the_checkpoints_is_never_run(
    tmp_path: Path, finished: FinetuneConfig, capsys: pytest.CaptureFixture[str]
) -> None:
    config, marker = _copy(finished, tmp_path / "run"), tmp_path / "executed"
    newest = list_checkpoints(config.out)[-1]

    class Evil:
        def __reduce__(self) -> Any:
            return (Path.touch, (marker,))

    torch.save({"step": 4, "model": Evil()}, newest)
    checksum_of(newest).write_text(f"{hashlib.sha256(newest.read_bytes()).hexdigest()}  {newest.name}\n")
    run_config(config)
    assert f"{newest} is damaged, or no checkpoint" in capsys.readouterr().out
    assert not marker.exists()


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    columns = ("step",)
    with RunFolder(finetune_config(out), "finetune", columns) as first:
        with (
            pytest.raises(InputError, match=f"out must be free, got {out}: another process is running there"),
            RunFolder(finetune_config(out), "finetune", columns),
        ):
            pass
        assert out.is_dir()
        second = RunFolder(finetune_config(out), "finetune", columns)
        first.begin(0, "cpu")
    with pytest.raises(InputError, match="it holds a run"), second:
        pass
    assert (out / "run.json").exists()


def test_newest_checkpoints_stay_and_every_nth(tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", checkpoint_every=1, keep_last=2, keep_every=4)
    run_config(config)
    names = [path.name for path in list_checkpoints(config.out)]
    assert names == [f"step-{step:08d}.pt" for step in (4, 8, 9, 10)]
    assert sorted(p.name for p in (config.out / "checkpoints").iterdir()) == sorted(
        [*names, *(f"{name}.sha256" for name in names)]
    )


def test_leftovers_of_a_kill_are_swept(tmp_path: Path, finished: FinetuneConfig) -> None:
    config = _copy(finished, tmp_path / "run")
    leftover = config.out / "checkpoints" / ".step-00000004.pt.0123abcd.tmp"
    leftover.write_bytes(b"half a checkpoint")
    run_config(config)
    assert not leftover.exists()
