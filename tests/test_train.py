"""Training: runs that stop and go on, what they write, and what they refuse."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from rich.console import Console  # noqa: E402

import fdsl  # noqa: E402
from fdsl.errors import DataError, FdslError, InputError  # noqa: E402
from fdsl.train import FinetuneConfig, PretrainConfig, finetune, pretrain  # noqa: E402
from fdsl.train.checkpoint import list_checkpoints, save_checkpoint  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from fdsl.train.progress import Ticker, clock  # noqa: E402
from fdsl.train.run import RunFolder  # noqa: E402

TINY = ("patch_size=16", "embed_dim=16", "depth=1", "num_heads=2", "class_token=false", "global_pool=avg")
# Everything that draws random numbers while it trains; and what pre-training draws besides.
RANDOM = {"drop_path": 0.2, "mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1, "ema_decay": 0.9}


AUGMENTED = {
    "hflip": 0.5,
    "vflip": 0.5,
    "auto_augment": "rand-m9-mstd0.5-inc1",
    "random_erasing": 0.5,
    "aug_repeats": 3,
}


def _pretrain(out: Path, **changed: Any) -> PretrainConfig:
    fields: dict[str, Any] = {
        "classes": 4,
        "instances": 8,
        "size": 32,
        "lines": "crisp",
        "model_args": TINY,
        "samples": 72,
        "batch_size": 6,
        "log_every": 4,
        "checkpoint_every": 3,
        "held_out": 10,
        "threads": 1,
        "precision": "32",
        "clip_grad": 1.0,
    }
    return PretrainConfig(out=out, **{**fields, **changed})


def _finetune(out: Path, **changed: Any) -> FinetuneConfig:
    fields: dict[str, Any] = {
        "data": "digits",
        "model": "vit_tiny_patch16_224",
        "model_args": TINY,
        "size": 32,
        "labels": 20,
        "epochs": 3,
        "batch_size": 6,
        "checkpoint_every": 3,
        "test_limit": 20,
        "threads": 1,
        "precision": "32",
    }
    return FinetuneConfig(out=out, **{**fields, **changed})


def _run(config: PretrainConfig | FinetuneConfig) -> Any:
    return pretrain(config) if isinstance(config, PretrainConfig) else finetune(config)


def _run_until(config: PretrainConfig | FinetuneConfig, update: int) -> None:
    """Start a run and interrupt it, as Ctrl-C would, during the given update."""
    original = Learner.update

    def interrupted(self: Learner, inputs: Any, labels: Any, step: int) -> Any:
        if step + 1 == update:
            raise KeyboardInterrupt
        return original(self, inputs, labels, step)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Learner, "update", interrupted)
        with pytest.raises(KeyboardInterrupt):
            _run(config)


def _rows(out: Path) -> list[dict[str, str]]:
    """Return the metrics without the one column that a clock decides."""
    with (out / "metrics.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "samples_per_second"} for row in csv.DictReader(file)]


def _files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.mark.parametrize(
    "make", [partial(_pretrain, **RANDOM, **AUGMENTED), partial(_finetune, **RANDOM)], ids=["pre", "fine"]
)
def test_interrupted_run_goes_on_as_if_it_had_not_stopped(tmp_path: Path, make: Any) -> None:
    whole = _run(make(tmp_path / "whole"))
    steps = whole.steps
    for update in (4, 6, steps):  # right after a checkpoint, between two, at the end
        out = tmp_path / f"stopped-{update}"
        _run_until(make(out), update)
        assert not (out / "result.json").exists()
        again = _run(make(out, resume=True))
        assert _rows(out) == _rows(tmp_path / "whole")
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
    _run_until(_finetune(out), 2)
    assert out.exists() == there_before
    assert not _files(out)
    _run_until(_finetune(out, batch_size=4), 4)
    assert list_checkpoints(out)
    assert _run(_finetune(out, batch_size=4, resume=True)).steps == 15
    assert not any((tmp_path / name).exists() for name in ("metrics.csv", "run.json"))


def test_rows_cut_short_are_left_out(tmp_path: Path) -> None:
    config = _finetune(tmp_path / "run", epochs=1)
    _run(config)
    metrics = config.out / "metrics.csv"
    whole = metrics.read_bytes()
    columns = whole.decode().splitlines()[0].split(",")
    for torn in (b"2", b"2,4", b"2,4,0.001,1.2,0.5,0.", b"2\r\n", b"2,x,0.001,1.2,0.5,0.5\r\n", b"\xff\x00"):
        metrics.write_bytes(whole + torn)
        with RunFolder(dataclasses.replace(config, resume=True), "finetune", columns) as run:
            run.begin(4, "cpu")
        assert metrics.read_bytes() == whole, torn


def test_resume_refuses_another_dataset(tmp_path: Path) -> None:
    config = _pretrain(tmp_path / "run")
    pretrain(config)
    record = json.loads((config.out / "run.json").read_text())
    assert record["dataset"] == fdsl.RCDB(classes=4).digest(0)
    (config.out / "run.json").write_text(json.dumps({**record, "dataset": "0123abc"}))
    with pytest.raises(InputError, match=f"digest 0123abc as in the run .* got {record['dataset']}"):
        pretrain(dataclasses.replace(config, resume=True))


def test_classes_are_the_familys_own_unless_given(tmp_path: Path) -> None:
    config = _pretrain(tmp_path / "run", classes=None, samples=6, held_out=2)
    pretrain(config)
    weights = json.loads((config.out / "config.json").read_text())
    assert weights["num_classes"] == fdsl.RCDB().classes == 1000


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate memory: 9 bytes"),
        MemoryError("9 bytes"),
    ],
)
def test_full_memory_names_the_batch_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def full(*_: object) -> None:
        raise error

    monkeypatch.setattr(Learner, "update", full)
    with pytest.raises(InputError, match=r"^batch_size must fit into memory, got 6: .*9"):
        _run(_finetune(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_empty_split_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fdsl.train import finetuning

    original = finetuning.open_images

    def without(empty: str) -> Any:
        def opened(source: str, split: Any, *, skip_broken: bool) -> Any:
            images = original(source, split, skip_broken=skip_broken)
            return images.subset(np.zeros(0, np.int64)) if split == empty else images

        return opened

    for split, word in (("train", "training"), ("test", "test")):
        monkeypatch.setattr(finetuning, "open_images", without(split))
        with pytest.raises(DataError, match=f"digits must hold {word} images, got none"):
            _run(_finetune(tmp_path / "run", labels=None, test_limit=None))


def test_long_runs_find_their_checkpoints(tmp_path: Path) -> None:
    for step in (99_999_999, 100_000_000, 1_000_000_000):
        save_checkpoint(tmp_path, step, {})
    (tmp_path / "checkpoints" / "step-1.pt").touch()
    names = ["step-99999999.pt", "step-100000000.pt", "step-1000000000.pt"]
    assert [path.name for path in list_checkpoints(tmp_path)] == names


def test_functions_keep_their_names_beside_their_modules() -> None:
    code = (
        "import fdsl.train.finetuning, fdsl.train.pretraining\n"
        "from fdsl.train import finetune, pretrain\n"
        "assert callable(finetune) and callable(pretrain)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_seed_decides_the_weights(tmp_path: Path) -> None:
    weights = {}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        _run(_finetune(tmp_path / name, seed=seed, epochs=1))
        weights[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert weights["a"] == weights["b"] != weights["c"]


def test_the_callers_generators_and_threads_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    threads = torch.get_num_threads()
    _run(_finetune(tmp_path / "run", epochs=1))
    assert torch.equal(torch.rand(3), expected[0])
    assert (np.random.rand(3) == expected[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_pretraining_writes_what_it_says(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = pretrain(_pretrain(out, samples=75))
    assert result.steps == 12, "a last incomplete batch is left out"
    assert result.samples == 72
    assert 0 <= result.draw_share <= 1
    assert result.samples_per_second == pytest.approx(72 / result.seconds)
    stored = json.loads((out / "result.json").read_text())
    assert stored == result.to_json()
    rows = _rows(out)
    assert [int(row["step"]) for row in rows] == [4, 8, 12]
    assert [int(row["samples"]) for row in rows] == [24, 48, 72]
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == [
        f"step-{step:08d}.pt" for step in (6, 9, 12)
    ]
    record = json.loads((out / "run.json").read_text())
    assert record["kind"] == "pretrain"
    assert PretrainConfig.from_json(record["config"]) == _pretrain(out, samples=75)
    assert list((out / "tensorboard").iterdir())
    model = timm.create_model(f"local-dir:{out}", pretrained=True)
    assert model.pretrained_cfg["label_names"] == ["00000", "00001", "00002", "00003"]


def test_pretraining_learns(tmp_path: Path) -> None:
    args = ("patch_size=8", "embed_dim=32", "depth=1", "num_heads=2", "class_token=false", "global_pool=avg")
    config = _pretrain(
        tmp_path / "run",
        model_args=args,
        lines="area",
        samples=3200,
        batch_size=32,
        lr=3e-3,
        log_every=20,
        instances=None,
        held_out=400,
        checkpoint_every=0,
    )
    result = pretrain(config)
    losses = [float(row["loss"]) for row in _rows(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    assert result.accuracy > 0.5, "twice chance"


def test_finetuning_goes_on_from_pretraining(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(_pretrain(tmp_path / "pre"))
    config = _finetune(tmp_path / "fine", weights=tmp_path / "pre", model=None, model_args=(), size=None)
    result = finetune(config)
    assert "tensors loaded, 2 of the head new" in capsys.readouterr().out
    assert result.match is not None
    assert result.match.complete
    assert (result.model, result.size) == ("vit_tiny_patch16_224", 32)
    assert result.labels == 20
    assert result.test_images == 20
    assert set(result.per_class) <= {str(n) for n in range(10)}, "those among the test images"
    assert min(result.per_class.values()) <= result.accuracy <= max(result.per_class.values())
    stored = json.loads((tmp_path / "fine" / "result.json").read_text())
    assert stored == result.to_json()
    assert stored["match"]["replaced"] == ["head.weight", "head.bias"]
    rows = _rows(tmp_path / "fine")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["test_accuracy"]) for row in rows] == [False, False, True]
    assert float(rows[-1]["test_accuracy"]) == result.accuracy


def test_test_accuracy_on_the_way(tmp_path: Path) -> None:
    finetune(_finetune(tmp_path / "run", eval_every=2, epochs=5))
    tested = [row["epoch"] for row in _rows(tmp_path / "run") if row["test_accuracy"]]
    assert tested == ["2", "4", "5"]


def test_scratch_and_pretrained_see_the_same_data(tmp_path: Path) -> None:
    pretrain(_pretrain(tmp_path / "pre"))
    seen: dict[str, list[Any]] = {}
    original = Learner.update
    for name, weights in (("scratch", None), ("pretrained", tmp_path / "pre")):
        batches: list[Any] = []

        def spied(self: Learner, inputs: Any, labels: Any, step: int, kept: list[Any] = batches) -> Any:
            kept.append((inputs.clone(), labels.clone()))
            return original(self, inputs, labels, step)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "update", spied)
            finetune(_finetune(tmp_path / name, weights=weights, epochs=1))
        seen[name] = batches
    for (images, labels), (images_2, labels_2) in zip(seen["scratch"], seen["pretrained"], strict=True):
        assert torch.equal(images, images_2)
        assert torch.equal(labels, labels_2)


def test_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    _run(_finetune(out, epochs=1))
    before = _files(out)
    with pytest.raises(InputError, match="holds a run"):
        _run(_finetune(out, epochs=1))
    with pytest.raises(InputError, match="seed must be 0 as in the run"):
        _run(_finetune(out, epochs=1, seed=1, resume=True))
    with pytest.raises(InputError, match="a pretrain run"):
        _run(_pretrain(out, resume=True))
    assert _files(out) == before
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("chapter 1")
    with pytest.raises(InputError, match="holds other files"):
        _run(_finetune(other))
    with pytest.raises(InputError, match="it is a file"):
        _run(_finetune(other / "thesis.txt"))
    with pytest.raises(InputError, match=r"holds no run\.json"):
        _run(_finetune(tmp_path / "nowhere", resume=True))
    assert not (tmp_path / "nowhere").exists()


def test_wrong_input_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    wrong: list[PretrainConfig | FinetuneConfig] = [
        _pretrain(out, family="RCDBB"),
        _pretrain(out, options=("colour=1",)),
        _pretrain(out, model="vit_tiny"),
        _pretrain(out, instances=0xFFFF0000 - 2),
        _pretrain(out, instances=None, samples=10**12),
        _finetune(out, model="vit_tiny_patch16_224.nonsense", size=None),
        _finetune(out, data=str(tmp_path / "none")),
        _finetune(out, weights=tmp_path / "none"),
        _finetune(out, labels=100_000),
    ]
    for config in wrong:
        with pytest.raises(InputError):
            _run(config)
        assert not out.exists(), config


def test_finished_run_can_be_made_longer_but_not_shorter(tmp_path: Path) -> None:
    config = _pretrain(tmp_path / "run")
    pretrain(config)
    longer = pretrain(dataclasses.replace(config, samples=96, resume=True))
    assert longer.steps == 16
    assert [row["step"] for row in _rows(config.out)] == ["4", "8", "12", "16"]
    with pytest.raises(InputError, match="shorten"):
        pretrain(dataclasses.replace(config, samples=48, resume=True))
    again = pretrain(dataclasses.replace(config, samples=96, resume=True))
    assert again == longer, "nothing was left to do"


@pytest.mark.parametrize("damage", ["truncated", "text", "other program", "other shape"])
def test_damaged_checkpoint_is_one_clear_error(tmp_path: Path, damage: str) -> None:
    config = _finetune(tmp_path / "run", epochs=1)
    _run(config)
    newest = sorted((config.out / "checkpoints").iterdir())[-1]
    whole = newest.read_bytes()
    if damage == "truncated":
        newest.write_bytes(whole[: len(whole) // 2])
    elif damage == "text":
        newest.write_text("not a checkpoint")
    elif damage == "other program":
        torch.save({"state_dict": {}}, newest)
    else:
        content = torch.load(newest, weights_only=True)
        content["model"]["head.weight"] = torch.zeros(3, 16)
        torch.save(content, newest)
    before = _files(config.out)
    message = r"head\.weight is \[3, 16\] there" if damage == "other shape" else newest.name
    with pytest.raises(DataError, match=message):
        _run(dataclasses.replace(config, resume=True))
    assert _files(config.out) == before


def test_loss_that_explodes_stops_the_run(tmp_path: Path) -> None:
    config = _finetune(tmp_path / "run", lr=1e3, weight_decay=10.0, warmup=0.0, checkpoint_every=0, epochs=20)
    with pytest.raises(FdslError, match=r"got (nan|inf) at update \d+ \(learning rate [\d.]+\): lower lr"):
        _run(config)
    assert not config.out.exists()


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere() -> None:
    def shown(terminal: bool) -> str:
        stream = io.StringIO()
        console = Console(file=stream, force_terminal=terminal, width=120)
        with Ticker("pretrain", 200, 0, console) as ticker:
            ticker.step(50)
            ticker.report(100, "loss 1.250  accuracy 50.0%  9 images/s", 75.0)
        return stream.getvalue()

    assert shown(terminal=False) == "100/200  loss 1.250  accuracy 50.0%  9 images/s  1:15 left\n"
    assert "50%" in shown(terminal=True)
    assert "loss 1.250" in shown(terminal=True)
    assert clock(3671) == "1:01:11"


def test_broken_image_stops_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from PIL import Image

    for split, name in (("train", "a"), ("train", "b"), ("test", "a"), ("test", "b")):
        folder = tmp_path / "data" / split / name
        folder.mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (40, 30), (n, 0, 200 if name == "a" else 0)).save(folder / f"{n}.png")
    (tmp_path / "data" / "train" / "b" / "2.png").write_bytes(b"\x89PNG broken")
    fields = {
        "data": str(tmp_path / "data"),
        "labels": None,
        "test_limit": None,
        "epochs": 1,
        "batch_size": 2,
    }
    with pytest.raises(DataError, match=r"2\.png"):
        _run(_finetune(tmp_path / "run", **fields))
    assert not (tmp_path / "run").exists()
    for augment in ("auto", "crop", "none"):
        result = _run(_finetune(tmp_path / augment, **fields, augment=augment, skip_broken=True))
        assert result.labels == 7
        assert len(result.skipped) == 1
        assert "1 broken image left out: first " in capsys.readouterr().out


def test_bf16_agrees_with_32_bits(tmp_path: Path) -> None:
    losses = {
        precision: float(finetune(_finetune(tmp_path / precision, precision=precision)).loss)
        for precision in ("32", "bf16")
    }
    assert losses["bf16"] != losses["32"]
    assert losses["bf16"] == pytest.approx(losses["32"], rel=0.05)


def test_version_is_noted(tmp_path: Path) -> None:
    _run(_finetune(tmp_path / "run", epochs=1))
    versions = json.loads((tmp_path / "run" / "run.json").read_text())["versions"]
    assert versions["fdsl"] == fdsl.__version__
    assert versions["torch"] == torch.__version__.partition("+")[0] or versions["torch"] == torch.__version__
