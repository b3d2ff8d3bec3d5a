"""Probes: what scikit-learn finds by hand in the features, and refusals of weights that tell too little."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")
pytest.importorskip("lightning.fabric")

import timm  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import StratifiedKFold  # noqa: E402

from fdsl.data.real import few_labels, open_images  # noqa: E402
from fdsl.errors import DataError, InputError  # noqa: E402
from fdsl.evaluate.probing.classifiers import STRENGTHS, Judgement, judge  # noqa: E402
from fdsl.evaluate.probing.features import Features, extract  # noqa: E402
from fdsl.train import FinetuneConfig, pretrain  # noqa: E402
from tiny_runs import finetune_config, pretrain_config  # noqa: E402

LABELS, SEED = 40, 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "pretrain"
    pretrain(pretrain_config(out))
    return out


@pytest.fixture(scope="module")
def by_hand(weights: Path) -> Features:
    """Take the features with timm's own loader, and the images one by one."""
    model = timm.create_model(f"local-dir:{weights}", pretrained=True, num_classes=0).eval()
    told = json.loads((weights / "config.json").read_text())["pretrained_cfg"]
    mean, std = (np.array(told[key], np.float32) for key in ("mean", "std"))
    parts: dict[str, Any] = {}
    for split in ("train", "test"):
        images = open_images("digits", split)
        if split == "train":
            images = few_labels(images, LABELS, SEED)
        pixels = np.stack([np.asarray(images[n][0], np.float32) / 255 for n in range(len(images))])
        planes = torch.from_numpy(((pixels - mean) / std).transpose(0, 3, 1, 2).copy())
        with torch.inference_mode():
            parts[split] = model(planes).double().numpy()
        parts[f"{split}_labels"] = images.labels
    return Features(**parts)


def config_of(weights: Path, **changed: Any) -> Any:
    fields = {
        "labels": LABELS,
        "seed": SEED,
        "test_limit": None,
        "model": None,
        "size": None,
        "model_args": (),
    }
    return finetune_config(weights, weights=weights, **{**fields, **changed})


def probe(weights: Path, data: str, **changed: Any) -> Judgement:
    config = FinetuneConfig(out=weights, data=data, weights=weights, **changed)
    return judge(extract(config), config.seed)


def test_features_are_those_timm_hands_its_head(weights: Path, by_hand: Features) -> None:
    found = extract(config_of(weights))
    assert found.train.shape == (LABELS, 16)
    for part in ("train", "test"):
        np.testing.assert_allclose(getattr(found, part), getattr(by_hand, part), rtol=0, atol=1e-4)
        assert np.array_equal(getattr(found, f"{part}_labels"), getattr(by_hand, f"{part}_labels"))


def test_probe_is_scikit_learn_by_hand(weights: Path) -> None:
    features = extract(config_of(weights))
    result = probe(weights, "digits", labels=LABELS, seed=SEED, threads=1)
    mean, deviation = features.train.mean(0), features.train.std(0)
    train, test = ((part - mean) / deviation for part in (features.train, features.test))
    folds = StratifiedKFold(4, shuffle=True, random_state=SEED)
    scores = {}
    for strength in STRENGTHS:
        held_out = []
        for inside, outside in folds.split(features.train, features.train_labels):
            center, scale = features.train[inside].mean(0), features.train[inside].std(0)
            model = LogisticRegression(C=strength, max_iter=2000)
            model.fit((features.train[inside] - center) / scale, features.train_labels[inside])
            seen = (features.train[outside] - center) / scale
            held_out.append(model.score(seen, features.train_labels[outside]))
        scores[strength] = np.mean(held_out)
    assert result.strength == max(STRENGTHS, key=lambda strength: (round(scores[strength], 9), -strength))
    model = LogisticRegression(C=result.strength, max_iter=2000).fit(train, features.train_labels)
    assert result.linear == model.score(test, features.test_labels)
    assert (result.labels, result.test_images, result.features) == (LABELS, len(test), 16)


def test_neighbours_vote_by_cosine(weights: Path) -> None:
    features = extract(config_of(weights))
    result = judge(features, SEED)
    assert result.neighbours == 4
    train, test = (
        part / np.linalg.norm(part, axis=1, keepdims=True) for part in (features.train, features.test)
    )
    distance = 1 - test @ train.T
    nearest = np.argsort(distance, axis=1)[:, :4]
    votes = np.zeros((len(test), 10))
    for row, members in enumerate(nearest):
        np.add.at(votes[row], features.train_labels[members], 1 / distance[row, members])
    assert result.knn == np.mean(votes.argmax(1) == features.test_labels)


def test_probe_depends_on_its_arguments_alone(weights: Path) -> None:
    state = torch.get_rng_state()
    arguments: dict[str, Any] = {"labels": LABELS, "seed": SEED, "test_limit": 200, "threads": 1}
    first = probe(weights, "digits", **arguments)
    torch.manual_seed(5)
    assert probe(weights, "digits", **arguments) == first
    assert first.test_images == 200
    torch.set_rng_state(state)
    extract(config_of(weights))
    assert torch.equal(torch.get_rng_state(), state)


def test_separable_features_are_told_apart_and_noise_is_not() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 4
    clear = np.eye(4)[labels] + 0.01 * rng.normal(size=(80, 4))
    noise = rng.normal(size=(80, 4))
    for features, low, high in ((clear, 1.0, 1.0), (noise, 0.0, 0.6)):
        found = judge(
            Features(
                train=features[:40], train_labels=labels[:40], test=features[40:], test_labels=labels[40:]
            ),
            seed=0,
        )
        assert low <= found.linear <= high
        assert low <= found.knn <= high
        assert found.neighbours == 10


def test_one_label_a_class_is_enough(weights: Path) -> None:
    result = probe(weights, "digits", labels=10, test_limit=50, threads=1)
    assert (result.neighbours, result.labels) == (1, 10)


def test_random_weights_are_those_a_fine_tuning_starts_from(weights: Path) -> None:
    one, other = (extract(finetune_config(weights, seed=seed)) for seed in (0, 1))
    again = extract(finetune_config(weights, seed=0))
    assert np.array_equal(one.train, again.train)
    assert one.train.shape == other.train.shape
    assert not np.array_equal(one.test, other.test)


def test_weights_that_tell_too_little_are_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        probe(tmp_path / "nowhere", "digits")
    shutil.copy(weights / "model.safetensors", tmp_path / "lone.safetensors")
    with pytest.raises(InputError, match=r"nor a config\.json beside it"):
        probe(tmp_path / "lone.safetensors", "digits")
    folder = tmp_path / "copy"
    shutil.copytree(weights, folder)
    told = json.loads((folder / "config.json").read_text())
    del told["pretrained_cfg"]["mean"]
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="mean and deviation"):
        probe(folder, "digits")
    told = json.loads((weights / "config.json").read_text())
    told["model_args"]["depth"] = 2
    (folder / "config.json").write_text(json.dumps(told))
    with pytest.raises(DataError, match=r"must fill vit_tiny_patch16_224: missing: blocks\.1"):
        probe(folder, "digits", labels=20)
    with pytest.raises(InputError, match="labels must be"):
        probe(weights, "digits", labels=5)
