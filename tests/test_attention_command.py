"""`fdsl attention` from weights to pictures: runs, checkpoints, families, data, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("matplotlib")

from PIL import Image

from fdsl.cli.app import main
from fdsl.errors import InputError
from fdsl.evaluate.attention import attending
from fdsl.evaluate.attention.attending import attend, heads_files
from fdsl.evaluate.attention.config import AttentionConfig
from fdsl.evaluate.attention.images import rendered_images
from fdsl.evaluate.attention.origins import Origin, distinct_names, find_origin
from fdsl.render import Renderer
from fdsl.train.model import build_model
from fdsl.train.weights import save_weights


def config_of(*weights: Path, **changed: Any) -> AttentionConfig:
    return AttentionConfig(weights=weights, **{"images": 1, "measured": 3, "threads": 1, **changed})


@pytest.fixture
def unpictured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the pictures, which take most of the time, where numbers alone are at stake."""
    for name in ("picture_maps", "picture_heads"):
        monkeypatch.setattr(attending, name, lambda *_: None)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_command_looks_at_scratch_pre_trained_and_fine_tuned(
    runs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = [str(runs / name) for name in ("drawn", "tuned")]
    command = ["attention", *weights, "--images", "1", "--measured", "5", "--threads", "1", "--out"]
    assert main([*command, "a"]) == 0
    said = capsys.readouterr().out
    assert "fine-tuned" in said
    assert "digits" in said
    found = json.loads(Path("a/attention.json").read_text())
    assert [model["name"] for model in found["models"]] == ["scratch", "pre-trained", "fine-tuned"]
    assert [model["weights"] for model in found["models"]] == [None, *weights]
    assert (found["what"], found["family"], found["classes"], found["data"]) == (
        "attention",
        "RCDB",
        4,
        "digits",
    )
    assert (found["images"], found["measured"], found["real_measured"]) == (1, 5, 5)
    shares = {model["contour_share"]["mean"] for model in found["models"]}
    assert len(shares) == 3  # other weights, other attention
    for model in found["models"]:
        assert model["method"] == "rollout"
        assert model["lift"]["mean"] > 0
        assert np.shape(model["heads"]) == np.shape(model["edge_heads"]) == (1, 2)
        assert model["edge_share"]["images"] == 5
    assert set(found["pictures"]) | {"attention.json"} == {path.name for path in Path("a").iterdir()}
    with Image.open("a/attention.png") as picture:
        assert min(picture.size) > 500
    assert main([*command, "b"]) == 0
    assert contents(Path("a")) == contents(Path("b"))


def test_an_earlier_result_is_replaced_and_other_files_are_not(runs: Path, tmp_path: Path) -> None:
    out = tmp_path / "there"
    out.mkdir()
    (out / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="out must be"):
        attend(config_of(runs / "drawn", out=out))
    (out / "notes.txt").unlink()
    (out / "attention.json").write_text('{"what": "attention"}')
    (out / "heads-pre-trained.png").write_text("earlier")
    attend(config_of(runs / "tuned", out=out, scratch=False))
    assert set(contents(out)) == {"attention.json", "attention.png", "heads-fine-tuned.png"}


@pytest.mark.usefixtures("unpictured")
def test_a_segmentation_is_looked_at_with_its_own_images(runs: Path) -> None:
    result = attend(config_of(runs / "masks", scratch=False))
    assert (result.family, result.data, result.real_measured) == ("SegRCDB", None, 0)
    assert result.models[0].reads == "mean over patches"
    assert find_origin(runs / "masks").segments
    assert not find_origin(runs / "drawn").segments
    with pytest.raises(InputError, match="without a classifier"):
        attend(config_of(runs / "masks", method="grad-cam", out=Path("b")))


def test_weights_of_other_sizes_and_kinds_stand_beside_each_other(runs: Path, tmp_path: Path) -> None:
    net, folder = (
        build_model("convnext_atto", {"dims": (8, 8, 8, 8), "depths": (1, 1, 1, 1)}, size=96, classes=3),
        (tmp_path / "net"),
    )
    save_weights(net, folder, size=96, mean=(0.5,) * 3, std=(0.5,) * 3, classes=("a", "b", "c"))
    with pytest.raises(InputError, match="ConvNeXt: it has none; --method grad-cam"):
        attend(config_of(runs / "drawn", folder))
    result = attend(config_of(runs / "drawn", folder, method="grad-cam"))
    assert [(m.name, m.size, m.grid) for m in result.models] == [
        ("scratch", 32, 2),
        ("pre-trained", 32, 2),
        ("net", 96, 3),
    ]
    assert result.pictures == ("attention.png",)
    assert result.models[2].rendered_heads is None


@pytest.mark.usefixtures("unpictured")
def test_grad_cam_uses_the_head_that_was_trained(runs: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    changed = Path(shutil.copytree(runs / "drawn", tmp_path / "changed"))
    tensors = load_file(changed / "model.safetensors")
    tensors["head.weight"] *= -1
    save_file(tensors, changed / "model.safetensors")
    both = attend(config_of(runs / "drawn", changed, method="grad-cam", scratch=False, measured=8)).models
    assert [model.name for model in both] == ["pre-trained (drawn)", "pre-trained (changed)"]
    assert both[0].rendered != both[1].rendered


@pytest.mark.usefixtures("unpictured")
def test_a_run_that_goes_on_is_looked_at_by_a_checkpoint(runs: Path, tmp_path: Path) -> None:
    going = Path(shutil.copytree(runs / "drawn", tmp_path / "going"))
    for name in ("model.safetensors", "config.json", "result.json"):
        (going / name).unlink()
    newest = sorted((going / "checkpoints").glob("*.pt"))[-1]
    with pytest.raises(InputError, match=f"name its newest checkpoint, {newest}"):
        attend(config_of(going))
    (model,) = attend(config_of(newest, scratch=False)).models
    assert (model.name, model.standardized_by) == ("pre-trained, update 12", "rendered images")
    shutil.rmtree(going / "checkpoints")
    with pytest.raises(InputError, match="no checkpoint yet"):
        attend(config_of(going))


def test_folders_of_seeds_and_of_nothing_are_refused(runs: Path, tmp_path: Path) -> None:
    shutil.copytree(runs / "tuned", tmp_path / "many" / "seed-3")
    with pytest.raises(InputError, match=f"name {tmp_path / 'many' / 'seed-3'}"):
        find_origin(tmp_path / "many")
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InputError, match=r"it has none"):
        attend(config_of(tmp_path / "nothing"))
    with pytest.raises(InputError, match="does not exist"):
        attend(config_of(tmp_path / "nowhere"))


def test_names_are_told_apart() -> None:
    def origin(path: str, kind: str | None, **config: Any) -> Origin:
        return Origin(weights=Path(path), kind=kind, config=config, segments=False)

    assert distinct_names(
        [
            origin("a/one", "pretrain"),
            origin("b/one", "pretrain"),
            origin("b/two", "finetune", weights="a/one"),
            origin("b/three", "finetune", weights=None),
            origin("scratch", None),
        ]
    ) == [
        "pre-trained (one) (1)",
        "pre-trained (one) (2)",
        "fine-tuned",
        "trained from scratch",
        "scratch (scratch)",
    ]


def test_names_that_no_picture_could_have_keep_apart(runs: Path, tmp_path: Path) -> None:
    """Letters of no file's name, and dollar signs, which begin a formula in Matplotlib."""
    folders = [Path(shutil.copytree(runs / "drawn", tmp_path / name)) for name in ("$a_", "犬", "猫")]
    for folder in folders:
        (folder / "run.json").unlink()
    result = attend(config_of(*folders, scratch=False))
    assert [model.name for model in result.models] == ["$a_", "犬", "猫"]
    assert result.pictures == ("attention.png", "heads-a_-1.png", "heads-model-2.png", "heads-model-3.png")
    assert set(contents(Path("attention"))) == {"attention.json", *result.pictures}
    assert heads_files(result.models[:1]) == ["heads-a_.png"]


def test_rendered_images_are_of_the_run_and_unseen(runs: Path) -> None:
    fine_tuned = [find_origin(runs / "tuned")]
    for origins in ([find_origin(runs / "drawn")], fine_tuned):  # a fine-tuning knows what it began with
        images = rendered_images(config_of(runs / "drawn", measured=9), origins)
        assert (images.family.classes, images.lines, len(images)) == (4, "crisp", 9)
        assert images.instances.min() == 8  # training had 0..7
        pairs = set(zip(images.categories.tolist(), images.instances.tolist(), strict=True))
        assert len(pairs) == 9
    named = rendered_images(config_of(runs / "drawn", family="visualatom", classes=5), fine_tuned)
    assert (named.family.name, named.family.classes) == ("VisualAtom", 5)
    other = rendered_images(config_of(runs / "drawn", measured=9, seed=1), fine_tuned)
    assert other.categories.tolist() != images.categories.tolist()


@pytest.mark.parametrize("family", ["RCDB", "Contractive", "SegRCDB"])
def test_marks_are_what_the_formula_draws(family: str) -> None:
    images = rendered_images(config_of(Path("a"), family=family, classes=3), [])
    numbers = np.arange(3)
    table = images.family.table(0, images.categories, images.instances)
    drawn = Renderer(images.family.native_size, "crisp")(table) != images.family.background
    marks = images.marks(numbers)
    assert marks[drawn].all()
    assert drawn.sum() / marks.sum() > 0.9  # a line may be in the colour of the background


def test_families_that_draw_no_lines_or_are_unknown_are_refused(runs: Path) -> None:
    with pytest.raises(InputError, match=r"which pixels it draws, .*RCDB.*got PerlinNoiseDB"):
        attend(config_of(runs / "drawn", family="PerlinNoiseDB"))
    with pytest.raises(InputError, match="did you mean 'RCDB'"):
        attend(config_of(runs / "drawn", family="RCBD"))


def test_data_with_fewer_images_gives_all_it_has(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, count in (("train", 1), ("test", 1)):
        for number in range(2 * count):
            file = tmp_path / "few" / split / f"class{number % 2}" / f"{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((20 + number, 50), 60).save(file)  # gray, of another size and shape
    numbers = ["--images", "3", "--measured", "5", "--threads", "1", "--no-scratch", "--out", "o"]
    assert main(["attention", str(runs / "drawn"), "--data", str(tmp_path / "few"), *numbers]) == 0
    found = json.loads(Path("o/attention.json").read_text())
    assert (found["measured"], found["real_measured"], found["real_images"]) == (5, 2, 2)
    assert "2 test images alone" in capsys.readouterr().out.replace("\n", " ")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"weights": ()}, "weights must name"),
        ({"images": 0}, "images must be"),
        ({"measured": 1001}, "measured must be"),
        ({"method": "saliency"}, "method must be one of rollout, grad-cam"),
        ({"options": ("variant",)}, "options must be KEY=VALUE"),
        ({"classes": 1}, "classes must be"),
        ({"test_split": "val"}, "test_split must be None without data"),
    ],
)
def test_configs_are_checked(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        AttentionConfig(**{"weights": (Path("a"),), **changed})
