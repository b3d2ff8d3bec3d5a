"""Runs that are killed, or asked to stop, at any moment, and go on to the same weights, bit for bit."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from fdsl.cli import main  # noqa: E402
from fdsl.errors import FdslError, Stopped  # noqa: E402
from fdsl.train import pretraining  # noqa: E402
from fdsl.train.checkpoint import list_checkpoints  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from forked import PATIENCE, as_arguments, end, start  # noqa: E402
from tiny_runs import AUGMENTED, RANDOM, finetune_config, metrics, pretrain_config, run_config  # noqa: E402

KILLS = 25
SEED = 20260101


def weights(out: Path) -> bytes:
    return (out / "model.safetensors").read_bytes()


def test_a_run_killed_25_times_comes_to_the_same_weights(tmp_path: Path) -> None:
    make = partial(
        pretrain_config, **RANDOM, **AUGMENTED, samples=240, checkpoint_every=2, log_every=4, accumulate=2
    )
    lasts = 0.0
    for name in ("first", "whole"):  # the first starts the server and compiles the kernels
        began = time.monotonic()
        assert end(start(as_arguments(make(tmp_path / name)), tmp_path / f"{name}.txt")) == [0]
        lasts = time.monotonic() - began
    moments, kills, number = random.Random(SEED), 0, 0
    while kills < KILLS:  # a run that was not killed often enough is followed by another
        out, output = tmp_path / f"run-{number}", tmp_path / f"run-{number}.txt"
        while not (out / "result.json").exists():
            config = make(out, resume=(out / "run.json").exists())
            process = start(as_arguments(config), output)
            process.join(PATIENCE if kills >= KILLS else moments.uniform(0.02, lasts))
            if process.exitcode is None:
                process.kill()
                kills += 1
                process.join()
            else:
                assert process.exitcode == 0, output.read_text()
        assert weights(out) == weights(tmp_path / "whole"), f"run {number} after {kills} kills, seed {SEED}"
        assert metrics(out) == metrics(tmp_path / "whole")
        number += 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("make", [partial(pretrain_config, **RANDOM), partial(finetune_config, **RANDOM)])
def test_a_signal_writes_a_checkpoint_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Any, number: signal.Signals
) -> None:
    whole, out = make(tmp_path / "whole", checkpoint_every=0), make(tmp_path / "run", checkpoint_every=0)
    run_config(whole)
    original = Learner.update
    handlers = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]

    def interrupted(self: Learner, images: Any, targets: Any, step: int, **how: Any) -> Any:
        if step + 1 == 5:
            os.kill(os.getpid(), number)
        return original(self, images, targets, step, **how)

    monkeypatch.setattr(Learner, "update", interrupted)
    kind = KeyboardInterrupt if number == signal.SIGINT else Stopped
    with pytest.raises(kind, match=r"after update 6 of 1\d, which .*step-00000006\.pt holds; --resume"):
        run_config(out)
    monkeypatch.undo()
    assert [path.name for path in list_checkpoints(out.out)] == ["step-00000006.pt"]
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == handlers
    run_config(dataclasses.replace(out, resume=True))
    assert weights(out.out) == weights(whole.out)
    assert metrics(out.out) == metrics(whole.out)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
@pytest.mark.parametrize("begun", [False, True])
def test_a_signal_before_or_after_the_updates_stops_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, begun: bool
) -> None:
    def stopped(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)
        pytest.fail("the signal did not arrive")

    whole, config = (pretrain_config(tmp_path / name, samples=24) for name in ("whole", "run"))
    run_config(whole)
    monkeypatch.setattr(pretraining, "share_right" if begun else "_learner", stopped)
    kind = KeyboardInterrupt if number == signal.SIGINT else Stopped
    with pytest.raises(kind, match=r"outside its updates; --resume goes on from the newest checkpoint, if"):
        run_config(config)
    monkeypatch.undo()
    assert config.out.exists() == begun
    assert not (config.out / "result.json").exists()
    run_config(dataclasses.replace(config, resume=begun))
    assert weights(config.out) == weights(whole.out)


def test_a_signal_during_the_last_update_stops_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Learner.update

    def signalled(self: Learner, images: Any, targets: Any, step: int, **how: Any) -> Any:
        if step + 1 == 4:
            os.kill(os.getpid(), signal.SIGUSR1)
        return original(self, images, targets, step, **how)

    monkeypatch.setattr(Learner, "update", signalled)
    config = pretrain_config(tmp_path / "run", samples=24)
    with pytest.raises(Stopped, match="after update 4 of 4, which"):
        run_config(config)
    assert not (config.out / "result.json").exists()
    run_config(dataclasses.replace(config, resume=True))
    assert (config.out / "result.json").exists()


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)]
)
def test_the_command_line_says_so_and_has_its_codes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    number: signal.Signals,
    code: int,
) -> None:
    original = Learner.update

    def interrupted(self: Learner, images: Any, targets: Any, step: int, **how: Any) -> Any:
        os.kill(os.getpid(), number)
        return original(self, images, targets, step, **how)

    monkeypatch.setattr(Learner, "update", interrupted)
    config = pretrain_config(tmp_path / "run")
    assert main(as_arguments(config)) == code
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "after update 2 of 12" in told
    monkeypatch.undo()
    assert main(as_arguments(dataclasses.replace(config, resume=True))) == 0


def test_a_second_interrupt_stops_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdsl.train import stopping

    monkeypatch.setattr(stopping, "SAME", 0.0)

    def interrupted(self: Learner, *_: Any, **__: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        pytest.fail("the second interrupt did not arrive")

    monkeypatch.setattr(Learner, "update", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_config(pretrain_config(tmp_path / "run"))
    assert not (tmp_path / "run").exists(), "there was no checkpoint to go on from"


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_numbers_gone_bad_stop_the_run_and_keep_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: float
) -> None:
    original = Learner._backward

    def poisoned(self: Learner, images: Any, targets: Any) -> Any:
        poisoned.calls += 1
        return original(self, images * bad if poisoned.calls == 8 else images, targets)

    poisoned.calls = 0
    monkeypatch.setattr(Learner, "_backward", poisoned)
    config = pretrain_config(tmp_path / "run")
    with pytest.raises(FdslError, match=r"got nan at update 8 .*step-00000006") as caught:
        run_config(config)
    assert "lower lr" in str(caught.value)
    assert [path.name for path in list_checkpoints(config.out)] == ["step-00000003.pt", "step-00000006.pt"]
    monkeypatch.undo()
    run_config(dataclasses.replace(config, resume=True))
    run_config(pretrain_config(tmp_path / "whole"))
    assert weights(config.out) == weights(tmp_path / "whole"), "the checkpoint was good"


def test_a_gradient_gone_bad_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Learner._backward

    def poisoned(self: Learner, images: Any, targets: Any) -> Any:
        found = original(self, images, targets)
        poisoned.calls += 1
        if (
            poisoned.calls == 6
        ):  # the loss before the update is fine, and the checkpoint due after it would not be
            next(self.model.parameters()).grad.fill_(float("inf"))
        return found

    poisoned.calls = 0
    monkeypatch.setattr(Learner, "_backward", poisoned)
    config = pretrain_config(tmp_path / "run", clip_grad=0.0)
    with pytest.raises(FdslError, match=r"gradient must stay a finite number, got inf at update 6"):
        run_config(config)
    assert [path.name for path in list_checkpoints(config.out)] == ["step-00000003.pt"]


def test_a_loss_that_explodes_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = Learner._backward

    def growing(self: Learner, images: Any, targets: Any) -> Any:
        loss, right = original(self, images, targets)
        growing.calls += 1
        return loss * 1.5**growing.calls, right

    growing.calls = 0
    monkeypatch.setattr(Learner, "_backward", growing)
    config = pretrain_config(tmp_path / "run")
    with pytest.raises(
        Exception, match=r"loss must stay below [\d.]+, 10 times what it was at first .* at update [789] "
    ):
        run_config(config)
    assert list_checkpoints(config.out)
    growing.calls = 0
    run_config(pretrain_config(tmp_path / "let", explode=0.0))
