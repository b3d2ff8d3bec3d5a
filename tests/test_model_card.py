"""Model cards: what the files of a run say, and nothing they do not."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from huggingface_hub import ModelCard  # noqa: E402

import fdsl  # noqa: E402
from fdsl.files import read_object  # noqa: E402
from fdsl.train.publishing.export import export_hf  # noqa: E402
from fdsl.train.publishing.finished import read_finished  # noqa: E402
from tiny_runs import finetune_config, run_config  # noqa: E402


def _front(folder: Path) -> dict[str, Any]:
    """Return the front matter as the Hub's own library reads it."""
    data: dict[str, Any] = ModelCard.load(folder / "README.md").data.to_dict()
    return data


KINDS = ("drawn", "masks", "several", "tuned", "scratch")


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
        assert names["answer"] in read_object(runs / kind / "config.json")["label_names"]
    else:
        assert names["features"].shape == (1, 16)
    assert '"hf-hub:someone/other"' in text


def test_card_of_a_pretraining_says_what_the_files_say(runs: Path, tmp_path: Path) -> None:
    folder = export_hf(runs / "drawn", tmp_path / "hub", terms="mit")
    text, result, run = (
        (folder / "README.md").read_text(),
        read_object(runs / "drawn" / "result.json"),
        read_object(runs / "drawn" / "run.json"),
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
    run = read_object(tmp_path / "run" / "run.json")
    run["versions"]["fdsl"] = "0.0.9"
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    text = (export_hf(tmp_path / "run", tmp_path / "hub") / "README.md").read_text()
    assert "- family: RCDB\n" in text


def test_run_of_an_older_version_lacks_newer_fields(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "drawn", tmp_path / "run")
    run = read_object(tmp_path / "run" / "run.json")
    for name in ("alter", "accumulate"):
        del run["config"][name]
    (tmp_path / "run" / "run.json").write_text(json.dumps(run))
    config = read_finished(tmp_path / "run").config
    assert (config["alter"], config["accumulate"]) == ([], 1)


def test_card_of_masks_and_of_several_classes(runs: Path, tmp_path: Path) -> None:
    text = (export_hf(runs / "masks", tmp_path / "masks") / "README.md").read_text()
    result = read_object(runs / "masks" / "result.json")
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
    result = read_object(runs / "tuned" / "result.json")
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
    training = read_object(folder / "training.json")
    assert training["origin"]["dataset"] == read_object(runs / "drawn" / "run.json")["dataset"]
    assert training["result"]["match"]["matched"] == result["match"]["matched"]


def test_card_of_a_probe_and_what_follows_it_knows_its_weights(runs: Path, tmp_path: Path) -> None:
    given = {"weights": runs / "drawn", "model": None, "model_args": (), "size": None}
    result = run_config(finetune_config(tmp_path / "run", epochs=1, probe_epochs=2, **given))
    text = (export_hf(tmp_path / "run", tmp_path / "hub") / "README.md").read_text()
    probe = read_object(tmp_path / "run" / "probe" / "result.json")
    assert result.match.to_json() == probe["match"] == read_object(tmp_path / "run" / "result.json")["match"]
    for fact in (
        f"those of drawn ({probe['match']['matched']} tensors), with a new head that learned alone for 2 passes first",
        f"| accuracy of the head alone, before all of the model learned | {probe['accuracy']:.1%} |",
        f"| the same a class, on average over the classes | {result.class_average_accuracy:.1%} |",
    ):
        assert fact in text, fact


def test_weights_made_again_or_moved_are_not_claimed(runs: Path, tmp_path: Path) -> None:
    for name in ("drawn", "tuned"):
        shutil.copytree(runs / name, tmp_path / name)
    run, weights = read_object(tmp_path / "tuned" / "run.json"), read_object(tmp_path / "drawn" / "run.json")
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
