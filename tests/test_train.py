"""Training: what runs write, what they learn, and what they refuse."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from lightning.fabric import Fabric  # noqa: E402
from rich.console import Console  # noqa: E402

import fdsl  # noqa: E402
from fdsl.errors import DataError, FdslError, InputError  # noqa: E402
from fdsl.train import FinetuneConfig, PretrainConfig, finetune, pretrain  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from fdsl.train.progress import Ticker, clock  # noqa: E402
from tiny_runs import finetune_config, metrics, pretrain_config, run_config  # noqa: E402


def test_classes_are_the_familys_own_unless_given(tmp_path: Path) -> None:
    config = pretrain_config(tmp_path / "run", classes=None, samples=6, held_out=2)
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
    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(Learner, "update", full)
    with pytest.raises(InputError, match=r"^batch_size must fit into memory, got 6: .*9"):
        run_config(finetune_config(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("empty", ["train", "test"])
def test_empty_split_is_named(tmp_path: Path, empty: str) -> None:
    for split in ("train", "test"):
        for name in ("a", "b"):
            folder = tmp_path / "data" / split / name
            folder.mkdir(parents=True)
            if split != empty:
                Image.new("RGB", (8, 8)).save(folder / "1.png")
    with pytest.raises(DataError, match=f"data/{empty} must hold class folders of images, got none"):
        run_config(
            finetune_config(tmp_path / "run", data=str(tmp_path / "data"), labels=None, test_limit=None)
        )
    assert not (tmp_path / "run").exists()


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
        run_config(finetune_config(tmp_path / name, seed=seed, epochs=1))
        weights[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert weights["a"] == weights["b"] != weights["c"]


def test_the_callers_generators_and_threads_are_left_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    expected = torch.rand(3), np.random.rand(3)  # noqa: NPY002
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    threads = torch.get_num_threads()
    run_config(finetune_config(tmp_path / "run", epochs=1))
    assert torch.equal(torch.rand(3), expected[0])
    assert (np.random.rand(3) == expected[1]).all()  # noqa: NPY002
    assert torch.get_num_threads() == threads


def test_pretraining_writes_what_it_says(tmp_path: Path) -> None:
    out = tmp_path / "run"
    result = pretrain(pretrain_config(out, samples=75))
    assert result.steps == 12, "a last incomplete batch is left out"
    assert result.samples == 72
    assert 0 <= result.draw_share <= 1
    assert result.samples_per_second == pytest.approx(72 / result.seconds)
    stored = json.loads((out / "result.json").read_text())
    assert stored == result.to_json()
    rows = metrics(out)
    assert [int(row["step"]) for row in rows] == [4, 8, 12]
    assert [int(row["samples"]) for row in rows] == [24, 48, 72]
    assert sorted(p.name for p in (out / "checkpoints").iterdir()) == [
        f"step-{step:08d}.pt{end}" for step in (6, 9, 12) for end in ("", ".sha256")
    ]
    record = json.loads((out / "run.json").read_text())
    assert record["kind"] == "pretrain"
    assert PretrainConfig.from_json(record["config"]) == pretrain_config(out, samples=75)
    assert list((out / "tensorboard").iterdir())
    model = timm.create_model(f"local-dir:{out}", pretrained=True)
    assert model.pretrained_cfg["label_names"] == ["00000", "00001", "00002", "00003"]


def test_pretraining_learns(tmp_path: Path) -> None:
    args = ("patch_size=8", "embed_dim=32", "depth=1", "num_heads=2", "class_token=false", "global_pool=avg")
    config = pretrain_config(
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
    losses = [float(row["loss"]) for row in metrics(tmp_path / "run")]
    assert losses[-1] < 0.8 * losses[0]
    assert result.accuracy > 0.5, "twice chance"


def test_finetuning_goes_on_from_pretraining(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pretrain(pretrain_config(tmp_path / "pre"))
    config = finetune_config(
        tmp_path / "fine", weights=tmp_path / "pre", model=None, model_args=(), size=None
    )
    result = finetune(config)
    told = capsys.readouterr().out
    assert "tensors loaded, 2 of the head new\n" in told
    assert (
        "20 images to learn from, 20 to test on; 10 updates of 6; a smaller batch_size or more epochs" in told
    )
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
    rows = metrics(tmp_path / "fine")
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert [bool(row["test_accuracy"]) for row in rows] == [False, False, True]
    assert float(rows[-1]["test_accuracy"]) == result.accuracy


def test_test_accuracy_on_the_way(tmp_path: Path) -> None:
    finetune(finetune_config(tmp_path / "run", eval_every=2, epochs=5))
    tested = [row["epoch"] for row in metrics(tmp_path / "run") if row["test_accuracy"]]
    assert tested == ["2", "4", "5"]


def test_scratch_and_pretrained_see_the_same_data(tmp_path: Path) -> None:
    pretrain(pretrain_config(tmp_path / "pre"))
    seen: dict[str, list[Any]] = {}
    original = Learner.update
    for name, weights in (("scratch", None), ("pretrained", tmp_path / "pre")):
        batches: list[Any] = []

        def spied(
            self: Learner, images: Any, targets: Any, step: int, kept: list[Any] = batches, **how: Any
        ) -> Any:
            kept.append((images.clone(), targets.clone()))
            return original(self, images, targets, step, **how)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Learner, "update", spied)
            finetune(finetune_config(tmp_path / name, weights=weights, epochs=1))
        seen[name] = batches
    for (images, labels), (images_2, labels_2) in zip(seen["scratch"], seen["pretrained"], strict=True):
        assert torch.equal(images, images_2)
        assert torch.equal(labels, labels_2)


def test_wrong_input_leaves_no_folder(tmp_path: Path) -> None:
    out = tmp_path / "run"
    wrong: list[PretrainConfig | FinetuneConfig] = [
        pretrain_config(out, family="RCDBB"),
        pretrain_config(out, options=("colour=1",)),
        pretrain_config(out, model="vit_tiny"),
        pretrain_config(out, instances=0xFFFF0000 - 2),
        pretrain_config(out, instances=None, samples=10**12),
        finetune_config(out, model="vit_tiny_patch16_224.nonsense", size=None),
        finetune_config(out, data=str(tmp_path / "none")),
        finetune_config(out, weights=tmp_path / "none"),
        finetune_config(out, labels=100_000),
    ]
    for config in wrong:
        with pytest.raises(InputError):
            run_config(config)
        assert not out.exists(), config


def test_loss_that_explodes_stops_the_run(tmp_path: Path) -> None:
    config = finetune_config(
        tmp_path / "run", lr=1e3, weight_decay=10.0, warmup=0.0, checkpoint_every=0, epochs=20
    )
    with pytest.raises(FdslError, match=r"got \S+ at update \d+ \(learning rate [\d.]+\): lower lr"):
        run_config(config)
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
        run_config(finetune_config(tmp_path / "run", **fields))
    assert not (tmp_path / "run").exists()
    for augment in ("auto", "crop", "none"):
        result = run_config(finetune_config(tmp_path / augment, **fields, augment=augment, skip_broken=True))
        assert result.labels == 7
        assert len(result.skipped) == 1
        assert "1 broken image left out: " in capsys.readouterr().out


def test_bf16_agrees_with_32_bits(tmp_path: Path) -> None:
    losses = {
        precision: float(finetune(finetune_config(tmp_path / precision, precision=precision)).loss)
        for precision in ("32", "bf16")
    }
    assert losses["bf16"] != losses["32"]
    assert losses["bf16"] == pytest.approx(losses["32"], rel=0.05)


def test_version_is_noted(tmp_path: Path) -> None:
    run_config(finetune_config(tmp_path / "run", epochs=1))
    versions = json.loads((tmp_path / "run" / "run.json").read_text())["versions"]
    assert versions["fdsl"] == fdsl.__version__
    assert versions["torch"] == torch.__version__.partition("+")[0] or versions["torch"] == torch.__version__


def test_a_mixed_image_counts_as_the_label_with_the_larger_share(tmp_path: Path) -> None:
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 3, bias=False))
    torch.nn.init.eye_(model[1].weight)
    fabric = Fabric(accelerator="cpu", devices=1)
    learner = Learner(model, pretrain_config(tmp_path / "run"), steps=2, fabric=fabric)
    images = torch.eye(3).view(3, 3, 1, 1)
    targets = torch.tensor([[0.6, 0.4, 0.0], [0.6, 0.4, 0.0], [0.1, 0.1, 0.8]])
    loss, right = learner.update(images, targets, 0)
    assert int(right) == 2
    expected = -(targets * torch.log_softmax(torch.eye(3), 1)).sum(1).mean()
    assert float(loss) == pytest.approx(float(expected))
