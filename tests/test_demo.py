"""The demo: what it decides, what it leaves behind when it fails, and commands that say what they should."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from fdsl.cli.parse import parse
from fdsl.cli.preview import PreviewConfig
from fdsl.commands import WIDTH, shell_command
from fdsl.demo import DemoConfig
from fdsl.errors import DataError, InputError
from fdsl.train.config import FinetuneConfig, PretrainConfig

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from fdsl.demo import run
from fdsl.demo.run import DemoResult, new_run_folder, run_demo

CONFIGS = {
    "demo": DemoConfig,
    "pretrain": PretrainConfig,
    "finetune": FinetuneConfig,
    "preview": PreviewConfig,
}


def write_run(out: Path, kind: str, config: dict, result: dict, metrics: str) -> None:
    (out / "checkpoints").mkdir(parents=True)
    (out / "run.json").write_text(json.dumps({"kind": kind, "config": config, "device": "cpu"}))
    (out / "result.json").write_text(json.dumps(result))
    (out / "metrics.csv").write_text(metrics)


def fake_pretrain(config: PretrainConfig) -> None:
    result = {"samples": 640, "seconds": 1.5, "samples_per_second": 426.0, "draw_share": 0.1, "accuracy": 0.2}
    rows = "step,samples,loss,accuracy\n5,320,4.5,0.02\n10,640,4.1,0.05\n"
    write_run(config.out, "pretrain", config.to_json(), result, rows)


def fake_finetune(config: FinetuneConfig) -> None:
    """Score by arm, seed and rate, so that a mix-up shows."""
    accuracy = (0.8 if config.weights else 0.6) + 0.01 * config.seed - config.lr
    rows = f"epoch,step,test_accuracy\n1,4,\n2,8,{accuracy}\n"
    write_run(config.out, "finetune", config.to_json(), {"accuracy": accuracy, "seconds": 1.0}, rows)


@pytest.fixture
def faked(monkeypatch):
    """Leave training out: everything else of a demo runs."""
    monkeypatch.setattr(run, "pretrain", fake_pretrain)
    monkeypatch.setattr(run, "finetune", fake_finetune)
    monkeypatch.setattr(run, "SPEED_BATCH", 8)
    monkeypatch.setattr(run, "SPEED_REPETITIONS", 2)
    monkeypatch.setattr(run, "SPEED_SECONDS", 0.0)


def fail_in(out: Path, error: type[BaseException]) -> None:
    with new_run_folder(out) as folder:
        (folder / "half").write_text("written")
        raise error


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def steps_of(result: DemoResult, asked: DemoConfig, monkeypatch) -> list:
    """Return the commands that the report of `asked` shows."""
    seen = []
    monkeypatch.setattr(run, "render", lambda report: seen.append(report) or "page")
    run_demo(replace(asked, out=result.report.parent))
    return [*seen[0].again, *seen[0].bigger]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"seeds": (0, 1)}, "seeds must be three or more different numbers"),
        ({"seeds": (0, 1, 1)}, "seeds must be three or more different numbers"),
        ({"seeds": (0, 1, -1)}, "seeds must be in"),
        ({"rates": ()}, "rates must be different numbers"),
        ({"rates": (1e-3, 1e-3)}, "rates must be different numbers"),
        ({"rates": (0.0,)}, "rates must be"),
        ({"labels": 1}, "labels must be >= 2"),
        ({"samples": 10}, "samples must be >= 64"),
        ({"classes": 1}, "classes must be >= 2"),
        ({"epochs": 0}, "epochs must be >= 1"),
        ({"threads": 0}, "threads must be >= 1"),
        ({"test_limit": 1}, "test_limit must be >= 2"),
    ],
)
def test_config_names_the_field(fields, message):
    with pytest.raises(InputError, match=message):
        DemoConfig(**fields)


def test_none_is_decided_by_the_data_and_what_is_given_stays():
    decided = DemoConfig().resolved(classes=10)
    assert (decided.labels, decided.epochs) == (100, 100)
    assert None not in (decided.samples, decided.rates)
    given = DemoConfig(labels=50, epochs=7, samples=640, rates=(0.1,))
    assert given.resolved(classes=10) == given
    assert DemoConfig(quick=True).resolved(10).samples < decided.samples / 10


def test_new_run_folders_count_up(tmp_path):
    out = tmp_path / "demo"
    for number in (1, 2, 3):
        with new_run_folder(out) as folder:
            assert folder == out / f"run-{number}"
    assert sorted(path.name for path in out.iterdir()) == ["run-1", "run-2", "run-3"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_failure_removes_what_it_made_and_nothing_else(tmp_path, error):
    out = tmp_path / "demo"
    with pytest.raises(error):
        fail_in(out, error)
    assert not out.exists()
    out.mkdir()
    with new_run_folder(out) as folder:
        (folder / "whole").write_text("kept")
    before = tree(out)
    with pytest.raises(error):
        fail_in(out, error)
    assert tree(out) == before


def test_foreign_folder_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(InputError, match=r"it holds thesis\.tex"), new_run_folder(tmp_path):
        pytest.fail("entered")
    with pytest.raises(InputError, match="it is a file"), new_run_folder(tmp_path / "thesis.tex"):
        pytest.fail("entered")


@pytest.mark.usefixtures("faked")
def test_demo_judges_each_side_at_its_own_best_rate(tmp_path, capsys):
    result = run_demo(DemoConfig(out=tmp_path / "demo", classes=4))
    assert result.comparison.gain == pytest.approx(20)
    assert result.comparison.best_scratch.lr == 5e-4
    assert result.verdict.startswith("Pre-training on formulas helped")
    html = result.report.read_text()
    assert html == (result.folder / "report.html").read_text()
    assert "A trial run" not in html
    assert "+20.0" in html
    summary = json.loads((result.folder / "demo.json").read_text())
    assert summary["accuracies"]["scratch"]["0.001"] == pytest.approx([59.9, 60.9, 61.9])
    assert [speed["size"] for speed in summary["images_per_second"]] == [224, 32]
    assert not list(result.folder.glob("*-seed*/checkpoints"))
    printed = capsys.readouterr().out
    assert printed.count("from scratch  rate") == 9
    assert printed.count("pre-trained   rate") == 9
    assert result.verdict in printed


@pytest.mark.usefixtures("faked")
def test_quick_demo_claims_nothing(tmp_path, capsys):
    result = run_demo(DemoConfig(out=tmp_path / "demo", classes=4, quick=True))
    assert "helped" not in result.verdict
    assert "No gain is to be expected" in result.report.read_text()
    assert "No gain is to be expected" in " ".join(capsys.readouterr().out.split())


@pytest.mark.usefixtures("faked")
def test_interrupted_demo_leaves_the_earlier_one_alone(tmp_path, monkeypatch):
    out = tmp_path / "demo"
    run_demo(DemoConfig(out=out, classes=4))
    before = tree(out)

    def interrupted(config):
        fake_finetune(config)
        if config.seed == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(run, "finetune", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(DemoConfig(out=out, classes=4))
    assert tree(out) == before


@pytest.mark.usefixtures("faked")
def test_broken_image_ends_the_demo_before_anything_is_written(tmp_path, capsys):
    from PIL import Image

    for number in range(40):
        path = tmp_path / "photos" / f"class{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 48), (6 * number, 0, 0)).save(path)
    path.write_bytes(b"not a picture")
    config = DemoConfig(out=tmp_path / "demo", data=str(tmp_path / "photos"), classes=4, labels=32)
    with pytest.raises(DataError, match=r"39\.png"):
        run_demo(config)
    assert not config.out.exists()
    result = run_demo(replace(config, skip_broken=True, labels=20))
    html = result.report.read_text()
    assert "All 20 labelled images" in html
    assert "1 broken image was left out." in html
    assert "1 broken image was left out, the first: " in capsys.readouterr().out
    skipped = json.loads((result.folder / "demo.json").read_text())["skipped"]
    assert len(skipped) == 1
    assert "39.png" in skipped[0]


@pytest.mark.usefixtures("faked")
def test_unbalanced_classes_pass_the_test_limit(tmp_path, capsys):
    from PIL import Image

    for split, counts in (("train", (10, 10)), ("test", (20, 3))):
        for label, count in enumerate(counts):
            folder = tmp_path / "photos" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number}.png")
    config = DemoConfig(
        out=tmp_path / "demo", data=str(tmp_path / "photos"), classes=4, labels=8, test_limit=12, threads=1
    )
    html = run_demo(config).report.read_text()
    assert "Accuracy is measured on 12 others." in html
    assert "on 1 thread\n" in capsys.readouterr().out
    assert "The best rate from scratch and with pre-training is at the edge" in html
    assert "One pre-training lies under all seeds" in html


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"family": "rcbd"}, "family must be one of"),
        ({"data": "nowhere"}, "data must be"),
        ({"labels": 5}, "labels"),
    ],
)
def test_unusable_input_ends_the_demo_before_anything_is_written(tmp_path, capsys, fields, message):
    config = DemoConfig(out=tmp_path / "demo", **fields)
    with pytest.raises(InputError, match=message):
        run_demo(config)
    assert not config.out.exists()
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("faked")
def test_commands_in_the_report_are_understood(tmp_path, monkeypatch):
    asked = DemoConfig(out=tmp_path / "demo", classes=4, labels=20, seeds=(3, 4, 5), quick=True)
    result = run_demo(asked)
    parsed = []
    for step in steps_of(result, asked, monkeypatch):
        line = step.command.replace("\\\n", " ").replace("\n", " ").replace("$seed", "3")
        line = re.sub(r"^for seed in 3 4 5; do (.*) done$", r"\1", line.strip())
        program, command, *arguments = shlex.split(line)
        assert program == "fdsl"
        parsed.append((command, parse(CONFIGS[command], command, arguments)))
    assert [command for command, _ in parsed] == [
        "demo", "preview", "pretrain", "finetune", "finetune",
        "demo", "pretrain", "finetune", "pretrain", "finetune",
    ]  # fmt: skip
    demo, preview, pretraining, pretrained, scratch = (config for _, config in parsed[:5])
    assert demo == asked
    assert preview.classes == 4
    ran = PretrainConfig.from_json(
        json.loads((result.folder / "pretrain" / "run.json").read_text())["config"]
    )
    assert pretraining == replace(ran, out=Path("again/pretrain"))
    assert replace(pretrained, weights=None, out=scratch.out) == scratch
    assert pretrained.weights == pretraining.out
    assert (scratch.lr, scratch.seed, scratch.labels, scratch.out) == (1e-3, 3, 20, Path("again/scratch-3"))


@pytest.mark.parametrize(
    "config",
    [
        FinetuneConfig(out=Path("a b"), data="it's", flip=False, test_limit=None, resume=True),
        FinetuneConfig(out=Path("x"), data="digits", flip=True, model_args=("depth=4", "class_token=false")),
        PretrainConfig(out=Path("x"), crop_scale=None, lr=3e-4),
        PretrainConfig(out=Path("x"), crop_scale=(0.5, 0.75), instances=None),
    ],
)
def test_shell_command_comes_back_as_the_config(config):
    command = {FinetuneConfig: "finetune", PretrainConfig: "pretrain"}[type(config)]
    text = shell_command(command, config)
    assert all(len(line) <= WIDTH + 2 for line in text.splitlines())
    words = shlex.split(text.replace("\\\n", " "))
    assert parse(type(config), command, words[2:]) == config


def test_shell_command_refuses_an_unknown_field():
    with pytest.raises(KeyError, match="no field seeed"):
        shell_command("pretrain", PretrainConfig(out=Path("x")), seeed="$seed")


def test_labelled_images_show_a_hundred_at_most(tmp_path):
    from fdsl.data.real import few_labels, open_images
    from fdsl.evaluate.reporting.examples import labelled_images

    images = few_labels(open_images("digits"), 250, seed=0)
    picture = labelled_images(images, seed=0, tested=898)
    assert picture.caption.startswith("100 of the 250 labelled images that seed 0 trains on")
    assert picture.image.size == (20 * 34 + 2, 5 * 34 + 2)


def test_small_demo_runs_end_to_end(tmp_path, monkeypatch):
    monkeypatch.setattr(run, "SPEED_BATCH", 8)
    monkeypatch.setattr(run, "SPEED_SECONDS", 0.0)
    config = DemoConfig(
        out=tmp_path / "demo", quick=True, classes=2, samples=128, labels=20, epochs=1, rates=(1e-3,),
        test_limit=20, threads=1,
    )  # fmt: skip
    result = run_demo(config)
    assert result.report.stat().st_size > 100_000
    assert len(result.comparison.gains) == 3
    assert (result.folder / "pretrain" / "model.safetensors").is_file()
