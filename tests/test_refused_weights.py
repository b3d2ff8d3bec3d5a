"""Weights that are refused: what would run code, which a marker file would tell, and what is damaged or else."""

from __future__ import annotations

import io
import os
import pickle
import re
import tarfile
import zipfile
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

from torch import nn  # noqa: E402

from fdsl.cli import main  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.train.model import build_model  # noqa: E402
from fdsl.train.weights import describe_weights, load_weights, pickles  # noqa: E402
from fdsl.train.weights.pickles import read_pickle  # noqa: E402

VIT = {"embed_dim": 16, "depth": 1, "num_heads": 2, "patch_size": 8}


def _vit() -> nn.Module:
    return build_model("deit_tiny_patch16_224", VIT, size=32, classes=5).eval()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "model_best.pth.tar"


# Code ----------------------------------------------------------------------------------------------------------------


class _Calls:
    """An object whose pickle calls a function when it is read."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.call


class _Loud(Namespace):
    """A Namespace by inheritance, which would do something on being read."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        Path(state["marker"]).touch()


def _attacks(marker: Path) -> dict[str, Any]:
    loud = _Loud(marker=str(marker))
    hidden = Namespace(lr=1.0, model=_Calls(os.system, f"touch {marker}"))
    return {
        "system": _Calls(os.system, f"touch {marker}"),
        "eval": _Calls(eval, f"__import__('pathlib').Path({str(marker)!r}).touch()"),
        "exec": _Calls(exec, f"__import__('pathlib').Path({str(marker)!r}).touch()"),
        "mkdir": _Calls(os.mkdir, str(marker)),
        "import": _Calls(__import__, "os"),
        "loads": _Calls(pickle.loads, pickle.dumps(_Calls(os.system, f"touch {marker}"))),
        "load": _Calls(torch.load, str(marker)),
        "namespace": hidden,
        "subclass": loud,
    }


ATTACKS = sorted(_attacks(Path()))


@pytest.mark.parametrize("attack", sorted({*ATTACKS} - {"import", "load"}))  # these would leave no marker
def test_attacks_would_work_on_an_unguarded_reader(tmp_path: Path, attack: str) -> None:
    """Without this the tests below could pass because the marker never comes."""
    marker = tmp_path / "marker"
    held = pickle.dumps(_attacks(marker)[attack])
    pickle.loads(held)
    assert marker.exists()


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["alone", "tensor", "optimizer", "deep", "key"])
def test_code_in_a_file_is_refused_and_never_run(tmp_path: Path, attack: str, place: str) -> None:
    marker = tmp_path / "marker"
    bad, tensors = _attacks(marker)[attack], _vit().state_dict()
    contents: dict[str, Any] = {
        "alone": bad,
        "tensor": {"state_dict": {**tensors, "cls_token": bad}},
        "optimizer": {"state_dict": tensors, "optimizer": {"state": {0: {"step": bad}}}},
        "deep": {"state_dict": tensors, "args": Namespace(a=[{"b": (1, bad)}])},
        "key": {"state_dict": tensors, "more": [(bad, 1)]},
    }
    for number, archive in enumerate((True, False)):
        path = tmp_path / f"{number}.pth.tar"
        torch.save(contents[place], path, _use_new_zipfile_serialization=archive)
        for read in (lambda path=path: load_weights(_vit(), path), lambda path=path: describe_weights(path)):
            with pytest.raises(DataError, match=r"never run|damaged") as refused:
                read()
            assert "\n" not in str(refused.value)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["bare.pth", "bare.pt", "bare.bin", "bare.pth.tar", "bare.safetensors"])
def test_bare_pickle_under_any_name_is_refused(tmp_path: Path, name: str, protocol: int) -> None:
    marker = tmp_path / "marker"
    (tmp_path / name).write_bytes(pickle.dumps(_Calls(os.system, f"touch {marker}"), protocol))
    with pytest.raises(DataError):
        load_weights(_vit(), tmp_path / name)
    assert not marker.exists()


@pytest.mark.parametrize(
    "name", ["FileType", "Namespace.__init__", "_os.system", "Namespace.__init__.__globals__"]
)
def test_of_argparse_nothing_but_the_namespace_is_allowed(file: Path, name: str) -> None:
    """By the instruction that looks a name up, as no pickler would write it."""
    file.write_bytes(b"\x80\x02cargparse\n" + name.encode() + b"\n.")
    with pytest.raises(DataError, match=re.escape(f"got argparse.{name}: code in a file is never run")):
        read_pickle(file)


def test_namespace_calls_nothing_that_it_is_given(file: Path) -> None:
    """State that poses as a method: torch may call it, but it can be nothing beyond what torch's list has."""
    torch.save({"args": Namespace(__setstate__=[], keys=1, as_subclass=2)}, file)
    assert vars(read_pickle(file)["args"]) == {"__setstate__": [], "keys": 1, "as_subclass": 2}


def test_tar_archive_is_refused(tmp_path: Path, file: Path) -> None:
    """The format of torch before 0.2, whose reader some versions let run code whatever they were told."""
    marker = tmp_path / "marker"
    held = pickle.dumps(_Calls(os.system, f"touch {marker}"), 2)
    for mode in ("w", "w:gz"):
        with tarfile.open(file, mode) as archive:
            for name in ("storages", "tensors", "pickle"):
                member = tarfile.TarInfo(name)
                member.size = len(held)
                archive.addfile(member, io.BytesIO(held))
        with pytest.raises(DataError, match="tar archive"):
            load_weights(_vit(), file)
    assert not marker.exists()


def test_whole_module_is_refused(file: Path) -> None:
    torch.save(nn.Linear(2, 2), file)
    with pytest.raises(
        DataError, match=r"got torch\.nn\.modules\.linear\.Linear: code in a file is never run"
    ):
        load_weights(_vit(), file)


def test_numpy_scalars_are_refused(file: Path) -> None:
    torch.save({"state_dict": _vit().state_dict(), "metric": np.float64(0.5)}, file)
    with pytest.raises(DataError, match=r"numpy\S+scalar: code in a file is never run; where you trust"):
        load_weights(_vit(), file)


def test_torch_with_known_holes_reads_no_pickle(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(_vit().state_dict(), file)
    monkeypatch.setattr(pickles, "SOUND", "99.0")
    with pytest.raises(InputError, match=r"must be a \.safetensors file with torch .* takes torch 99\.0"):
        load_weights(_vit(), file)


# Damage and other files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_file_cut_short_anywhere_is_refused(file: Path, archive: bool) -> None:
    torch.save({"state_dict": _vit().state_dict()}, file, _use_new_zipfile_serialization=archive)
    whole, model = file.read_bytes(), _vit()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for length in [*range(64), *np.linspace(64, len(whole) - 1, 100).astype(int).tolist()]:
        file.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"whole file|state dict"):
            load_weights(model, file)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_changed_byte_of_a_tensor_is_found(file: Path) -> None:
    source = _vit()
    torch.save(source.state_dict(), file)
    whole, values = file.read_bytes(), source.blocks[0].mlp.fc1.weight.detach().numpy().tobytes()
    place = whole.index(values) + len(values) // 2
    file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(DataError, match=r"checksum of .*/data/"):
        load_weights(_vit(), file)


@pytest.mark.parametrize("archive", [True, False], ids=["zip", "legacy"])
def test_damaged_bytes_are_refused_or_harmless(file: Path, archive: bool) -> None:
    torch.save({"state_dict": _vit().state_dict()}, file, _use_new_zipfile_serialization=archive)
    whole, draw, model = bytearray(file.read_bytes()), np.random.default_rng(5), _vit()
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    refused: list[str] = []
    for _ in range(150):
        damaged = bytearray(whole)
        for place in draw.integers(0, len(whole) if archive else 3000, 3):
            damaged[place] = draw.integers(256)
        file.write_bytes(damaged)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        try:
            report = load_weights(model, file)
        except DataError as error:  # anything else is a defect
            refused.append(str(error))
            assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        else:
            left = report.replaced + report.missing + report.mismatched
            assert report.matched + len(left) == len(shapes), "every tensor is counted once"
        assert {name: tensor.shape for name, tensor in model.state_dict().items()} == shapes
    assert len(refused) > 100
    assert not any("\n" in message for message in refused)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "it holds nothing"),
        ([], "it holds list"),
        (None, "it holds NoneType"),
        (torch.zeros(3), "it holds Tensor"),
        ({"epoch": 3, "optimizer": {}}, "it holds 'epoch', 'optimizer'"),
        ({"state_dict": {}}, "it holds nothing"),
        ({"state_dict": {"a": 1}}, "it holds 'a'"),
        ({"a": torch.zeros(1), "b": 3}, "got int under 'b'"),
        ({"a": torch.zeros(1), 7: torch.zeros(1)}, "got Tensor under 7"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "plain tensors, got another kind under 'a'"),
        ({"a": torch.zeros(2, device="meta")}, "plain tensors, got another kind under 'a'"),
        ({"blocks.0": torch.zeros(2)}, "none of its 1 tensors"),
        ({"pos_embed": torch.zeros(0)}, "must fit the model VisionTransformer"),
        ({"pos_embed": torch.zeros(())}, "must fit the model VisionTransformer"),
        ({"dist_token": torch.zeros(1), "pos_embed": torch.zeros(1)}, "must fit the model VisionTransformer"),
        ({"mask_token": torch.zeros(1)}, "must fit the model VisionTransformer"),
        ({"model": torch.zeros(1)}, "must fit the model VisionTransformer"),
        ({"visual.class_embedding": torch.zeros(1)}, "must fit the model VisionTransformer"),
    ],
)
def test_files_without_a_fitting_state_dict_are_refused(file: Path, content: Any, message: str) -> None:
    torch.save(content, file)
    with pytest.raises(DataError, match=re.escape(message)) as refused:
        load_weights(_vit(), file)
    assert "\n" not in str(refused.value)


def test_dict_within_itself_ends(file: Path) -> None:
    endless: dict[str, Any] = {}
    endless["model"] = endless
    torch.save(endless, file)
    with pytest.raises(DataError, match="state dict"):
        load_weights(_vit(), file)


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning", "ignore:.*torch.jit.*:FutureWarning")
def test_torchscript_archive_is_refused(file: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(2, 2)), str(file))
    with pytest.raises(DataError, match="TorchScript"):
        load_weights(_vit(), file)


def test_packed_archive_is_refused(file: Path) -> None:
    """A megabyte of nothing packs into a kilobyte: such a file could fill any memory."""
    torch.save(_vit().state_dict(), file)
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, held in parts.items():
            archive.writestr(name, held)
    with pytest.raises(DataError, match="packed"):
        load_weights(_vit(), file)


def test_unreadable_file_keeps_its_own_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save(_vit().state_dict(), file)

    def denied(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(torch, "load", denied)
    with pytest.raises(PermissionError):
        load_weights(_vit(), file)


# The command line ----------------------------------------------------------------------------------------------------


def test_command_refuses_code_in_one_line(
    tmp_path: Path, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = tmp_path / "marker"
    torch.save({"state_dict": _vit().state_dict(), "extra": _Calls(os.system, f"touch {marker}")}, file)
    command = ["finetune", "--out", "run", "--data", "digits", "--weights", str(file), "--model", "resnet18"]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith(
        f"error: {file} must hold tensors and plain values alone, got {os.system.__module__}.system"
    )
    assert not marker.exists()
    assert not Path("run").exists()
