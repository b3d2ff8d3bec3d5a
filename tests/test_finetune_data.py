"""Fine-tuning for people's data: uneven classes, several seeds, and files that say what the model answered."""

from __future__ import annotations

import csv
import json
import statistics
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

from fdsl.data.real import RealImages, open_images  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.evaluate.runs import read_run  # noqa: E402
from fdsl.train import finetune, finetune_seeds  # noqa: E402
from fdsl.train.accuracy import Predictions, predict  # noqa: E402
from fdsl.train.finetuning.answers import write_answers  # noqa: E402
from fdsl.train.finetuning.batches import TrainingBatches  # noqa: E402
from fdsl.train.finetuning.sampling import Balanced, Shuffled  # noqa: E402
from tiny_runs import contents, finetune_config, interrupted, run_until  # noqa: E402

UNEVEN = np.array([0] * 40 + [1] * 7 + [2] * 2 + [4] * 11)
"""Labels of uneven classes; class 3 has no images."""


def test_balanced_turns_hold_every_class_once_and_its_passes_every_image() -> None:
    sampling, count = Balanced(UNEVEN, seed=5), 4 * 120
    passes, images = sampling(np.arange(count))
    labels = UNEVEN[images].reshape(-1, 4)
    assert (np.sort(labels, axis=1) == [0, 1, 2, 4]).all()
    assert len({tuple(turn) for turn in labels.tolist()}) > 12, "in an order of their own"
    for label, size in ((0, 40), (1, 7), (2, 2), (4, 11)):
        drawn = images[UNEVEN[images] == label]
        whole = drawn[: len(drawn) // size * size].reshape(-1, size)
        assert (np.sort(whole, axis=1) == np.flatnonzero(label == UNEVEN)).all()
        assert passes[UNEVEN[images] == label].tolist() == [n // size for n in range(120)]
    assert len(set(zip(passes.tolist(), images.tolist(), strict=True))) == count, (
        "no augmentation comes twice"
    )


@pytest.mark.parametrize("kind", [Balanced, Shuffled])
def test_a_sample_is_a_function_of_its_number(kind: Any) -> None:
    numbers = np.arange(500)
    whole = np.stack(kind(UNEVEN, 5)(numbers), axis=1)
    order = np.random.default_rng(0).permutation(500)
    sampling = kind(UNEVEN, 5)
    for chunk in np.split(order, 25):
        assert np.array_equal(np.stack(sampling(chunk), axis=1), whole[chunk])
    assert not np.array_equal(np.stack(kind(UNEVEN, 6)(numbers), axis=1), whole)


@pytest.mark.parametrize("sampling", ["balanced", "shuffle"])
def test_ranks_and_later_starts_see_the_same_stream(sampling: Any) -> None:
    images = open_images("digits").subset(np.arange(50))

    def stream(start: int, **rank: int) -> list[tuple[Any, Any]]:
        batches = TrainingBatches(images, 16, "pad", flip=True, seed=3, sampling=sampling, **rank)
        return list(batches.batches(8, start, 15))

    whole = stream(0)
    for (pixels, labels), (later, others) in zip(whole[9:], stream(9), strict=True):
        assert torch.equal(pixels, later)
        assert torch.equal(labels, others)
    parts = [stream(0, rank=rank, world_size=4) for rank in range(4)]
    for (pixels, labels), *of_ranks in zip(whole, *parts, strict=True):
        assert torch.equal(pixels, torch.cat([part for part, _ in of_ranks]))
        assert torch.equal(labels, torch.cat([part for _, part in of_ranks]))


def _uneven_folder(root: Path) -> Path:
    """Write a folder of two classes, dark and bright, the bright one rare."""
    random = np.random.default_rng(0)
    for name, count, light in (("dark", 60, 60), ("bright", 6, 160)):
        for n in range(count):
            path = root / ("test" if n % 3 == 0 else "train") / name / f"{n}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(light - 40, light + 40, (8, 8, 3), np.uint8, endpoint=True)
            Image.fromarray(pixels).save(path)
    return root


def test_balanced_fine_tuning_resumes_bit_for_bit(tmp_path: Path) -> None:
    fields: dict[str, Any] = {
        "data": str(_uneven_folder(tmp_path / "data")),
        "sampling": "balanced",
        "labels": None,
        "test_limit": None,
        "epochs": 2,
    }
    whole = finetune(finetune_config(tmp_path / "whole", **fields))
    run_until(finetune_config(tmp_path / "stopped", **fields), 8)
    finetune(finetune_config(tmp_path / "stopped", **fields, resume=True))
    name = "model.safetensors"
    assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert list(whole.per_class) == ["bright", "dark"]
    assert whole.class_average_accuracy == pytest.approx(statistics.mean(whole.per_class.values()))
    assert whole.test_images == 22
    shuffled = finetune(finetune_config(tmp_path / "shuffled", **{**fields, "sampling": "shuffle"}))
    assert shuffled.loss != whole.loss


def _predictions(labels: list[int], answers: list[int]) -> Predictions:
    sure = np.linspace(0.3, 0.9, len(labels), dtype=np.float32)
    return Predictions(
        classes=["cat", 'a "dog", small', "emu"],
        labels=np.array(labels),
        answers=np.array(answers),
        confidence=sure,
        label_confidence=sure / 2,
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_class_average_counts_every_class_alike() -> None:
    said = _predictions([0] * 8 + [1] * 2, [0] * 8 + [2, 1])
    assert said.accuracy() == 0.9
    assert said.per_class() == {"cat": 1.0, 'a "dog", small': 0.5}
    assert said.class_average_accuracy() == 0.75
    assert said.confusion().tolist() == [[8, 0, 0], [0, 1, 1], [0, 0, 0]]


def test_answers_read_back(tmp_path: Path) -> None:
    said = _predictions([0, 1, 1], [0, 2, 1])
    write_answers(tmp_path, said, ["a,b.png", "ü.png", "c.png"])
    rows = _rows(tmp_path / "predictions.csv")
    assert [row["image"] for row in rows] == ["a,b.png", "ü.png", "c.png"]
    assert [int(row["answer"]) for row in rows] == [0, 2, 1]
    assert [row["label_name"] for row in rows] == ["cat", 'a "dog", small', 'a "dog", small']
    assert [float(row["confidence"]) for row in rows] == pytest.approx([0.3, 0.6, 0.9])
    table = [list(row.values()) for row in _rows(tmp_path / "confusion.csv")]
    assert list(_rows(tmp_path / "confusion.csv")[0]) == ["label", *said.classes]
    assert [row[0] for row in table] == said.classes
    assert [[int(cell) for cell in row[1:]] for row in table] == said.confusion().tolist()


def test_files_agree_with_the_result(tmp_path: Path) -> None:
    result = finetune(finetune_config(tmp_path / "run", test_limit=40))
    rows = _rows(tmp_path / "run" / "predictions.csv")
    assert len(rows) == result.test_images == 40
    assert sum(row["label"] == row["answer"] for row in rows) / 40 == result.accuracy
    assert all(row["image"].startswith("digit ") for row in rows)
    assert len({row["image"] for row in rows}) == 40
    assert all(float(row["confidence"]) >= float(row["label_confidence"]) - 1e-6 for row in rows)
    stored = json.loads((tmp_path / "run" / "result.json").read_text())
    assert stored["class_average_accuracy"] == result.class_average_accuracy
    for name, accuracy in result.per_class.items():
        own = [row for row in rows if row["label_name"] == name]
        assert sum(row["answer_name"] == name for row in own) / len(own) == pytest.approx(accuracy)


@pytest.mark.parametrize("count", [7, 8, 1])
def test_predictions_of_several_processes_come_in_the_order_of_the_images(count: int) -> None:
    """Two processes are played one after the other: each gathers what the other would send."""
    pixels, labels = torch.eye(count, 3) + 0.1, torch.arange(count) % 3
    sent: dict[int, list[Any]] = {0: [], 1: []}

    def run(rank: int, gather: Any, world_size: int = 2) -> Predictions:
        own = slice(rank, None, world_size)
        fabric: Any = SimpleNamespace(
            world_size=world_size, to_device=lambda t: t, autocast=torch.no_grad, all_gather=gather
        )
        batches = [(pixels[own], labels[own])] if len(labels[own]) else []
        return predict(fabric, torch.nn.Identity(), batches, lambda x: x, ["a", "b", "c"], count)

    for rank in (0, 1):
        run(rank, lambda own, rank=rank: sent[rank].append(own) or torch.stack([own, own]))
    pairs = iter(zip(sent[0], sent[1], strict=True))
    together = run(0, lambda _: torch.stack(list(next(pairs))))
    alone = run(0, None, world_size=1)
    for name in ("labels", "answers", "confidence", "label_confidence"):
        assert np.array_equal(getattr(together, name), getattr(alone, name))


def test_seeds_give_mean_and_deviation_and_go_on_where_they_stopped(tmp_path: Path) -> None:
    fields: dict[str, Any] = {"seeds": (3, 5, 8), "epochs": 2, "test_limit": 40}
    result = finetune_seeds(finetune_config(tmp_path / "whole", **fields))
    alone = [
        finetune(finetune_config(tmp_path / f"{seed}", seed=seed, epochs=2, test_limit=40))
        for seed in (3, 5, 8)
    ]
    assert list(result.accuracies.values()) == [one.accuracy for one in alone]
    assert result.accuracy == pytest.approx(np.mean([one.accuracy for one in alone]))
    assert result.deviation == pytest.approx(np.std([one.accuracy for one in alone], ddof=1))
    averages = [one.class_average_accuracy for one in alone]
    assert result.class_average_deviation == pytest.approx(np.std(averages, ddof=1))
    run = read_run(tmp_path / "whole")
    assert run.config["seeds"] == [3, 5, 8]
    assert run.number("accuracy") == result.accuracy
    losses = [read_run(tmp_path / f"{seed}").metrics["train_loss"] for seed in (3, 5, 8)]
    assert run.metrics["train_loss"] == pytest.approx(np.mean(losses, axis=0))
    assert run.metrics["epoch"].tolist() == [1, 2]

    out = tmp_path / "stopped"
    with interrupted(7 + 5, of_all=True):  # of each seed 7: 2 passes over 20 images in batches of 6
        finetune_seeds(finetune_config(out, **fields))
    assert not (out / "result.json").exists()
    done = contents(out / "seed-3")
    again = finetune_seeds(finetune_config(out, **fields, resume=True))
    assert contents(out / "seed-3") == done, "what is done is left alone"
    assert json.loads((out / "seed-5" / "run.json").read_text())["first_step"] == 3
    assert again.accuracies == result.accuracies

    one_more = finetune_seeds(finetune_config(out, **{**fields, "seeds": (3, 5, 8, 9)}, resume=True))
    assert list(one_more.accuracies.values())[:3] == list(result.accuracies.values())
    longer = finetune_seeds(finetune_config(out, **{**fields, "epochs": 3}, resume=True))
    assert json.loads((out / "seed-3" / "result.json").read_text())["epochs"] == 3
    assert longer.deviation is not None


def test_one_seed_has_no_deviation(tmp_path: Path) -> None:
    result = finetune_seeds(finetune_config(tmp_path / "run", seeds=(4,), epochs=1))
    assert result.deviation is None
    assert json.loads((tmp_path / "run" / "result.json").read_text())["deviation"] is None


def test_runs_of_several_parts_refuse_foreign_folders(tmp_path: Path) -> None:
    (tmp_path / "held").mkdir()
    (tmp_path / "held" / "thesis.txt").write_text("mine")
    for fields in ({"seeds": (0, 1)}, {"probe_epochs": 1}):
        make = finetune_seeds if "seeds" in fields else finetune
        with pytest.raises(InputError, match=r"out must be a new or empty folder, got .*: it holds other"):
            make(finetune_config(tmp_path / "held", **fields))
        with pytest.raises(InputError, match="resume must find a run of these parts in out"):
            make(finetune_config(tmp_path / "held", **fields, resume=True))
        with pytest.raises(InputError, match="resume must find a run"):
            make(finetune_config(tmp_path / "nowhere", **fields, resume=True))
    assert contents(tmp_path / "held") == {"thesis.txt": b"mine"}
    assert not (tmp_path / "nowhere").exists()
    with pytest.raises(InputError, match="seeds must be empty for one fine-tuning"):
        finetune(finetune_config(tmp_path / "new", seeds=(0,)))
    with pytest.raises(InputError, match="seeds must name one at least"):
        finetune_seeds(finetune_config(tmp_path / "new"))


def test_shots_choose_what_is_learned(tmp_path: Path) -> None:
    result = finetune(finetune_config(tmp_path / "run", labels=None, shots=3, epochs=1))
    assert result.labels == 30
    with pytest.raises(InputError, match="shots must be at most 87, got 88"):
        finetune(finetune_config(tmp_path / "more", labels=None, shots=88))
    assert not (tmp_path / "more").exists()


def test_classes_without_test_images_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = _uneven_folder(tmp_path / "data")
    for path in (root / "test" / "bright").iterdir():
        path.unlink()
    result = finetune(
        finetune_config(tmp_path / "run", data=str(root), labels=None, test_limit=None, epochs=1)
    )
    assert "no test images of 1 of 2 classes: bright" in capsys.readouterr().out
    assert list(result.per_class) == ["dark"]
    assert result.class_average_accuracy == result.accuracy


@pytest.mark.parametrize("classes", [2, 12, 30])
def test_confusion_is_drawn(tmp_path: Path, classes: int) -> None:
    pytest.importorskip("matplotlib")
    from fdsl.evaluate.confusion import picture_confusion

    labels = np.arange(classes * 5) % classes
    said = Predictions(
        classes=[f"写真 {n}" for n in range(classes)],
        labels=labels,
        answers=np.roll(labels, 1) // 2 * 2,
        confidence=np.ones(len(labels), np.float32),
        label_confidence=np.ones(len(labels), np.float32),
    )
    write_answers(tmp_path, said, [str(n) for n in range(len(labels))])
    picture_confusion(tmp_path / "confusion.csv", tmp_path / "confusion.png")
    with Image.open(tmp_path / "confusion.png") as picture:
        colours = np.unique(np.asarray(picture.convert("RGB")).reshape(-1, 3), axis=0)
        assert min(picture.size) > 400
    assert len(colours) > 20
    (tmp_path / "confusion.csv").write_text("label,a,b\na,1,2\n")
    with pytest.raises(DataError, match="as many rows as columns, got 1 and 2"):
        picture_confusion(tmp_path / "confusion.csv", tmp_path / "other.png")
    assert not (tmp_path / "other.png").exists()


def test_images_know_their_names() -> None:
    images: RealImages = open_images("digits").subset(np.array([4, 2]))
    assert images.describe_each() == [images.describe(int(n)) for n in images.source_index]
