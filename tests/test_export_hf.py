"""fdsl export hf: a folder that timm loads, with nothing private in it."""

from __future__ import annotations

import getpass
import json
import re
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from safetensors.torch import load_file  # noqa: E402

from fdsl.cli import main  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.files import read_object  # noqa: E402
from fdsl.train.publishing.export import export_hf  # noqa: E402
from fdsl.train.publishing.finished import read_finished  # noqa: E402
from tiny_runs import contents  # noqa: E402

FILES = {"README.md", "config.json", "metrics.csv", "model.safetensors", "training.json"}
SECRET = "private-place"


KINDS = ("drawn", "masks", "several", "tuned", "scratch")


@pytest.mark.parametrize("kind", KINDS)
def test_timm_loads_the_folder_as_the_run(runs: Path, tmp_path: Path, kind: str) -> None:
    folder = export_hf(runs / kind, tmp_path / "hub")
    assert folder == tmp_path / "hub"
    extra = {"segmentation_head.safetensors"} if kind == "masks" else set()
    assert {path.name for path in folder.iterdir()} == FILES | extra
    images = torch.rand(2, 3, 32, 32)
    models = [
        timm.create_model(f"local-dir:{place}", pretrained=True).eval() for place in (runs / kind, folder)
    ]
    assert torch.equal(models[0](images), models[1](images))
    for name in ("model.safetensors", "config.json", "metrics.csv", *extra):
        assert (folder / name).read_bytes() == (runs / kind / name).read_bytes()


def test_the_hubs_layout(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """timm's loader for the Hub, with files from the folder where it would download them."""
    from timm.models import _hub

    folder = export_hf(runs / "tuned", tmp_path / "hub")
    asked = []

    def download(repo_id: str, filename: str, **_: Any) -> str:
        asked.append((repo_id, filename))
        return str(folder / filename)

    monkeypatch.setattr(_hub, "hf_hub_download", download)
    model = timm.create_model("hf-hub:someone/tuned", pretrained=True).eval()
    assert asked == [("someone/tuned", "config.json"), ("someone/tuned", "model.safetensors")]
    saved = load_file(folder / "model.safetensors")
    assert all(torch.equal(tensor, saved[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_private_leaves(runs: Path, tmp_path: Path, kind: str) -> None:
    folder = export_hf(runs / kind, tmp_path / "hub")
    texts = "\n".join(path.read_text() for path in folder.iterdir() if path.suffix != ".safetensors")
    for private in (SECRET, str(Path.home()), socket.gethostname(), str(tmp_path), *sys.argv[:1]):
        # two files at a time, tests run in processes whose command is "-c"
        assert len(private) < 3 or private not in texts, private
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", texts)
    assert "command" not in read_object(folder / "training.json")


def test_paths_are_cut_to_their_last_part(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "scratch", tmp_path / "run")
    run = read_object(tmp_path / "run" / "run.json")
    for stored, shown in (
        ("digits", "digits"),
        ("/home/ann/photos", "photos"),
        ("../ann/photos/", "photos"),
        (r"C:\Users\ann\photos", "photos"),
        ("torch/cifar10", "torch/cifar10"),
        ("hfds/org/set", "hfds/org/set"),
        ("hfds//home/ann/photos", "photos"),
        (".", "folder"),
    ):
        run["config"]["data"] = stored
        (tmp_path / "run" / "run.json").write_text(json.dumps(run))
        assert read_finished(tmp_path / "run").config["data"] == shown
    run = read_object(runs / "drawn" / "run.json")
    run["config"]["options"] = ["files=/home/ann/categories", "variant=paper"]
    shutil.copytree(runs / "drawn", tmp_path / "drawn")
    (tmp_path / "drawn" / "run.json").write_text(json.dumps(run))
    assert read_finished(tmp_path / "drawn").config["options"] == ["files=categories", "variant=paper"]
    text = (export_hf(tmp_path / "drawn", tmp_path / "hub") / "README.md").read_text()
    assert "ann" not in re.findall(r"\w+", text)


def _spoil(run: Path, name: str, content: str | None) -> None:
    if content is None:
        (run / name).unlink()
    else:
        (run / name).write_text(content)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        (
            "result.json",
            None,
            InputError,
            "run must have finished, got .*: it holds no result.json; --resume",
        ),
        (
            "model.safetensors",
            None,
            InputError,
            "run must have finished, got .*: it holds no model.safetensors",
        ),
        ("run.json", None, InputError, "run must be the folder of a run, got .*: it holds no run.json"),
        ("run.json", "{", DataError, "run.json cannot be read: "),
        ("run.json", "[]", DataError, "run.json must hold a JSON object, got list"),
        ("run.json", '{"finished": "now"}', DataError, "must hold the files of a run"),
        ("result.json", "", DataError, "result.json cannot be read: "),
        ("result.json", "{}", DataError, "must hold the files of a run"),
        ("config.json", "{}", DataError, "must hold the files of a run"),
        ("model.safetensors", "short", DataError, "must hold weights that timm loads"),
    ],
)
def test_runs_that_cannot_be_shared(
    runs: Path, tmp_path: Path, name: str, content: str | None, error: type[Exception], message: str
) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    _spoil(tmp_path / "run", name, content)
    with pytest.raises(error, match=message) as refused:
        export_hf(tmp_path / "run", tmp_path / "hub")
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_weights_of_another_model_are_found_out(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    config = read_object(tmp_path / "run" / "config.json")
    config["model_args"]["depth"] = 2
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="timm loads"):
        export_hf(tmp_path / "run", tmp_path / "hub")


def test_unfinished_session_is_told(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    run = read_object(tmp_path / "run" / "run.json")
    run["finished"] = None
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    with pytest.raises(InputError, match=r"its last session did not end; --resume continues it"):
        export_hf(tmp_path / "run", tmp_path / "hub")


def test_folder_of_several_seeds_names_them(runs: Path, tmp_path: Path) -> None:
    for place in ("", "seed-4", "seed-5"):
        shutil.copytree(runs / "tuned", tmp_path / "run" / place, dirs_exist_ok=True)
    (tmp_path / "run" / "model.safetensors").unlink()
    with pytest.raises(InputError, match="it holds runs of 2, seed-4 is the first"):
        export_hf(tmp_path / "run", tmp_path / "hub")


def test_folder_of_runs_names_them(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no run\.json, but folders that do: drawn, masks, scratch"):
        export_hf(runs, tmp_path / "hub")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--name", "no user"], "name must be USER/NAME"),
        (["--name", "nouser"], "name must be USER/NAME as the Hub takes it, got 'nouser': it has no user"),
        (["--name", "a/b/c"], "name must be USER/NAME"),
        (["--license", "MIT License"], "license must be an identifier such as mit"),
        (["--licence", "mit"], "--license"),
    ],
)
def test_command_refuses_in_one_line(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["export", "hf", str(runs / "drawn"), "--out", "hub", *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert message in error
    assert not any(tmp_path.iterdir())


def test_command_writes_the_folder_once(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "export",
        "hf",
        str(runs / "drawn"),
        "--out",
        "a#b?/hub",
        "--name",
        "ann/drawn",
        "--license",
        "mit",
    ]
    assert main(command) == 0
    assert "timm loads local-dir:a#b?/hub" in capsys.readouterr().out
    before = contents(tmp_path)
    assert main(command) == 2
    assert "out must be a new or empty folder" in capsys.readouterr().err
    assert contents(tmp_path) == before
    assert main(["export"]) == 2
    assert "fdsl export must be followed by hf" in capsys.readouterr().err
