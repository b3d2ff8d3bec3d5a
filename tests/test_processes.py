"""Training in two processes: the same losses as in one, every sample once, and resumed in any number of them."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import random
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from safetensors.torch import load_file  # noqa: E402

from fdsl.data.real import open_images  # noqa: E402
from fdsl.errors import InputError  # noqa: E402
from fdsl.processes import Processes, processes  # noqa: E402
from fdsl.train.checkpoint import list_checkpoints  # noqa: E402
from fdsl.train.finetuning import finetune_seeds  # noqa: E402
from fdsl.train.finetuning.batches import TrainingBatches  # noqa: E402
from forked import as_arguments, end, start_group  # noqa: E402
from tiny_runs import finetune_config, metrics, pretrain_config, run_config  # noqa: E402

# Neither drop path nor mixing: what is drawn for a rank's share of a batch is not what one process draws for all of it.
LONG = {"samples": 120, "batch_size": 12, "ema_decay": 0.9, "label_smoothing": 0.1}
TOLERANCE = 1e-4


def _pretraining(out: Path, **changed: Any) -> Any:
    return pretrain_config(out, **{**LONG, **changed})


def _run(config: Any, size: int, **how: Any) -> list[int | None]:
    return end(*start_group(as_arguments(config), config.out.with_suffix(".txt"), size, **how))


def _said(config: Any, rank: int = 0) -> str:
    return config.out.with_name(f"{config.out.stem}.txt-{rank}").read_text()


def _losses(out: Path) -> np.ndarray:
    rows = metrics(out)
    return np.array([[float(row[key]) for key in ("loss", "accuracy", "grad_norm", "lr")] for row in rows])


def _weights(out: Path) -> torch.Tensor:
    return torch.cat([tensor.flatten() for _, tensor in sorted(load_file(out / "model.safetensors").items())])


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The run of one process that those of two are held against."""
    config = _pretraining(tmp_path_factory.mktemp("alone") / "run")
    run_config(config)
    return config


@pytest.mark.parametrize(
    ("strategy", "launcher", "accumulate"),
    [("ddp", "torchrun", 1), ("ddp", "slurm", 3), ("fsdp", "torchrun", 2)],
)
def test_two_processes_learn_as_one(
    tmp_path: Path, alone: Any, strategy: str, launcher: str, accumulate: int
) -> None:
    config = _pretraining(tmp_path / "run", strategy=strategy, accumulate=accumulate)
    assert _run(config, 2, launcher=launcher) == [0, 0], _said(config) + _said(config, 1)
    np.testing.assert_allclose(_losses(config.out), _losses(alone.out), rtol=TOLERANCE)
    torch.testing.assert_close(_weights(config.out), _weights(alone.out), rtol=TOLERANCE, atol=TOLERANCE)
    results = [json.loads((c.out / "result.json").read_text()) for c in (config, alone)]
    assert results[0]["accuracy"] == results[1]["accuracy"], "the held-out images are counted once"
    assert json.loads((config.out / "run.json").read_text())["processes"] == 2
    assert not _said(config, 1), "one of them speaks"
    assert _said(config).count("recognised") == 1


def test_finetuning_in_two_processes(tmp_path: Path) -> None:
    alone, both = (
        finetune_config(tmp_path / name, eval_every=1, test_limit=21) for name in ("alone", "both")
    )
    run_config(alone)
    assert _run(both, 2) == [0, 0], _said(both)
    keys = ("train_loss", "train_accuracy", "test_accuracy")
    found, wanted = ([[float(row[key]) for key in keys] for row in metrics(c.out)] for c in (both, alone))
    np.testing.assert_allclose(found, wanted, rtol=TOLERANCE)
    results = [json.loads((c.out / "result.json").read_text()) for c in (both, alone)]
    assert results[0]["per_class"] == results[1]["per_class"]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_each_process_tests_the_weights_that_are_saved(tmp_path: Path, strategy: str) -> None:
    """Their batch norms have seen different images."""
    config = finetune_config(
        tmp_path / "run",
        model="resnet10t",
        model_args=(),
        epochs=1,
        test_limit=21,
        strategy=strategy,
        optimizer="sgd",
    )
    assert _run(config, 2) == [0, 0], _said(config) + _said(config, 1)
    both = _confidences(config.out)
    run_config(dataclasses.replace(config, resume=True))  # it is done: only the test is made again
    assert len(both) == 21
    np.testing.assert_allclose(both, _confidences(config.out), rtol=1e-3, atol=1e-5)


def _confidences(out: Path) -> list[float]:
    with (out / "predictions.csv").open(newline="") as file:
        return [float(row["confidence"]) for row in csv.DictReader(file)]


def test_a_process_that_is_left_alone_says_so(tmp_path: Path) -> None:
    config = _pretraining(tmp_path / "run", samples=12_000)
    group = start_group(as_arguments(config), config.out.with_suffix(".txt"), 2)
    while all(process.is_alive() for process in group) and not list_checkpoints(config.out):
        group[0].join(0.01)
    group[1].kill()
    assert end(*group) == [1, -signal.SIGKILL], _said(config)
    assert "error: another process has ended before this one" in _said(config)


def test_seeds_and_probes_in_two_processes(tmp_path: Path) -> None:
    fields = {"seeds": (0, 1), "probe_epochs": 1, "epochs": 1, "test_limit": 21}
    alone, both = (finetune_config(tmp_path / name, **fields) for name in ("alone", "both"))
    finetune_seeds(alone)
    assert _run(both, 2) == [0, 0], _said(both) + _said(both, 1)
    found, wanted = (json.loads((c.out / "result.json").read_text()) for c in (both, alone))
    for name in ("accuracies", "accuracy", "deviation", "per_class", "class_average_accuracies"):
        assert found[name] == wanted[name], name
    for place in ("seed-0", "seed-1/probe"):
        rows = [
            [line.split(",")[:6] for line in (c.out / place / "predictions.csv").read_text().splitlines()]
            for c in (both, alone)
        ]
        assert rows[0] == rows[1]


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_killed_processes_go_on_bit_for_bit(tmp_path: Path, strategy: str) -> None:
    make = partial(_pretraining, strategy=strategy, drop_path=0.2, mixup=0.8, checkpoint_every=2)
    whole = make(tmp_path / "whole")
    assert _run(whole, 2) == [0, 0], _said(whole)
    config = make(tmp_path / "run")
    group = start_group(as_arguments(config), config.out.with_suffix(".txt"), 2)
    while all(process.is_alive() for process in group) and len(list_checkpoints(config.out)) < 2:
        group[0].join(0.01)
    for process in random.Random(0).sample(group, 2):
        process.kill()
    assert set(end(*group)) <= {-signal.SIGKILL, 0, 1, 2}
    again = dataclasses.replace(config, resume=True)
    assert _run(again, 2) == [0, 0], _said(config)
    assert (config.out / "model.safetensors").read_bytes() == (whole.out / "model.safetensors").read_bytes()
    assert metrics(config.out) == metrics(whole.out)


@pytest.mark.parametrize(("first", "then"), [(2, 1), (1, 2)])
def test_another_number_of_processes_goes_on_at_the_right_sample(
    tmp_path: Path, first: int, then: int
) -> None:
    config = _pretraining(tmp_path / "run", samples=60)  # half of it, and then the whole
    assert _run(config, first) == [0] * first, _said(config)
    longer = dataclasses.replace(config, samples=120, resume=True, strategy="fsdp")
    assert _run(longer, then) == [0] * then, _said(config)
    assert f"{first} processes before, {then} now: the same samples" in _said(config)
    record = json.loads((config.out / "run.json").read_text())
    assert (record["first_step"], record["processes"]) == (5, then)
    reference = _pretraining(tmp_path / "reference", samples=60)
    run_config(reference)
    run_config(dataclasses.replace(reference, samples=120, resume=True))
    np.testing.assert_allclose(_losses(config.out), _losses(reference.out), rtol=TOLERANCE)
    torch.testing.assert_close(_weights(config.out), _weights(reference.out), rtol=TOLERANCE, atol=TOLERANCE)


def test_a_signal_to_one_stops_all_with_a_checkpoint(tmp_path: Path) -> None:
    config = _pretraining(tmp_path / "run", samples=12_000)
    group = start_group(as_arguments(config), config.out.with_suffix(".txt"), 2)
    while all(process.is_alive() for process in group) and not list_checkpoints(config.out):
        group[0].join(0.01)
    assert group[1].pid is not None
    os.kill(group[1].pid, signal.SIGUSR1)
    assert end(*group) == [75, 75], _said(config)
    step = int(list_checkpoints(config.out)[-1].stem.removeprefix("step-"))
    assert f"stopped by SIGUSR1 after update {step} of 1000" in _said(config)
    assert not _said(config, 1), "one of them says so"
    assert not (config.out / "result.json").exists()


@pytest.mark.parametrize("size", [2, 3])
def test_every_image_is_seen_once_an_epoch(size: int) -> None:
    images, batch, epochs = open_images("digits", "train").subset(np.arange(72)), 6 * size, 2
    ranks = [
        TrainingBatches(images, 32, "none", flip=False, seed=1, rank=rank, world_size=size)
        for rank in range(size)
    ]
    together = TrainingBatches(images, 32, "none", flip=False, seed=1)
    steps = epochs * len(images) // batch
    parts = [list(each.batches(batch, 0, steps)) for each in ranks]
    whole = list(together.batches(batch, 0, steps))
    for step, (pixels, labels) in enumerate(whole):
        assert torch.equal(torch.cat([part[step][0] for part in parts]), pixels)
        assert torch.equal(torch.cat([part[step][1] for part in parts]), labels)
    first = torch.cat([pixels.flatten(1) for pixels, _ in whole[: steps // epochs]])
    source = torch.stack([torch.from_numpy(np.asarray(images[n][0]).copy()).flatten() for n in range(72)])
    assert sorted(map(bytes, first.numpy())) == sorted(map(bytes, source.numpy()))


def test_torchrun_starts_it(tmp_path: Path, alone: Any) -> None:
    config = _pretraining(tmp_path / "run")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--standalone"]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([*command, "-m", "fdsl", *as_arguments(config)], check=True, env=environment, timeout=300)
    np.testing.assert_allclose(_losses(config.out), _losses(alone.out), rtol=TOLERANCE)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batch_size": 7}, "error: batch_size must be a multiple of the 2 processes, got 7"),
        (
            {"batch_size": 6, "mixup": 0.8},
            "error: batch_size must be a multiple of 4, with 2 processes and mixup",
        ),
    ],
)
def test_batches_that_cannot_be_dealt_out(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    config = _pretraining(tmp_path / "run", **changed)
    assert _run(config, 2) == [2, 2]
    assert message in _said(config)
    assert not config.out.exists()


def test_port_in_use(tmp_path: Path) -> None:
    config = _pretraining(tmp_path / "run")
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        # of two processes number 0 opens the port; number 1 waits for it
        first, second = start_group(as_arguments(config), config.out.with_suffix(".txt"), 2, port=port)
        assert end(first) == [2]
        second.kill()
        end(second)
    assert f"error: MASTER_PORT must be a free port, got 127.0.0.1:{port}: " in _said(config)
    assert not config.out.exists()


def test_processes_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert processes() == Processes()
    monkeypatch.setenv("SLURM_NTASKS", "8")  # a batch script, or an allocation: no step
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert processes() == Processes()
    for name, value in {"STEP_NUM_TASKS": "8", "NNODES": "2", "PROCID": "5"}.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    assert processes() == Processes(5, 8, 4, "slurm")
    assert processes().nodes == 2
    monkeypatch.setenv("SLURM_NNODES", "3")
    with pytest.raises(InputError, match="equally many on each of the 3 nodes, got 8"):
        processes()
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    with pytest.raises(InputError, match="WORLD_SIZE must be a number"):
        processes()
