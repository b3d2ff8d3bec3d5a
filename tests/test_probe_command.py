"""`fdsl probe` from end to end on tiny weights: what it writes, that it repeats, and one line for each bad input."""

from __future__ import annotations

import csv
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")
pytest.importorskip("matplotlib")

from safetensors.torch import load_file, save_file  # noqa: E402

from fdsl.cli import main  # noqa: E402
from fdsl.evaluate.probing import ProbeConfig, probe  # noqa: E402
from fdsl.evaluate.probing.classifiers import judge  # noqa: E402
from fdsl.evaluate.probing.features import extract  # noqa: E402
from fdsl.train.model import build_model  # noqa: E402
from fdsl.train.weights import save_weights  # noqa: E402

VIT = {
    "patch_size": 8,
    "embed_dim": 16,
    "depth": 1,
    "num_heads": 2,
    "class_token": False,
    "global_pool": "avg",
}
FILES = {
    "calibration.png",
    "confusion.csv",
    "confusion.png",
    "predictions.csv",
    "probe.json",
    "shape.png",
}
DIGITS = ("--data", "digits", "--labels", "40", "--test-limit", "60", "--threads", "1")


def saved(folder: Path, name: str, args: dict[str, Any], size: int = 32) -> Path:
    """Write random weights as a training leaves them."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = build_model(name, args, size=size, classes=4)
    three = (0.5, 0.5, 0.5)
    save_weights(model, folder, size=size, mean=three, std=three, classes=list("abcd"))
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("weights") / "vit", "vit_tiny_patch16_224", VIT)


@pytest.fixture(scope="module")
def done(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a probe with two seeds."""
    out = tmp_path_factory.mktemp("done") / "probe"
    assert main(["probe", str(weights), *DIGITS, "--seeds", "1", "2", "--out", str(out)]) == 0
    return out


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., str]:
    """Return a function that runs a probe, checks that it ends in one line and writes nothing, and returns the line."""

    def run(*argv: object) -> str:
        assert main(["probe", *map(str, argv), "--out", str(tmp_path / "out")]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: ")
        assert printed.count("\n") == 1
        assert not (tmp_path / "out").exists()
        return printed

    return run


def class_folders(root: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Write images of noise, darker or lighter by class."""
    rng = np.random.default_rng(seed)
    for level, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for n in range(count):
            pixels = rng.integers(60 * level, 60 * level + 60, (20, 24, 3), np.uint8)
            Image.fromarray(pixels).save(root / name / f"{n}.png")
    return root


def test_writes_numbers_with_spread_and_pictures(done: Path) -> None:
    assert {path.name for path in done.iterdir()} == FILES
    told = json.loads((done / "probe.json").read_text())
    assert (told["what"], told["data"], told["seeds"]) == ("probe", "digits", [1, 2])
    assert (told["labels"], told["test_images"], told["features"]) == (40, 60, 16)
    assert (told["neighbours"], told["folds"]) == (4, 4)
    assert "neighbours are 4, not 20: the smallest class has no more labelled images" in told["notes"]
    for name in ("linear", "knn"):
        score = told[name]
        seeds = list(score["by_seed"].values())
        assert score["accuracy"] == pytest.approx(np.mean(seeds))
        assert score["deviation"] == pytest.approx(np.std(seeds, ddof=1))
        assert score["interval"][0] < score["accuracy"] < score["interval"][1]
        assert score["class_average"] == pytest.approx(np.mean(list(score["per_class"].values())))
        assert sum(score["reliability"]["count"]) == 2 * 60
        assert told["robustness"]["plain"][name] == score["accuracy"]
    assert list(told["robustness"]) == ["plain", "edges", "blurred", "shuffled"]
    for picture in done.glob("*.png"):
        assert len(Image.open(picture).convert("L").getcolors()) > 10


def test_seeds_are_the_probes_of_a_sweep(weights: Path, done: Path) -> None:
    told = json.loads((done / "probe.json").read_text())
    config = ProbeConfig(weights=weights, data="digits", labels=40, test_limit=60, threads=1)
    for seed in (1, 2):
        alone = judge(extract(config.finetuning(seed)), seed)
        assert alone.linear == told["linear"]["by_seed"][str(seed)]
        assert alone.knn == told["knn"]["by_seed"][str(seed)]
        assert alone.strength == told["strength"][str(seed)]


def test_tables_are_of_the_first_seed(done: Path) -> None:
    told = json.loads((done / "probe.json").read_text())
    with (done / "confusion.csv").open(newline="") as file:
        _, *rows = csv.reader(file)
    counts = np.array([[int(cell) for cell in row[1:]] for row in rows])
    assert counts.sum() == 60
    assert counts.trace() / 60 == told["linear"]["by_seed"]["1"]
    with (done / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 60


def test_the_command_in_it_repeats_it(done: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (done / "probe.json").read_bytes()
    program, *argv = shlex.split(json.loads(before)["command"].replace("\\\n", ""))
    assert program == "fdsl"
    pictures = {name: (done / name).read_bytes() for name in FILES}
    assert main(argv) == 0  # in the place of the earlier one
    assert {name: (done / name).read_bytes() for name in FILES} == pictures
    printed = capsys.readouterr().out
    for words in (
        "linear probe",
        "nearest neighbours",
        "class average",
        "worst classes",
        "shape bias",
        "shape.png",
    ):
        assert words in printed


def test_a_convolutional_network_and_odd_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Images of another size than the model, a class with one image, one that is not tested, a broken image."""
    weights = saved(tmp_path / "conv", "test_convnext", {})
    class_folders(tmp_path / "data" / "train", {"dark": 4, "gray": 4, "light": 1})
    class_folders(tmp_path / "data" / "test", {"dark": 3, "gray": 3}, seed=1)
    (tmp_path / "data" / "train" / "dark" / "0.png").write_bytes(b"no picture")
    result = probe(ProbeConfig(weights=weights, data=str(tmp_path / "data"), skip_broken=True, threads=1))
    assert result.classes == ["dark", "gray", "light"]
    assert list(result.linear.per_class) == ["dark", "gray"]
    assert result.features == 64
    assert (result.untested, result.labels, result.folds, result.neighbours) == (["light"], 8, 0, 1)
    assert result.linear.deviation is None
    assert len(result.skipped) == 1
    printed = capsys.readouterr().out
    for words in (
        "1 broken image left out: ",
        "C is 0.01, not chosen by cross-validation: a class has one labelled image alone",
        "no test images of 1 of 3 classes, which count nowhere: light",
    ):
        assert words in printed
        assert any(words in note for note in result.notes)


def test_weights_without_config_are_told_what_they_are(
    weights: Path, done: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    lone = shutil.copy(weights / "model.safetensors", tmp_path / "lone.safetensors")
    args = [f"{key}={json.dumps(value)}" for key, value in VIT.items()]
    model = ("--model", "vit_tiny_patch16_224", "--size", "32", "--model-args", *args)
    assert "model must be given" in refused(lone, *DIGITS)
    assert "mean and std must be given, got none" in refused(lone, *DIGITS, *model)
    three = ("0.5",) * 3
    told = (*model, "--mean", *three, "--std", *three, "--seeds", "1", "2", "--out", "found")
    assert main(["probe", str(lone), *DIGITS, *told]) == 0
    first, second = (json.loads((folder / "probe.json").read_text()) for folder in (done, Path("found")))
    for name in ("linear", "knn", "robustness"):
        assert first[name] == second[name]


def test_bad_weights_are_refused(weights: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "it does not exist" in refused(tmp_path / "nowhere", *DIGITS)
    copy = Path(shutil.copytree(weights, tmp_path / "copy"))
    whole = (weights / "model.safetensors").read_bytes()
    (copy / "model.safetensors").write_bytes(whole[:-100])
    assert "must be a whole safetensors file" in refused(copy, *DIGITS)
    tensors = load_file(weights / "model.safetensors")
    save_file({name: tensor * torch.nan for name, tensor in tensors.items()}, copy / "model.safetensors")
    assert "must be finite numbers, got others" in refused(copy, *DIGITS)
    told = json.loads((weights / "config.json").read_text())
    told["model_args"]["depth"] = 3
    (copy / "config.json").write_text(json.dumps(told))
    said = refused(copy, *DIGITS)
    assert "must fill vit_tiny_patch16_224: missing: blocks.1" in said
    assert said.rstrip().endswith("and 21 more")


def test_a_size_that_cannot_change_is_said(tmp_path: Path, refused: Callable[..., str]) -> None:
    weights = saved(tmp_path / "mixer", "gmlp_ti16_224", {})
    said = refused(weights, *DIGITS, "--size", "64")
    assert f"size must be 32, as {weights} has it, got 64" in said
    assert "cannot be brought to another size" in said


def test_bad_data_are_refused(weights: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    folders = class_folders(tmp_path / "folders", {"dark": 6, "light": 6})
    data = ("--data", folders, "--threads", "1")
    assert "neighbours must be at most 5, as many as the smallest class" in refused(
        weights, *data, "--neighbours", "6"
    )
    assert "labels must be fewer, got 40" in refused(weights, *data, "--labels", "40")
    (folders / "dark" / "2.png").write_bytes(b"no picture")
    assert "2.png cannot be read: not an image" in refused(weights, *data)
    single = class_folders(tmp_path / "single", {"dark": 6})
    assert "at least two class folders, got 1" in refused(weights, "--data", single)
    cell = {"bytes": (single / "dark" / "0.png").read_bytes(), "path": None}
    for split in ("train", "test"):
        table = pa.table({"image": [cell] * 4, "label": [0] * 4})
        pq.write_table(table, single / f"{split}-00000-of-00001.parquet")
    assert "two classes at least, got '0' alone" in refused(weights, "--data", single)
    assert "data must be 'digits' or an existing folder" in refused(weights, "--data", tmp_path / "nothing")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--seeds", "1", "1"), "seeds must differ, got 1, 1"),
        (("--shots", "5", "--labels", "50"), "shots must be None with labels 50"),
        (("--neighbours", "0"), "neighbours must be in 1..10000, got 0"),
        (("--mean", "0.5", "0.5", "0.5"), "mean and std must be given together"),
        (("--mean", "0.5", "0.5", "2", "--std", "1", "1", "1"), "mean[2] must be in [0, 1], got 2.0"),
        (("--test-limit", "1"), "test_limit must be in 2.."),
        (("--size", "4"), "size must be in 8..1024, got 4"),
    ],
)
def test_bad_options_are_refused(argv: tuple[str, ...], words: str, refused: Callable[..., str]) -> None:
    assert words in refused("weights", "--data", "digits", *argv)


def test_a_folder_with_other_things_is_left_alone(
    weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").touch()
    assert main(["probe", str(weights), *DIGITS, "--out", "out"]) == 2
    assert "hold an earlier probe alone, got out: it holds thesis.tex" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["thesis.tex"]
