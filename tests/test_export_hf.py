"""fdsl export hf: a folder that timm loads, a card that says what the files say, and nothing private."""

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

from huggingface_hub import ModelCard  # noqa: E402
from safetensors.torch import load_file  # noqa: E402

import fdsl  # noqa: E402
from fdsl.cli import main  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.train import FinetuneConfig, PretrainConfig  # noqa: E402
from fdsl.train.publishing.export import export_hf  # noqa: E402
from fdsl.train.publishing.finished import read_finished  # noqa: E402
from tiny_runs import contents, finetune_config, pretrain_config, run_config  # noqa: E402

FILES = {"README.md", "config.json", "metrics.csv", "model.safetensors", "training.json"}
SECRET = "private-place"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of each kind."""
    folder = tmp_path_factory.mktemp(SECRET)
    configs: list[PretrainConfig | FinetuneConfig] = [
        pretrain_config(folder / "drawn", alter=("broken=30",), ema_decay=0.9, wandb=None),
        pretrain_config(folder / "masks", family="SegRCDB", samples=12),
        pretrain_config(
            folder / "several",
            family="Contractive",
            options=("variant=point_gray",),
            target="classes",
            classes=3,
        ),
        finetune_config(folder / "tuned", weights=folder / "drawn", model=None, model_args=(), size=None),
        finetune_config(folder / "scratch"),
    ]
    for config in configs:
        run_config(config)
    return folder


def _read(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text())
    return read


def _front(folder: Path) -> dict[str, Any]:
    """Return the front matter as the Hub's own library reads it."""
    data: dict[str, Any] = ModelCard.load(folder / "README.md").data.to_dict()
    return data


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
def test_example_of_the_card_runs(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = export_hf(runs / kind, tmp_path / "some-model", name="someone/other")
    text = (folder / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(code, names)
    if kind in ("tuned", "scratch"):
        assert names["answer"] in _read(runs / kind / "config.json")["label_names"]
    else:
        assert names["features"].shape == (1, 16)
    assert '"hf-hub:someone/other"' in text


def test_card_of_a_pretraining_says_what_the_files_say(runs: Path, tmp_path: Path) -> None:
    folder = export_hf(runs / "drawn", tmp_path / "hub", terms="mit")
    text, result, run = (
        (folder / "README.md").read_text(),
        _read(runs / "drawn" / "result.json"),
        _read(runs / "drawn" / "run.json"),
    )
    front = _front(folder)
    assert (front["library_name"], front["license"]) == ("timm", "mit")
    assert front["pipeline_tag"] == "image-feature-extraction"
    assert {"fdsl", "timm", "rcdb"} <= set(front["tags"])
    (row,) = front["model-index"][0]["results"]
    assert row["metrics"][0]["value"] == result["accuracy"]
    for fact in (
        f"| held-out images recognised (of 10) | {result['accuracy']:.1%} |",
        f"| training loss, at the end | {result['loss']:.4f} |",
        f"digest of the dataset: `{run['dataset']}`",
        "- family: RCDB (variant = released, vertices = (3, 200)",
        "- altered: broken=30",
        "- categories: 4, each one formula",
        "- seed: 0",
        "- images seen: 72, in 12 updates",
        "moving average (decay 0.9)",
        fdsl.RCDB.source,
        "alterations: Kataoka et al.",
        "no photograph",
        f"torch {run['versions']['torch']}",
        f"hardware: {run['device']}",
    ):
        assert fact in text, fact
    model = timm.create_model(f"local-dir:{folder}")
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in text
    (recipe,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    given = json.loads(recipe)
    assert given["alter"] == ["broken=30"]
    assert given.items() <= run["config"].items()
    assert set(run["config"]) - set(given) <= {
        "out", "resume", "threads", "wandb", "checkpoint_every", "keep_last", "keep_every", "log_every",
    }  # fmt: skip


def test_defaults_of_another_version_are_not_claimed(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    run = _read(tmp_path / "run" / "run.json")
    run["versions"]["fdsl"] = "0.0.9"
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    text = (export_hf(tmp_path / "run", tmp_path / "hub") / "README.md").read_text()
    assert "- family: RCDB\n" in text


def test_run_of_an_older_version_lacks_newer_fields(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    run = _read(tmp_path / "run" / "run.json")
    for name in ("alter", "accumulate"):
        del run["config"][name]
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    config = read_finished(tmp_path / "run").config
    assert (config["alter"], config["accumulate"]) == ([], 1)


def test_card_of_masks_and_of_several_classes(runs: Path, tmp_path: Path) -> None:
    text = (export_hf(runs / "masks", tmp_path / "masks") / "README.md").read_text()
    result = _read(runs / "masks" / "result.json")
    assert f"| pixels of held-out images classified rightly (of 10) | {result['accuracy']:.1%} |" in text
    assert f"| mean intersection over union on them | {result['mean_iou']:.1%} |" in text
    assert "segmentation_head.safetensors" in text
    assert "model-index" not in _front(tmp_path / "masks")
    text = (export_hf(runs / "several", tmp_path / "several") / "README.md").read_text()
    assert "held-out images whose likeliest class is in them" in text
    assert "variant = point_gray" in text


def test_card_of_a_finetuning_knows_where_its_weights_come_from(runs: Path, tmp_path: Path) -> None:
    folder = export_hf(runs / "tuned", tmp_path / "hub")
    text, front = (folder / "README.md").read_text(), _front(folder)
    result = _read(runs / "tuned" / "result.json")
    assert front["pipeline_tag"] == "image-classification"
    assert "license" not in front
    assert front["model-index"][0]["results"][0]["dataset"] == {"name": "digits", "type": "digits"}
    for fact in (
        f"| accuracy on 20 test images | {result['accuracy']:.1%} |",
        f"- weights at the start: those of drawn ({result['match']['matched']} tensors), with a new head",
        "### Weights it started from",
        "- family: RCDB (",
        "had seen drawings of formulas alone",
        fdsl.RCDB.source,
        "10 classes of digits",
    ):
        assert fact in text, fact
    training = _read(folder / "training.json")
    assert training["origin"]["dataset"] == _read(runs / "drawn" / "run.json")["dataset"]
    assert training["result"]["match"]["matched"] == result["match"]["matched"]


def test_card_of_a_probe_and_what_follows_it_knows_its_weights(runs: Path, tmp_path: Path) -> None:
    given = {"weights": runs / "drawn", "model": None, "model_args": (), "size": None}
    result = run_config(finetune_config(tmp_path / "run", epochs=1, probe_epochs=2, **given))
    text = (export_hf(tmp_path / "run", tmp_path / "hub") / "README.md").read_text()
    probe = _read(tmp_path / "run" / "probe" / "result.json")
    assert result.match.to_json() == probe["match"] == _read(tmp_path / "run" / "result.json")["match"]
    for fact in (
        f"those of drawn ({probe['match']['matched']} tensors), with a new head that learned alone for 2 passes first",
        f"| accuracy of the head alone, before all of the model learned | {probe['accuracy']:.1%} |",
        f"| the same a class, on average over the classes | {result.class_average_accuracy:.1%} |",
    ):
        assert fact in text, fact


def test_weights_made_again_or_moved_are_not_claimed(runs: Path, tmp_path: Path) -> None:
    for name in ("drawn", "tuned"):
        shutil.copytree(runs / name, tmp_path / name)
    run, weights = _read(tmp_path / "tuned" / "run.json"), _read(tmp_path / "drawn" / "run.json")
    run["config"]["weights"] = str(tmp_path / "drawn")
    (tmp_path / "tuned" / "run.json").write_text(json.dumps(run))
    assert read_finished(tmp_path / "tuned").origin is not None
    weights["finished"] = "2999-01-01T00:00:00+00:00"
    (tmp_path / "drawn" / "run.json").write_text(json.dumps(weights))
    assert read_finished(tmp_path / "tuned").origin is None
    shutil.rmtree(tmp_path / "drawn")
    text = (export_hf(tmp_path / "tuned", tmp_path / "hub") / "README.md").read_text()
    assert "What the weights it started from had learned is not recorded here." in text
    assert "RCDB" not in text


def test_card_of_a_training_from_scratch(runs: Path, tmp_path: Path) -> None:
    text = (export_hf(runs / "scratch", tmp_path / "hub") / "README.md").read_text()
    assert "- weights at the start: random" in text
    assert "It was not pre-trained." in text
    assert "drawings" not in text


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_private_leaves(runs: Path, tmp_path: Path, kind: str) -> None:
    folder = export_hf(runs / kind, tmp_path / "hub")
    texts = "\n".join(path.read_text() for path in folder.iterdir() if path.suffix != ".safetensors")
    for private in (SECRET, str(Path.home()), socket.gethostname(), str(tmp_path), *sys.argv[:1]):
        assert len(private) < 2 or private not in texts, private
    assert not re.search(rf"\b{re.escape(getpass.getuser())}\b", texts)
    assert "command" not in _read(folder / "training.json")


def test_paths_are_cut_to_their_last_part(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "scratch", tmp_path / "run")
    run = _read(tmp_path / "run" / "run.json")
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
    run = _read(runs / "drawn" / "run.json")
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
        ("run.json", "{", DataError, "run.json must be a file of a finished run"),
        ("run.json", "[]", DataError, "run.json must be a file of a finished run, but holds a list"),
        ("run.json", '{"finished": "now"}', DataError, "must hold the files of a run"),
        ("result.json", "", DataError, "result.json must be a file of a finished run"),
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
    config = _read(tmp_path / "run" / "config.json")
    config["model_args"]["depth"] = 2
    (tmp_path / "run" / "config.json").write_text(json.dumps(config))
    with pytest.raises(DataError, match="timm loads"):
        export_hf(tmp_path / "run", tmp_path / "hub")


def test_unfinished_session_is_told(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    run = _read(tmp_path / "run" / "run.json")
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
