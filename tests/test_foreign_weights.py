"""Weights of others: what authors release is read, whatever they call and wrap it."""

from __future__ import annotations

import json
import re
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from torch import Tensor, nn  # noqa: E402

from fdsl.errors import DataError  # noqa: E402
from fdsl.train import export_hf, finetune, pretrain  # noqa: E402
from fdsl.train.model import build_model  # noqa: E402
from fdsl.train.weights import describe_weights, load_weights  # noqa: E402
from fdsl.train.weights.pickles import read_pickle  # noqa: E402
from tiny_runs import finetune_config, pretrain_config  # noqa: E402

Tensors = dict[str, Tensor]
SMALL = {"embed_dim": 16, "depth": 1, "num_heads": 2}


def _vit(name: str = "deit_tiny_patch16_224", size: int = 32, classes: int = 5, **changed: Any) -> nn.Module:
    return build_model(name, {**SMALL, "patch_size": 8, **changed}, size=size, classes=classes).eval()


def _body(model: nn.Module) -> Tensors:
    return {name: tensor for name, tensor in model.state_dict().items() if not name.startswith("head")}


def _same(model: nn.Module, source: nn.Module) -> bool:
    return all(torch.equal(tensor, _body(model)[name]) for name, tensor in _body(source).items())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model_best.pth.tar"


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("suffix", [".pth.tar", ".pth", ".pt", ".bin"])
def test_files_of_torch_save_are_read_in_both_formats(tmp_path: Path, suffix: str, archive: bool) -> None:
    source, target = _vit(), _vit()
    path = tmp_path / f"weights{suffix}"
    torch.save(source.state_dict(), path, _use_new_zipfile_serialization=archive)
    report = load_weights(target, path)
    assert report.complete
    assert report.part == ""
    assert _same(target, source)
    assert describe_weights(path) is None


def test_checkpoint_of_timms_training_script(file: Path) -> None:
    """As its CheckpointSaver writes it: arguments in a Namespace, the optimiser, a moving average, which is taken."""
    plain, average, target = _vit(), _vit(), _vit()
    optimizer = torch.optim.AdamW(plain.parameters())
    sum(parameter.sum() for parameter in plain.parameters()).backward()
    optimizer.step()
    arguments = Namespace(
        model="deit_tiny_patch16_224",
        model_kwargs={**SMALL, "patch_size": 8, "num_classes": 9},
        img_size=32,
        input_size=None,
        mean=[0.1, 0.2, 0.3],
        std=None,
        gp=None,
        betas=(0.9, 0.999),
    )
    content = {
        "epoch": 89,
        "arch": "deit_tiny_patch16_224",
        "state_dict": {f"module.{name}": tensor for name, tensor in plain.state_dict().items()},
        "state_dict_ema": {f"module.{name}": tensor for name, tensor in average.state_dict().items()},
        "optimizer": optimizer.state_dict(),
        "version": 2,
        "args": arguments,
        "amp_scaler": {"scale": 65536.0},
        "metric": 71.5,
    }
    torch.save(content, file)
    report = load_weights(target, file)
    assert report.complete
    assert report.part == "state_dict_ema"
    assert "tensors loaded from state_dict_ema" in report.lines()[0]
    assert _same(target, average)
    described = describe_weights(file)
    assert described is not None
    assert (described.model, described.size) == ("deit_tiny_patch16_224", 32)
    assert described.model_args == {**SMALL, "patch_size": 8}
    assert (described.mean, described.std) == ((0.1, 0.2, 0.3), None)

    content["state_dict_ema"] = None
    torch.save(content, file)
    assert load_weights(target, file).part == "state_dict"
    assert _same(target, plain)


def test_args_do_not_outlast_the_reading(file: Path) -> None:
    torch.save({"state_dict": _vit().state_dict(), "args": Namespace(lr=1.0)}, file)
    read_pickle(file)
    assert Namespace not in torch.serialization.get_safe_globals()


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        (("model",), "model"),
        (("net",), "net"),
        (("model_state_dict",), "model_state_dict"),
        (("model_ema",), "model_ema"),
        (("model", "state_dict"), "model.state_dict"),
    ],
)
def test_state_dicts_are_found_under_usual_keys(file: Path, keys: tuple[str, ...], part: str) -> None:
    source, target = _vit(), _vit()
    content: Any = source.state_dict()
    for key in reversed(keys):
        content = {key: content, "epoch": 3, "best_acc1": torch.tensor(0.5)}
    torch.save(content, file)
    report = load_weights(target, file)
    assert (report.complete, report.part) == (True, part)
    assert _same(target, source)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module._orig_mod."])
def test_prefixes_of_wrappers_are_left_out(file: Path, prefix: str) -> None:
    source, target = _vit(), _vit()
    torch.save({prefix + name: tensor for name, tensor in source.state_dict().items()}, file)
    assert load_weights(target, file).complete
    assert _same(target, source)


def test_name_with_and_without_prefix_is_refused(file: Path) -> None:
    tensors = _vit().state_dict()
    torch.save({**tensors, "module.cls_token": tensors["cls_token"]}, file)
    with pytest.raises(DataError, match="once"):
        load_weights(_vit(), file)


def test_distilled_deit_keeps_its_second_token_or_loses_its_position(file: Path) -> None:
    source = _vit("deit_tiny_distilled_patch16_224")
    torch.save({"model": source.state_dict()}, file)
    same = _vit("deit_tiny_distilled_patch16_224", classes=3)
    report = load_weights(same, file)
    assert report.complete
    assert report.replaced == ("head.weight", "head.bias", "head_dist.weight", "head_dist.bias")
    assert _same(same, source)
    plain = _vit()
    report = load_weights(plain, file)
    assert report.unexpected == ("dist_token", "head_dist.weight", "head_dist.bias")
    assert report.resized == ("pos_embed",)
    assert not report.missing
    assert torch.equal(plain.pos_embed, source.pos_embed[:, [0, *range(2, 18)]])
    larger = _vit("deit_tiny_distilled_patch16_224", size=64)
    assert load_weights(larger, file).resized == ("pos_embed",)
    assert torch.equal(larger.pos_embed[:, :2], source.pos_embed[:, :2])


def test_names_of_old_versions_are_brought_up_to_date(file: Path) -> None:
    def old_vit(tensors: Tensors) -> Tensors:
        return {
            **tensors,
            "patch_embed.proj.weight": tensors["patch_embed.proj.weight"].flatten(1),
            "pre_logits.fc.weight": torch.zeros(16, 16),
        }

    def old_swin(tensors: Tensors) -> Tensors:
        older = {
            re.sub(r"layers\.(\d)\.down", lambda found: f"layers.{int(found[1]) - 1}.down", name): tensor
            for name, tensor in tensors.items()
        }
        return {**older, "layers.0.blocks.0.attn.relative_position_index": torch.zeros(1, dtype=torch.int64)}

    def first_convnext(tensors: Tensors) -> Tensors:
        pairs = (
            (r"stages\.(\d)\.blocks\.", r"stages.\1."),
            (r"stages\.(\d)\.downsample\.", r"downsample_layers.\1."),
            (r"^stem\.", "downsample_layers.0."),
            (r"^head\.norm\.", "norm."),
            (r"^head\.fc\.", "head."),
            ("conv_dw", "dwconv"),
            (r"mlp\.fc", "pwconv"),
        )
        renamed = {}
        for new, tensor in tensors.items():
            name = new
            for pattern, by in pairs:
                name = re.sub(pattern, by, name)
            renamed[name] = tensor
        return renamed

    swin = {"depths": [1, 1], "embed_dim": 8, "num_heads": [1, 2], "window_size": 4, "patch_size": 2}
    convnext = {"depths": [1, 1, 1, 1], "dims": [8, 8, 16, 16], "conv_mlp": False}
    for name, args, older, converted in (
        ("deit_tiny_patch16_224", {**SMALL, "patch_size": 8}, old_vit, "pre_logits.fc.weight"),
        ("swin_tiny_patch4_window7_224", swin, old_swin, "layers.0.blocks.0.attn.relative_position_index"),
        ("convnext_atto", convnext, first_convnext, "downsample_layers.0.0.weight"),
    ):
        source, target = (build_model(name, args, size=32, classes=3).eval() for _ in range(2))
        torch.save({"model": older(source.state_dict())}, file)
        report = load_weights(target, file)
        assert report.complete, (name, report)
        assert converted in report.converted, name
        assert _same(target, source), name


def test_torchvisions_resnet_goes_into_timms(file: Path) -> None:
    """FractalDB's first release, by the names torchvision gives."""
    torchvision = pytest.importorskip("torchvision")
    torch.save(torchvision.models.resnet18(num_classes=7).state_dict(), file)
    assert load_weights(build_model("resnet18", {}, size=64, classes=3), file).complete


def test_weights_of_integers_are_no_weights(file: Path) -> None:
    tensors = _vit().state_dict()
    tensors["cls_token"] = torch.zeros(1, 1, 16, dtype=torch.int8)
    tensors["blocks.0.mlp.fc1.bias"] = torch.zeros(64, dtype=torch.complex64)
    torch.save(tensors, file)
    assert load_weights(_vit(), file).mismatched == (
        "cls_token: file int8 [1, 1, 16], model float32 [1, 1, 16]",
        "blocks.0.mlp.fc1.bias: file complex64 [64], model float32 [64]",
    )


def test_half_precision_is_widened(file: Path) -> None:
    source, target = _vit(), _vit()
    torch.save({name: tensor.bfloat16() for name, tensor in source.state_dict().items()}, file)
    assert load_weights(target, file).complete
    assert target.cls_token.dtype == torch.float32
    assert torch.equal(target.cls_token, source.cls_token.bfloat16().float())


@pytest.mark.parametrize(
    "content",
    [
        {"arch": "visiontransformer"},
        {"arch": 3},
        {"arch": ["resnet18"]},
        {},
        [],
    ],
)
def test_unknown_arch_describes_nothing(file: Path, content: Any) -> None:
    torch.save(content, file)
    assert describe_weights(file) is None


@pytest.mark.parametrize(
    "args",
    [None, 3, {}, Namespace(), Namespace(img_size="x", mean="abc", std=[1, 2, "3"], gp=7, model_kwargs=[1])],
)
def test_odd_args_leave_the_models_own_size(file: Path, args: Any) -> None:
    torch.save({"arch": "deit_base_patch16_224", "args": args}, file)
    described = describe_weights(file)
    assert described is not None
    assert (described.size, described.model_args, described.mean, described.std) == (224, {}, None, None)


def test_sizes_of_args(file: Path) -> None:
    torch.save({"arch": "deit_base_patch16_224", "args": {"input_size": [3, 160, 160], "gp": "avg"}}, file)
    described = describe_weights(file)
    assert described is not None
    assert (described.size, described.model_args) == (160, {"global_pool": "avg"})


def test_file_tells_the_model_alone_and_not_timm(file: Path) -> None:
    kwargs = {"depth": 3, "checkpoint_path": "elsewhere.pth", "pretrained_cfg": {"url": "https://x"}, 3: 4}
    torch.save({"arch": "deit_base_patch16_224", "args": {"model_kwargs": kwargs}}, file)
    described = describe_weights(file)
    assert described is not None
    assert described.model_args == {"depth": 3}


def test_config_beside_a_file_goes_before_its_arch(file: Path) -> None:
    torch.save({"arch": "deit_base_patch16_224", "state_dict": {}}, file)
    config = {"architecture": "resnet18", "pretrained_cfg": {"input_size": [3, 64, 64]}}
    (file.parent / "config.json").write_text(json.dumps(config))
    described = describe_weights(file)
    assert described is not None
    assert (described.model, described.size) == ("resnet18", 64)


# Checkpoints of fdsl -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ema", "part"), [(0.9, "ema"), (0.0, "model")])
def test_checkpoint_of_a_run_knows_its_model(tmp_path: Path, ema: float, part: str) -> None:
    out = tmp_path / "run"
    pretrain(pretrain_config(out, ema_decay=ema))
    newest = sorted((out / "checkpoints").glob("step-*.pt"))[-1]
    described = describe_weights(out)
    assert described is not None
    assert described == describe_weights(newest)
    target = build_model(described.model, described.model_args, size=32, classes=3)
    report = load_weights(target, newest)
    assert (report.complete, report.part) == (True, part)
    saved = build_model(described.model, described.model_args, size=32, classes=3)
    load_weights(saved, out)
    assert _same(target, saved), "the last checkpoint holds the weights that are saved"

    (out / "config.json").unlink()  # as in a run that has not finished
    unfinished = describe_weights(newest)
    assert unfinished is not None
    assert (unfinished.model, unfinished.size) == (described.model, 32)
    assert (unfinished.mean, unfinished.std) == (None, None)
    assert unfinished.model_args == described.model_args
    (out / "run.json").write_text("{}")
    with pytest.raises(DataError, match=r"run\.json must describe a run"):
        describe_weights(newest)


def test_checkpoint_of_a_segmentation_gives_its_backbone(tmp_path: Path) -> None:
    out = tmp_path / "run"
    pretrain(pretrain_config(out, family="SegRCDB", samples=12))
    newest = sorted((out / "checkpoints").glob("step-*.pt"))[-1]
    described = describe_weights(newest)
    assert described is not None
    target = build_model(described.model, described.model_args, size=32, classes=3)
    assert load_weights(target, newest).complete


def test_finetuning_takes_the_model_of_the_file(tmp_path: Path, file: Path) -> None:
    kwargs = {**SMALL, "patch_size": 8}
    arguments = Namespace(model_kwargs=kwargs, img_size=32)
    held = {"arch": "deit_tiny_patch16_224", "args": arguments, "state_dict_ema": _vit().state_dict()}
    torch.save(held, file)
    config = finetune_config(tmp_path / "run", weights=file, model=None, model_args=(), size=None, epochs=1)
    result = finetune(config)
    assert (result.model, result.size) == ("deit_tiny_patch16_224", 32)
    assert result.match is not None
    assert (result.match.complete, result.match.part) == (True, "state_dict_ema")
    assert json.loads((config.out / "result.json").read_text())["match"]["part"] == "state_dict_ema"
    text = (export_hf(config.out, tmp_path / "hub") / "README.md").read_text()
    assert (
        f"those of {file.name} ({result.match.matched} tensors, from state_dict_ema), with a new head" in text
    )
    assert "is not recorded here" in text
