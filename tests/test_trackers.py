"""What a run logs to besides metrics.csv: TensorBoard, and Weights & Biases without a network."""

from __future__ import annotations

import gc
import json
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("lightning.fabric")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from fdsl.cli import main
from fdsl.errors import DataError, FdslError, InputError
from fdsl.train import trackers
from fdsl.train.trackers import check_trackers, open_trackers, remove_traces
from tiny_runs import finetune_config, metrics, pretrain_config, run_config, run_until

BLOCK = 32768


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep wandb from the network, and from what the machine's user has set up: no key is to be found."""
    wandb = pytest.importorskip("wandb")
    wandb.teardown()  # it reads its environment once
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    empty = tmp_path_factory.mktemp("user")
    for name in ("NETRC", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(empty / name))
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def scalars(out: Path) -> dict[str, list[tuple[int, float]]]:
    """Return steps and values of each column that TensorBoard shows of a run."""
    events = EventAccumulator(str(out / "tensorboard"))
    events.Reload()
    return {
        name: [(event.step, event.value) for event in events.Scalars(name)]
        for name in events.Tags()["scalars"]
    }


def records(file: Path) -> Iterator[Any]:
    """Yield what wandb keeps in a file: protobuf records in the framing of LevelDB's logs, in blocks of 32 KiB."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, parts = file.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at < len(data):
        if BLOCK - at % BLOCK < 7:  # no header fits into the rest of a block
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        parts += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(parts)
            parts = b""


def sessions(out: Path) -> list[dict[str, Any]]:
    """Return what each session of a run would send to Weights & Biases: id, names, config, rows, exit code."""
    import wandb

    wandb.teardown()  # its service may write after a run is finished, and has written once it has ended
    found = []
    for file in sorted((out / "wandb").glob("offline-run-*/run-*.wandb")):
        session: dict[str, Any] = {"rows": {}, "exit": None}
        for record in records(file):
            if record.HasField("run"):
                run = record.run
                session |= {"id": run.run_id, "project": run.project, "name": run.display_name}
                session |= {"kind": run.job_type, "config": {}}
                session["config"] = {item.key: json.loads(item.value_json) for item in run.config.update}
            if record.HasField("history"):
                row = {
                    item.key or item.nested_key[0]: json.loads(item.value_json)
                    for item in record.history.item
                }
                assert row["_step"] not in session["rows"]
                session["rows"][row["_step"]] = {k: v for k, v in row.items() if not k.startswith("_")}
            if record.HasField("exit"):
                session["exit"] = record.exit.exit_code
        found.append(session)
    return found


def logged(out: Path) -> dict[int, dict[str, float]]:
    """Return the rows of metrics.csv by step, empty columns left out."""
    rows = {
        int(row["step"]): {k: float(v) for k, v in row.items() if k != "step" and v} for row in metrics(out)
    }
    assert rows
    return rows


def test_tensorboard_shows_the_rows_of_metrics_csv(tmp_path: Path) -> None:
    out = tmp_path / "run"
    run_config(finetune_config(out, eval_every=2))
    shown = scalars(out)
    expected = logged(out)
    assert [step for step, _ in shown["test_accuracy"]] == [
        step for step, row in expected.items() if "test_accuracy" in row
    ]
    for step, row in expected.items():
        for name, value in row.items():
            assert dict(shown[name])[step] == pytest.approx(value, rel=1e-6)


def test_tensorboard_takes_back_what_a_resumed_run_makes_again(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run")
    rows = [{"step": step, "loss": float(step)} for step in (4, 8)]
    for first_step, part in ((0, rows), (6, [{"step": 8, "loss": 0.5}])):
        config.out.mkdir(exist_ok=True)
        (tracker,) = open_trackers(config, config.out, "pretrain", {}, first_step)
        for row in part:
            tracker.log(row)
        tracker.close(finished=True)
    assert scalars(config.out) == {"loss": [(4, 4.0), (8, 0.5)]}


def test_wandb_holds_config_and_rows(tmp_path: Path, offline: None) -> None:
    out = tmp_path / "some run"
    run_config(pretrain_config(out, wandb="formulas"))
    (session,) = sessions(out)
    assert (session["project"], session["name"], session["kind"]) == ("formulas", "some run", "pretrain")
    assert session["exit"] == 0
    config = session["config"]
    assert (config["family"], config["lr"], config["model_args"][0]) == ("RCDB", 1e-3, "patch_size=16")
    run = json.loads((out / "run.json").read_text())
    assert config["run"]["versions"] == run["versions"]
    assert config["run"]["dataset"] == run["dataset"]
    assert json.loads((out / "wandb.json").read_text()) == {"id": session["id"], "step": 12}
    expected = logged(out)
    assert list(session["rows"]) == list(expected)
    for step, row in expected.items():
        assert session["rows"][step] | row == session["rows"][step]
        assert session["rows"][step]["samples_per_second"] > 0


def test_wandb_goes_on_with_a_resumed_run_and_logs_no_step_twice(tmp_path: Path, offline: None) -> None:
    out = tmp_path / "run"
    run_until(
        pretrain_config(out, wandb="formulas", log_every=2), 9
    )  # reports after 2, 4, 6, 8; checkpoint after 6
    run_config(pretrain_config(out, wandb="formulas", log_every=1, resume=True))
    first, second = sessions(out)
    assert first["id"] == second["id"]
    assert (list(first["rows"]), first["exit"]) == ([2, 4, 6, 8], 1)
    assert (list(second["rows"]), second["exit"]) == ([9, 10, 11, 12], 0)


def test_a_run_without_a_checkpoint_leaves_no_traces(tmp_path: Path, offline: None) -> None:
    out = tmp_path / "run"
    run_until(pretrain_config(out, wandb="formulas", log_every=1), 3)
    assert not out.exists()


def test_traces_are_all_that_is_removed(tmp_path: Path, offline: None) -> None:
    config = pretrain_config(tmp_path, wandb="formulas")
    (tmp_path / "notes.txt").write_text("mine")
    for tracker in open_trackers(config, tmp_path, "pretrain", {}, 0):
        tracker.close(finished=True)
    assert len(list(tmp_path.iterdir())) == 4
    remove_traces(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_wandb_that_dies_does_not_stop_the_run(
    tmp_path: Path, offline: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    original = trackers.WeightsAndBiases.log

    def die_and_log(self: Any, row: Any) -> None:
        if row["step"] == 3:
            (service,) = [
                found
                for found in gc.get_objects()
                if type(found) is subprocess.Popen and "wandb" in str(found.args) and found.poll() is None
            ]
            service.kill()
            service.wait()
        original(self, row)

    monkeypatch.setattr(trackers.WeightsAndBiases, "log", die_and_log)
    out = tmp_path / "run"
    run_config(pretrain_config(out, wandb="formulas", log_every=1))
    assert list(logged(out)) == list(range(1, 13))
    (told,) = [line for line in capsys.readouterr().out.splitlines() if "Weights & Biases" in line]
    sent = json.loads((out / "wandb.json").read_text())["step"]
    assert (
        2 <= sent < 12
    )  # what is written to a socket right after the other end closed may be lost unnoticed
    assert told.startswith(f"Weights & Biases has no rows from update {sent + 1} on: ")
    assert "metrics.csv has every row" in told


def test_wandb_without_a_key_is_refused_before_anything_is_made(
    tmp_path: Path, offline: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(
        InputError, match=r"^wandb must be able to log in for project 'formulas', got: No API key"
    ):
        check_trackers(pretrain_config(tmp_path / "run", wandb="formulas"))
    command = ["finetune", "--data", "digits", "--model", "vit_tiny_patch16_224", "--out", "run"]
    assert main([*command, "--wandb", "formulas"]) == 2
    captured = capsys.readouterr()
    assert "WANDB_MODE=offline" in captured.err
    assert len(captured.err.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_wandb_that_is_not_installed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise trackers.PackageNotFoundError(name)

    monkeypatch.setattr(trackers, "version", absent)
    with pytest.raises(InputError, match=r"^wandb must be installed .*'formulas'.*: pip install wandb$"):
        run_config(pretrain_config(tmp_path / "run", wandb="formulas"))
    assert not (tmp_path / "run").exists()
    check_trackers(pretrain_config(tmp_path / "run"))


def test_a_run_that_wandb_cannot_begin_leaves_nothing(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "kept out")  # the folder's id goes first
    with pytest.raises(
        FdslError, match=r"^wandb must begin a run in project 'a/b', got: .*WANDB_MODE=offline"
    ):
        run_config(pretrain_config(tmp_path / "run", wandb="a/b"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"id": "a"}', '{"id": "a", "step": "b"}'])
def test_an_unreadable_id_is_named(tmp_path: Path, offline: None, content: str) -> None:
    (tmp_path / "wandb.json").write_text(content)
    with pytest.raises(DataError, match=r"wandb\.json must hold the id of a run"):
        open_trackers(pretrain_config(tmp_path, wandb="formulas"), tmp_path, "pretrain", {}, 0)


def test_wandb_switched_off_by_its_own_variable_is_no_error(
    tmp_path: Path, offline: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    run_config(pretrain_config(tmp_path / "run", wandb="formulas"))
    assert not list((tmp_path / "run").glob("wandb/*run*"))
