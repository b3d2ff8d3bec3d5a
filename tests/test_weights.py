"""Weights: a folder that timm loads by itself, and a loader that tells what it did with every tensor."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.train.model import build_model  # noqa: E402
from fdsl.train.weights import describe_weights, load_weights, save_weights  # noqa: E402

TINY = {
    "patch_size": 8,
    "embed_dim": 16,
    "depth": 2,
    "num_heads": 2,
    "class_token": False,
    "global_pool": "avg",
}


def _vit(size: int = 32, classes: int = 5, **changed: object) -> nn.Module:
    return build_model("vit_tiny_patch16_224", {**TINY, **changed}, size=size, classes=classes).eval()


def _save(model: nn.Module, folder: Path, size: int = 32, classes: int = 5) -> Path:
    names = [f"class {n}" for n in range(classes)]
    save_weights(model, folder, size=size, mean=[0.1, 0.2, 0.3], std=[0.4, 0.5, 0.6], classes=names)
    return folder


def test_timm_loads_the_folder_as_it_is(tmp_path: Path) -> None:
    model = _vit()
    _save(model, tmp_path / "w")
    assert sorted(path.name for path in (tmp_path / "w").iterdir()) == ["config.json", "model.safetensors"]
    loaded = timm.create_model(f"local-dir:{tmp_path / 'w'}", pretrained=True).eval()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded(images), model(images))
    assert loaded.pretrained_cfg["mean"] == [0.1, 0.2, 0.3]
    assert loaded.pretrained_cfg["std"] == [0.4, 0.5, 0.6]
    assert tuple(loaded.pretrained_cfg["input_size"]) == (3, 32, 32)
    assert loaded.pretrained_cfg["label_names"][4] == "class 4"
    backbone = timm.create_model(f"local-dir:{tmp_path / 'w'}", pretrained=True, num_classes=0).eval()
    assert backbone(images).shape == (2, 16)


def test_weights_are_as_readable_as_any_file(tmp_path: Path) -> None:
    folder = _save(_vit(), tmp_path / "w")
    (folder / "other").touch()
    modes = {path.stat().st_mode for path in folder.iterdir()}
    assert len(modes) == 1


def test_convolutional_models_go_the_same_way(tmp_path: Path) -> None:
    model = build_model("resnet10t", {}, size=32, classes=5).eval()
    _save(model, tmp_path / "w")
    loaded = timm.create_model(f"local-dir:{tmp_path / 'w'}", pretrained=True).eval()
    images = torch.rand(2, 3, 32, 32)
    assert torch.equal(loaded(images), model(images))
    described = describe_weights(tmp_path / "w")
    assert described is not None
    assert (described.model, described.size) == ("resnet10t", 32)
    other = build_model(described.model, described.model_args, size=64, classes=3)
    assert load_weights(other, tmp_path / "w").complete


def test_everything_but_the_head_is_loaded(tmp_path: Path) -> None:
    source = _vit()
    _save(source, tmp_path / "w")
    target = _vit(classes=5)
    head = target.head.weight.clone()
    report = load_weights(target, tmp_path / "w")
    assert report.complete
    assert report.replaced == ("head.weight", "head.bias")
    assert report.matched + len(report.replaced) == len(target.state_dict())
    assert torch.equal(target.head.weight, head), "the head is new even where its shape fits"
    for name, tensor in source.state_dict().items():
        if not name.startswith("head."):
            assert torch.equal(tensor, target.state_dict()[name]), name


def test_another_size_and_patch_are_resampled(tmp_path: Path) -> None:
    _save(_vit(), tmp_path / "w")
    described = describe_weights(tmp_path / "w")
    assert described is not None
    assert described.model_args == TINY
    assert described.size == 32
    larger = _vit(size=64)
    before = larger.pos_embed.clone()
    report = load_weights(larger, tmp_path / "w")
    assert report.complete
    assert report.resized == ("pos_embed",)
    assert not torch.equal(larger.pos_embed, before)
    finer = load_weights(_vit(patch_size=4), tmp_path / "w")
    assert finer.complete
    assert set(finer.resized) == {"pos_embed", "patch_embed.proj.weight"}


def test_constant_position_embeddings_stay_constant_when_resized(tmp_path: Path) -> None:
    source = _vit()
    with torch.no_grad():
        source.pos_embed.fill_(0.25)
    _save(source, tmp_path / "w")
    target = _vit(size=64)
    load_weights(target, tmp_path / "w")
    torch.testing.assert_close(target.pos_embed, torch.full_like(target.pos_embed, 0.25))


def test_every_tensor_that_does_not_fit_is_reported(tmp_path: Path) -> None:
    tensors = {name: tensor.clone() for name, tensor in _vit().state_dict().items()}
    del tensors["norm.bias" if "norm.bias" in tensors else "fc_norm.bias"]
    tensors["surprise"] = torch.zeros(3)
    tensors["blocks.1.attn.qkv.bias"] = torch.zeros(7)
    save_file(tensors, tmp_path / "lone.safetensors")
    target = _vit()
    report = load_weights(target, tmp_path / "lone.safetensors")
    assert not report.complete
    assert len(report.missing) == 1
    assert report.missing[0].endswith("norm.bias")
    assert report.unexpected == ("surprise",)
    assert report.mismatched == ("blocks.1.attn.qkv.bias: file [7], model [48]",)
    text = "\n".join(report.lines())
    assert all(name in text for name in ("norm.bias", "surprise", "blocks.1.attn.qkv.bias"))
    own = len(target.state_dict())
    assert report.matched + len(report.replaced) + len(report.missing) + len(report.mismatched) == own
    assert describe_weights(tmp_path / "lone.safetensors") is None


def test_unusable_weights_are_refused(tmp_path: Path) -> None:
    model = _vit()
    with pytest.raises(InputError, match="does not exist"):
        load_weights(model, tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"model\.safetensors"):
        load_weights(model, tmp_path)
    (tmp_path / "old.npz").write_bytes(b"")
    with pytest.raises(InputError, match=r"ends in one of \.safetensors, \.pth"):
        load_weights(model, tmp_path / "old.npz")
    folder = _save(model, tmp_path / "w")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match="whole safetensors"):
        load_weights(model, folder)
    save_file({"nothing": torch.zeros(1)}, folder / "model.safetensors")
    with pytest.raises(DataError, match="none of its 1 tensors"):
        load_weights(model, folder)
    (folder / "config.json").write_text(json.dumps({"architecture": "vit"}))
    with pytest.raises(DataError, match=r"config\.json"):
        describe_weights(folder)


@pytest.mark.parametrize(
    ("name", "args", "message"),
    [
        ("resnet1O", {}, "did you mean"),
        ("hf-hub:timm/resnet10t", {}, r"timm\.list_models"),
        ("vit_tiny_patch16_224", {"heads": 3}, "model_args must suit"),
        ("vit_tiny_patch16_224", {"patch_size": 0}, "model_args must suit vit_tiny_patch16_224 at 32"),
        ("vit_tiny_patch16_224", {"num_heads": 0}, "model_args must suit vit_tiny_patch16_224 at 32"),
        ("vit_tiny_patch16_224.nonsense", {}, "model must end in a tag"),
        ("vit_tiny_patch16_224", {"num_heads": 7}, "divisible"),
        ("vit_tiny_patch16_224", {"num_classes": 7}, "must not hold num_classes"),
    ],
)
def test_unusable_models_are_refused(name: str, args: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        build_model(name, args, size=32, classes=2)


def test_model_that_gives_no_logits_is_refused() -> None:
    with pytest.raises(InputError, match="logits"):
        build_model("vit_tiny_patch16_224", {**TINY, "global_pool": ""}, size=32, classes=2)
