"""What killed, damaged and shorter runs leave behind: it stands in nobody's way, and is nobody's result."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from fdsl.errors import InputError, Stopped  # noqa: E402
from fdsl.files import locked  # noqa: E402
from fdsl.train import stopping  # noqa: E402
from fdsl.train.checkpoint import list_checkpoints  # noqa: E402
from fdsl.train.finetuning import finetune_seeds  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from fdsl.train.stopping import Stopping  # noqa: E402
from tiny_runs import contents, finetune_config, pretrain_config, run_config, run_until  # noqa: E402


def _names(out: Path) -> list[str]:
    return [path.name for path in list_checkpoints(out)]


def _stop_at(monkeypatch: pytest.MonkeyPatch, config: Any, update: int) -> str:
    """Make a run that gets SIGTERM before `update`, and return what it says."""
    original = Learner.update

    def stopped(self: Learner, images: Any, targets: Any, step: int, **how: Any) -> Any:
        if step + 2 == update:  # heard of at the one after
            os.kill(os.getpid(), signal.SIGTERM)
        return original(self, images, targets, step, **how)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "update", stopped)
        with pytest.raises(Stopped) as caught:
            run_config(config)
    return str(caught.value)


def test_a_run_killed_at_its_first_file_can_be_started_again(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run", samples=12)
    config.out.mkdir()
    (config.out / ".lock").touch()
    (config.out / ".run.json.0123abcd.tmp").touch()
    run_config(config)
    assert not list(config.out.glob(".run*"))


def test_what_killed_processes_were_writing_goes(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run", keep_last=1)
    run_until(config, 8)
    names = set(contents(config.out))
    for name in (".metrics.csv.0123abcd.tmp", "checkpoints/.step-00000009.pt.89abcdef.tmp"):
        (config.out / name).touch()
    (config.out / "checkpoints/step-00000003.pt.sha256").touch()  # its checkpoint was just pruned
    (config.out / "checkpoints/step-00000003.pt").touch()
    (config.out / "checkpoints/step-00000009.pt.sha256").touch()  # its checkpoint was to come
    (config.out / ".weights-abcdefgh").mkdir()
    (config.out / ".weights-abcdefgh/model.safetensors").touch()
    run_until(dataclasses.replace(config, resume=True), 8)
    assert {name for name in contents(config.out) if "tfevents" not in name} == {
        name for name in names if "tfevents" not in name
    }


def test_a_damaged_checkpoint_takes_no_place_of_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = pretrain_config(tmp_path / "run", keep_last=1, keep_every=1)
    run_until(config, 8)
    (config.out / "checkpoints/step-00000006.pt").write_bytes(b"")
    again = dataclasses.replace(config, resume=True, keep_every=0)
    assert "step-00000005.pt holds" in _stop_at(monkeypatch, again, 5)
    assert _names(config.out) == ["step-00000005.pt", "step-00000006.pt"]
    run_config(again)
    run_config(pretrain_config(tmp_path / "whole"))
    weights = [(out / "model.safetensors").read_bytes() for out in (config.out, tmp_path / "whole")]
    assert weights[0] == weights[1]


def test_a_seed_stopped_while_it_learns_the_head_goes_on(tmp_path: Path) -> None:
    config = finetune_config(tmp_path / "run", seeds=(0, 1), probe_epochs=1, epochs=1)
    seed_0 = dataclasses.replace(config, out=tmp_path / "run/seed-0", seeds=())
    run_until(seed_0, 4)  # of the head: its run.json is that of the part alone
    assert not (seed_0.out / "run.json").exists()
    assert len(finetune_seeds(dataclasses.replace(config, resume=True)).accuracies) == 2


def test_a_longer_run_has_no_result_before_its_end(tmp_path: Path) -> None:
    """A fine-tuning of several seeds takes the one with a result for done."""
    config = finetune_config(tmp_path / "run", epochs=1)
    run_config(config)
    run_until(dataclasses.replace(config, epochs=3, resume=True), 6)
    assert not (config.out / "result.json").exists()


def test_an_interrupt_after_another_signal_is_a_first_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "SAME", -1.0)
    with Stopping() as asked, asked.updates():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        assert asked.asked() == signal.SIGTERM


def test_a_lock_that_its_holder_deletes_is_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    with locked(path, "out"):
        path.unlink()
        with locked(path, "out"), pytest.raises(InputError, match="out must be free"), locked(path, "out"):
            pytest.fail("two hold it")
