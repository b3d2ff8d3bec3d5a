"""What a pre-training learns: classes, several classes, or the class of every pixel; and what it leaves behind."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import timm  # noqa: E402
from safetensors.torch import load_file  # noqa: E402
from torch import nn  # noqa: E402

from fdsl.errors import InputError  # noqa: E402
from fdsl.train import finetune, pretrain, pretraining  # noqa: E402
from fdsl.train.objective import CLASSIFY, MULTILABEL, SEGMENT, Overlap  # noqa: E402
from fdsl.train.segmentation import Segmenter, build_segmenter  # noqa: E402
from tiny_runs import finetune_config, metrics, pretrain_config, run_until  # noqa: E402

MASKED = {"family": "Contractive", "options": ("variant=point_gray",), "target": "mask"}


def test_overlap_is_intersection_over_union():
    overlap = Overlap(4)
    overlap.add(torch.tensor([[[0, 1], [1, 2]]]), torch.tensor([[[0, 1], [2, 2]]]))
    overlap.add(torch.tensor([[[0, 0], [0, 0]]]), torch.tensor([[[0, 0], [0, 1]]]))
    # background 4 of 5, class 1 1 of 3, class 2 1 of 2, class 3 not there
    assert overlap.mean == pytest.approx((4 / 5 + 1 / 3 + 1 / 2) / 3)


def test_what_counts_as_right():
    logits = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    assert CLASSIFY.right(logits, torch.tensor([0, 1])).tolist() == [1, 0]
    assert CLASSIFY.right(logits, torch.tensor([[0.6, 0.4, 0], [0.6, 0.0, 0.4]])).tolist() == [1, 0]
    assert MULTILABEL.right(logits, torch.tensor([[1.0, 1, 0], [1, 1, 0]])).tolist() == [1, 0]
    pixels = torch.zeros(2, 3, 2, 2)
    pixels[:, 1] = 1.0
    assert SEGMENT.right(pixels, torch.tensor([[[1, 1], [1, 0]], [[2, 2], [2, 2]]])).tolist() == [0.75, 0]


def test_losses_are_torchs():
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(1))
    hot = (logits > 0.3).float()
    expected = -(hot * logits.sigmoid().log() + (1 - hot) * (-logits).sigmoid().log()).mean()
    assert MULTILABEL.loss(logits, hot).item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    "name", ["vit_tiny_patch16_224", "resnet10t", "convnext_atto", "swin_tiny_patch4_window7_224"]
)
def test_any_backbone_with_a_feature_map_segments(name):
    size = 64
    args = {"vit_tiny_patch16_224": {"embed_dim": 16, "depth": 1, "num_heads": 2}}.get(name, {})
    if name.startswith("swin"):
        args = {"embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}
    model = build_segmenter(name, args, size=size, classes=5)
    logits = model(torch.zeros(2, 3, size, size))
    assert logits.shape == (2, 5, size, size)


def test_a_model_without_feature_maps_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 1))
    with pytest.raises(InputError, match="model must give feature maps to segment with, got plain: "):
        Segmenter(model, "plain", classes=3, size=32)


def test_what_lies_behind_the_feature_map_is_named_and_frozen():
    model = build_segmenter("efficientnet_b0", {}, size=64, classes=3)
    assert model.untrained == ("conv_head.weight", "bn2.weight", "bn2.bias")
    frozen = [name for name, parameter in model.backbone.named_parameters() if not parameter.requires_grad]
    assert tuple(frozen) == model.untrained
    model(torch.zeros(2, 3, 64, 64)).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters() if parameter.requires_grad)


def test_tokens_are_normed_where_timm_norms_them_pooled():
    args = {"embed_dim": 32, "depth": 1, "num_heads": 2, "class_token": False, "global_pool": "avg"}
    model = build_segmenter("vit_tiny_patch16_224", args, size=64, classes=3)
    assert model.untrained == ()
    features = model.features(torch.rand(2, 3, 64, 64))
    assert features.mean(1).abs().max() < 1e-5
    assert features.std(1, correction=0).sub(1).abs().max() < 1e-2


def test_a_segmentation_is_learned_and_its_backbone_fine_tuned(tmp_path):
    config = pretrain_config(
        tmp_path / "run", **MASKED, classes=2, samples=3000, batch_size=20, lr=1e-2, held_out=40,
        model_args=("patch_size=4", "embed_dim=32", "depth=1", "num_heads=2", "class_token=false", "global_pool=avg"),
        checkpoint_every=0, log_every=50,
    )  # fmt: skip
    result = pretrain(config)
    assert result.target == "mask"
    blank = json.loads((tmp_path / "run" / "result.json").read_text())
    assert blank["mean_iou"] == result.mean_iou
    assert result.mean_iou > 0.45, "background alone would be a third"
    assert result.accuracy > 0.7
    model = timm.create_model(f"local-dir:{tmp_path / 'run'}", pretrained=True)
    assert model.num_classes == 0
    head = load_file(tmp_path / "run" / "segmentation_head.safetensors")
    assert {name: list(tensor.shape) for name, tensor in head.items()} == {
        "weight": [3, 32, 1, 1],
        "bias": [3],
    }
    tuned = finetune(finetune_config(tmp_path / "tuned", weights=tmp_path / "run", model=None, model_args=()))
    assert result.untrained == ()
    assert tuned.match is not None
    assert tuned.match.complete


@pytest.mark.parametrize(("target", "at_once"), [("mask", [6, 4]), ("class", [10])])
def test_evaluation_needs_no_more_memory_for_logits_than_training(target, at_once, tmp_path, monkeypatch):
    seen = []

    def share_right(_, __, batches, *___):
        seen.extend(len(images) for images, _ in batches)
        return 0.5

    monkeypatch.setattr(pretraining, "share_right", share_right)
    monkeypatch.setattr(Overlap, "mean", 0.5)
    pretrain(pretrain_config(tmp_path / "run", **{**MASKED, "target": target}, samples=6))
    assert seen == at_once


@pytest.mark.parametrize("target", ["classes", "mask"])
def test_it_goes_on_where_it_was_interrupted(target, tmp_path):
    fields = {**MASKED, "target": target, "ema_decay": 0.9, "drop_path": 0.2}
    whole = pretrain(pretrain_config(tmp_path / "whole", **fields))
    for update in (4, 6, whole.steps):
        out = tmp_path / f"stopped-{update}"
        run_until(pretrain_config(out, **fields), update)
        again = pretrain(pretrain_config(out, **fields, resume=True))
        assert metrics(out) == metrics(tmp_path / "whole")
        name = "model.safetensors"
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
        assert (again.accuracy, again.loss, again.mean_iou) == (whole.accuracy, whole.loss, whole.mean_iou)


def test_several_classes_are_learned_with_one_loss_each(tmp_path):
    config = pretrain_config(
        tmp_path / "run", family="Contractive", options=("variant=point_gray",), target="classes", classes=3,
        samples=1500, batch_size=20, lr=1e-2, held_out=60, checkpoint_every=0, log_every=25,
    )  # fmt: skip
    result = pretrain(config)
    assert (result.target, result.mean_iou) == ("classes", None)
    assert result.accuracy > 0.5
    assert result.loss < np.log(2), "less than the loss of knowing nothing"


def test_mixing_other_targets_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="mixup, cutmix and label_smoothing must be 0 with targets 'mask'"):
        pretrain(pretrain_config(tmp_path / "run", **MASKED, mixup=0.8))
    assert not (tmp_path / "run").exists()


def test_targets_a_family_lacks_are_refused():
    with pytest.raises(InputError, match="target must be one of auto, class, classes, mask, got 'masks'"):
        pretrain_config("run", target="masks")
