"""Transformers and convolutional networks fine-tune alike: frozen, rates decaying, after a probe, at other sizes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

from fdsl.data.real import at_most, open_images  # noqa: E402
from fdsl.errors import InputError  # noqa: E402
from fdsl.train import finetune  # noqa: E402
from fdsl.train.device import make_fabric  # noqa: E402
from fdsl.train.finetuning.starting import architecture_of, freeze_backbone, starting_model  # noqa: E402
from fdsl.train.learner import Learner  # noqa: E402
from tiny_runs import TINY, finetune_config, interrupted, metrics, run_until  # noqa: E402

CONV = ("depths=[1,1,1,1]", "dims=[8,16,32,64]")
SWIN = ("embed_dim=16", "depths=[1,1]", "num_heads=[1,2]")
MODELS = {
    "vit": ("vit_tiny_patch16_224", TINY),
    "swin": ("swin_tiny_patch4_window7_224", (*SWIN, "window_size=4")),
    "convnext": ("convnext_atto", CONV),
    "resnet": ("resnet10t", ("channels=[8,16,32,64]",)),
}


def of_model(kind: str, out: Path, **changed: Any) -> Any:
    """Return a fine-tuning of seconds of a kind of model."""
    model, args = MODELS[kind]
    return finetune_config(out, **{"model": model, "model_args": args, **changed})


@pytest.mark.parametrize("kind", MODELS)
def test_a_frozen_backbone_stays_as_it_was_to_the_last_bit(tmp_path: Path, kind: str) -> None:
    finetune(of_model(kind, tmp_path / "start", epochs=1, labels=10))
    weights = {"weights": tmp_path / "start", "model": None, "model_args": (), "size": None}
    finetune(of_model(kind, tmp_path / "frozen", epochs=2, freeze=True, drop_path=0.5, **weights))
    before, after = (load_file(tmp_path / name / "model.safetensors") for name in ("start", "frozen"))
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    head = {"resnet": "fc.", "vit": "head."}.get(kind, "head.fc.")
    assert changed == {f"{head}weight", f"{head}bias"}
    if kind == "resnet":
        assert any("running_mean" in name for name in before)


@pytest.mark.parametrize("kind", MODELS)
def test_the_rate_falls_by_the_same_factor_from_layer_to_layer(tmp_path: Path, kind: str) -> None:
    config = of_model(kind, tmp_path / "run", layer_decay=0.5, lr=0.01, warmup=0.0)
    model = starting_model(config, architecture_of(config), classes=10)
    learner = Learner(model, config, steps=100, fabric=make_fabric("32"), layer_decay=0.5)
    images, targets = torch.zeros(2, 3, 32, 32), torch.full((2, 10), 0.1)
    for step in (0, 50):
        learner.update(images, targets, step)
        rates = {id(p): group["lr"] for group in learner.optimizer.param_groups for p in group["params"]}
        of = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
        top = max(of.values())
        head = {"vit": "head.weight", "resnet": "fc.weight"}.get(kind, "head.fc.weight")
        assert of[head] == top == pytest.approx(learner.lr)
        powers = {round(float(torch.log2(torch.tensor(top / rate))), 4) for rate in of.values()}
        assert powers == set(range(len(powers))), "every power of the factor, from 0 at the head on"
        first = {"vit": "patch_embed.proj.weight", "resnet": "conv1.0.weight", "convnext": "stem.0.weight"}
        assert of[first.get(kind, "patch_embed.proj.weight")] == min(of.values())
        assert len(powers) > 2
        assert learner.lr == pytest.approx(0.01 if step == 0 else 0.005)


@pytest.mark.parametrize("kind", MODELS)
def test_a_head_is_learned_first_and_the_rest_from_there(tmp_path: Path, kind: str) -> None:
    fields: dict[str, Any] = {
        "epochs": 1,
        "probe_epochs": 1,
        "layer_decay": 0.7,
        "labels": 10,
        "checkpoint_every": 1,
    }
    result = finetune(of_model(kind, tmp_path / "whole", **fields))
    probe = json.loads((tmp_path / "whole" / "probe" / "result.json").read_text())
    assert result.probe_accuracy == probe["accuracy"]
    for name, update in (("at the head", 2), ("after it", 2 + 2)):
        out = tmp_path / name
        with interrupted(update, of_all=True):  # the probe's count, too
            finetune(of_model(kind, out, **fields))
        assert (out / "run.json").exists() == (name == "after it")
        again = finetune(of_model(kind, out, resume=True, **fields))
        assert (again.accuracy, again.loss) == (result.accuracy, result.loss)
        for file in ("model.safetensors", "probe/model.safetensors", "predictions.csv"):
            assert (out / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()
        assert metrics(out) == metrics(tmp_path / "whole")


def test_fine_tuning_starts_from_the_weights_of_the_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starts: list[dict[str, Any]] = []
    original = Learner.__init__

    def noted(self: Learner, model: nn.Module, *args: Any, **named: Any) -> None:
        starts.append({name: tensor.clone() for name, tensor in model.state_dict().items()})
        original(self, model, *args, **named)

    monkeypatch.setattr(Learner, "__init__", noted)
    finetune(of_model("vit", tmp_path / "run", epochs=1, probe_epochs=1))
    left = load_file(tmp_path / "run" / "probe" / "model.safetensors")
    assert all(torch.equal(starts[1][name], tensor) for name, tensor in left.items())
    assert not torch.equal(starts[0]["head.weight"], starts[1]["head.weight"])


@pytest.mark.parametrize(
    ("kind", "args", "resized"),
    [
        ("swin", ("window_size=8",), "relative_position_bias_table"),
        ("swin", ("window_size=4",), None),
        ("convnext", (), None),
        ("resnet", (), None),
        ("vit", (), "pos_embed"),
    ],
)
def test_weights_serve_at_another_size(
    tmp_path: Path, kind: str, args: tuple[str, ...], resized: str | None
) -> None:
    finetune(of_model(kind, tmp_path / "small", epochs=1, labels=10, test_limit=4))
    result = finetune(
        finetune_config(
            tmp_path / "large",
            weights=tmp_path / "small",
            model=None,
            model_args=args,
            size=64,
            epochs=1,
            labels=10,
            test_limit=4,
        )
    )
    assert result.match is not None
    assert not result.match.missing
    assert not result.match.mismatched
    assert bool(resized) == bool(result.match.resized)
    assert all(resized in name for name in result.match.resized if resized)


def test_a_model_without_a_head_cannot_be_frozen() -> None:
    with pytest.raises(InputError, match="freeze must be off for nothing, got on"):
        freeze_backbone(nn.Linear(2, 2), "nothing")


def test_a_frozen_run_resumes_bit_for_bit(tmp_path: Path) -> None:
    finetune(of_model("resnet", tmp_path / "whole", freeze=True, labels=10))
    run_until(of_model("resnet", tmp_path / "stopped", freeze=True, labels=10), 4)
    finetune(of_model("resnet", tmp_path / "stopped", freeze=True, labels=10, resume=True))
    whole, stopped = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped


@pytest.mark.parametrize("augment", ["pad", "crop"])
def test_timm_prepares_images_as_they_were_tested(tmp_path: Path, augment: Any) -> None:
    finetune(finetune_config(tmp_path / "run", augment=augment, epochs=1))
    model = timm.create_model(f"local-dir:{tmp_path / 'run'}", pretrained=True).eval()
    assert model.pretrained_cfg["crop_pct"] == (0.875 if augment == "crop" else 1.0)
    prepare = timm.data.create_transform(**timm.data.resolve_model_data_config(model))
    images = at_most(open_images("digits", "test"), 20, 0)
    with torch.inference_mode():
        shares = torch.stack([model(prepare(images[n][0])[None])[0].softmax(0) for n in range(20)])
    with (tmp_path / "run" / "predictions.csv").open(encoding="utf-8") as file:
        said = [float(row["confidence"]) for row in csv.DictReader(file)]
    # timm resizes to whole pixels, then crops: not the same pixels to the last, but the same part of the image
    assert np.allclose(shares.amax(1), said, atol=0.01)
