"""The loader's laws: what a sample is, where a training goes on, who gets which part, what memory it takes."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import fdsl  # noqa: E402
from fdsl.data.augment import Augmentation  # noqa: E402
from fdsl.data.order import permuted  # noqa: E402
from fdsl.data.standardize import Standardize  # noqa: E402
from fdsl.errors import InputError  # noqa: E402

PLAIN = {"augment": None, "mean": [0.0] * 3, "std": [1.0] * 3}
MIXED = {"mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1}
"""Everything random, with an epoch that batches of 4 do not divide."""
AUGMENTED = Augmentation(hflip=0.5, vflip=0.5, auto_augment="rand-m9-mstd0.5-inc1", random_erasing=0.5)
VARIED = {"augment": AUGMENTED, "mean": [0.9] * 3, "std": [0.2] * 3}
RANDOM = {"seed": 1, "repeats": 3, **VARIED, **MIXED}


@pytest.fixture(scope="module")
def dataset():
    return fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=7, size=32, seed=3, threads=1)


@pytest.fixture(scope="module")
def colour():
    return fdsl.FormulaDataset(fdsl.FractalDB(classes=2, variant="point_color"), instances=4, size=32)


def assert_same(batches, others):
    for (images, targets), (images_2, targets_2) in zip(batches, others, strict=True):
        assert torch.equal(images, images_2)
        assert torch.equal(targets, targets_2)


def grays(images):
    """Return the pixels of images loaded with `PLAIN`, as bytes an image."""
    return [np.rint(image[0].numpy() * 255).astype(np.uint8).tobytes() for image in images]


def test_a_plain_batch_is_the_datasets_own_images(dataset):
    images, labels = fdsl.Loader(dataset, 6, seed=4, **PLAIN).batch(30)  # past the end of the first epoch
    order = [*permuted(np.arange(30, 35), 35, 4, 0), *permuted([0], 35, 4, 1)]
    assert images.shape == (6, 3, 32, 32)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert grays(images) == [image.tobytes() for image in dataset.render(order)]
    assert labels.tolist() == dataset.labels(order).tolist()


def test_every_image_is_seen_once_an_epoch_in_an_order_of_its_own(dataset):
    loader = fdsl.Loader(dataset, 5, **PLAIN)
    expected = sorted(image.tobytes() for image in dataset.render(np.arange(35)))
    orders = []
    for _ in range(2):
        assert len(loader) == 7
        seen = [image for images, _ in loader for image in grays(images)]
        assert sorted(seen) == expected
        orders.append(seen)
    assert orders[0] != orders[1]
    assert loader.state_dict()["next_sample"] == 70


def test_samples_too_few_for_a_batch_wait_for_the_next_epoch(dataset):
    loader = fdsl.Loader(dataset, 8, **PLAIN)
    lengths = [(len(loader), len(list(loader))) for _ in range(8)]
    assert [counted for counted, _ in lengths] == [made for _, made in lengths]
    assert sum(made for _, made in lengths) == 8 * 35 // 8
    assert len(set(lengths)) == 2, "four batches an epoch, sometimes five"


def test_repeats_show_an_image_in_a_row_each_time_anew(dataset):
    crops = Augmentation(crop_scale=(0.5, 0.9))
    loader = fdsl.Loader(dataset, 6, repeats=3, augment=crops, mean=[0] * 3, std=[1] * 3)
    plain = fdsl.Loader(dataset, 2, **PLAIN)
    seen = []
    for batch, (_, labels) in zip(loader, plain, strict=False):
        assert batch[1].tolist() == labels.repeat_interleave(3).tolist()
        seen += grays(batch[0])
    assert len(set(seen)) == len(seen)
    assert len(fdsl.Loader(dataset, 35, repeats=3)) == 3


@pytest.mark.parametrize(
    ("family", "instances"),
    [
        (fdsl.RCDB(classes=5), 7),
        (fdsl.RCDB(classes=5), None),
        (fdsl.FractalDB(classes=5, variant="point_color"), 7),
    ],
)
def test_a_training_goes_on_bit_for_bit_from_every_step(family, instances):
    dataset = fdsl.FormulaDataset(family, instances=instances, size=32)
    whole = list(fdsl.Loader(dataset, 4, samples=124, **RANDOM))  # past the end of a limited epoch
    assert len(whole) == 31
    for step in range(32):
        assert_same(whole[step:], fdsl.Loader(dataset, 4, samples=124, start=4 * step, **RANDOM))
    first = fdsl.Loader(dataset, 4, samples=124, **RANDOM)
    for step, _ in enumerate(first, 1):
        if step == 5:
            break
    state = first.state_dict()
    assert state["next_sample"] == 20
    second = fdsl.Loader(dataset, 4, samples=124, **RANDOM)
    second.load_state_dict(state)
    assert_same(whole[5:], second)
    assert_same(whole[5:], first)
    assert list(first) == []


def test_a_state_of_other_samples_is_refused(dataset):
    state = fdsl.Loader(dataset, 4, **RANDOM).state_dict()
    for free in (
        {"batch_size": 2},
        {"ahead": 5},
        {"rank": 1, "world_size": 2},
        {"samples": 50},
        {"start": 8},
    ):
        fdsl.Loader(dataset, **{"batch_size": 4, **RANDOM, **free}).load_state_dict(state)
    larger = fdsl.FormulaDataset(dataset.family, instances=8, size=32, seed=3)
    others = [fdsl.Loader(larger, 4, **RANDOM)]
    bound = {
        "mean": [0.5] * 3,
        "seed": 2,
        "repeats": 2,
        "augment": dataclasses.replace(AUGMENTED, random_erasing=0.4),
        "mixup": 0.7,
        "cutmix": 0.0,
        "label_smoothing": 0.0,
    }
    others += [fdsl.Loader(dataset, 4, **{**RANDOM, field: value}) for field, value in bound.items()]
    for other in others:
        with pytest.raises(InputError, match=f"fingerprint must be {other.fingerprint}, got"):
            other.load_state_dict(state)
    whole = fdsl.Loader(dataset, 4, **RANDOM)
    for broken in (
        {},
        None,
        {**state, "next_sample": -1},
        {**state, "next_sample": "4"},
        {**state, "step": 1},
    ):
        with pytest.raises(InputError, match="must"):
            whole.load_state_dict(broken)


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_together_see_what_one_alone_sees(dataset, world_size):
    settings = {"seed": 1, "repeats": 3, "samples": 100, "start": 16, **VARIED}
    alone = fdsl.Loader(dataset, 8, **settings)
    ranks = [
        fdsl.Loader(dataset, 8 // world_size, rank=rank, world_size=world_size, **settings)
        for rank in range(world_size)
    ]
    assert {len(loader) for loader in ranks} == {len(alone)} == {10}
    for whole, *parts in zip(alone, *ranks, strict=True):
        for of_whole, *of_parts in zip(whole, *parts, strict=True):
            assert torch.equal(of_whole, torch.cat(of_parts))
    assert {loader.state_dict()["next_sample"] for loader in ranks} == {96}


def test_threads_and_batches_ahead_change_nothing(dataset):
    expected = list(fdsl.Loader(dataset, 16, samples=64, **RANDOM))
    for threads, ahead in ((1, 1), (2, 3), (3, 64)):
        other = fdsl.FormulaDataset(dataset.family, instances=7, size=32, seed=3, threads=threads)
        loader = fdsl.Loader(other, 16, samples=64, ahead=ahead, **RANDOM)
        assert_same(expected, loader)
        assert_same(expected, map(loader.batch, range(0, 64, 16)))


def test_values_are_standardized(dataset, colour):
    for source in (dataset, colour):
        for mean, std in (([0.4] * 3, [0.2] * 3), ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])):
            images, _ = fdsl.Loader(source, 4, augment=None, mean=mean, std=std).batch(0)
            pixels = source.render(permuted(np.arange(4), len(source), 0, 0))
            pixels = pixels if pixels.ndim == 4 else np.repeat(pixels[..., None], 3, axis=3)
            expected = (pixels / 255 - mean) / std
            np.testing.assert_allclose(images.permute(0, 2, 3, 1).numpy(), expected, rtol=0, atol=2e-6)
            planes = 1 if source is dataset and len(set(mean)) == 1 else 3
            assert images.stride(1) == (0 if planes == 1 else 32 * 32)


@pytest.mark.parametrize("sample", [-1, 2.5, 2**63, 2**200])
def test_samples_without_a_number_are_refused(dataset, sample):
    loader = fdsl.Loader(dataset, 4)
    with pytest.raises(InputError, match="next_sample must be"):
        loader.seek(sample)
    with pytest.raises(InputError, match="next_sample must be"):
        loader.load_state_dict({**loader.state_dict(), "next_sample": sample})
    large = fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=4_000_000_000, size=32)
    with pytest.raises(InputError, match="start must be"):
        fdsl.Loader(large, 4, start=sample)
    assert len(fdsl.Loader(large, 4, start=2**55).batch(2**55)[1]) == 4


@pytest.mark.parametrize("mean", [[0.4] * 3, [0.485, 0.456, 0.406]])
@pytest.mark.parametrize("shape", [(3, 9, 17), (3, 9, 17, 3)])
def test_other_devices_compute_the_same_bits(shape, mean):
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, np.uint8))
    standardize = Standardize(mean, [0.2, 0.2, 0.2])
    here = standardize(pixels)
    standardize.device = torch.device(
        "meta"
    )  # takes torch's operations, as a GPU does; the pixels are still here
    assert torch.equal(standardize(pixels), here)
    assert standardize(pixels).stride(1) == here.stride(1)


def test_mean_and_deviation_are_measured(dataset):
    loader = fdsl.Loader(dataset, 35, augment=None)
    images, _ = next(iter(loader))
    assert abs(images.mean()) < 0.1
    assert abs(images.std() - 1) < 0.1
    pixels = dataset.render(np.arange(1024) * len(dataset) // 1024) / 255
    assert loader.standardize.mean == pytest.approx([pixels.mean()] * 3)
    assert loader.standardize.std == pytest.approx([pixels.std()] * 3)


@pytest.mark.parametrize("mean", [[0.4] * 3, [0.485, 0.456, 0.406]])
def test_mixing_is_that_of_the_standardized_images(dataset, colour, mean):
    settings = {"augment": None, "mean": mean, "std": [0.2, 0.2, 0.2]}
    for source in (dataset, colour):
        for first in range(0, 40, 4):
            plain, labels = fdsl.Loader(source, 4, seed=2, **settings).batch(first)
            loader = fdsl.Loader(source, 4, seed=2, **settings, **MIXED)
            images, targets = loader.batch(first)
            expected = plain.clone()
            assert torch.equal(loader.mixing(expected, labels, first), targets)
            assert torch.equal(images, expected)


def test_labels_are_smoothed_without_mixing_too(dataset):
    loader = fdsl.Loader(dataset, 3, label_smoothing=0.1, augment=None)
    plain = fdsl.Loader(dataset, 3, augment=None)
    (images, targets), (images_2, labels) = loader.batch(0), plain.batch(0)
    assert torch.equal(images, images_2)
    assert targets.argmax(1).tolist() == labels.tolist()
    logits = torch.linspace(-1, 1, 15).view(3, 5)
    loss = torch.nn.functional.cross_entropy
    assert loss(logits, targets) == pytest.approx(float(loss(logits, labels, label_smoothing=0.1)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dataset", [1, 2]),
        ("batch_size", 0),
        ("batch_size", 2.0),
        ("batch_size", 36),
        ("seed", -1),
        ("augment", (0.3, 1.0)),
        ("repeats", 0),
        ("mean", [0.5]),
        ("mean", [0.5, 0.5, float("nan")]),
        ("mean", 0.5),
        ("mean", None),
        ("std", [0.1, 0.2]),
        ("std", [0.1, 0.2, 0.0]),
        ("std", [0.1, 0.2, -1.0]),
        ("std", [0.1, float("inf"), 0.1]),
        ("std", "abc"),
        ("std", None),
        ("mixup", -1.0),
        ("cutmix", float("nan")),
        ("label_smoothing", 1.5),
        ("device", "gpu"),
        ("device", "cuda:99"),
        ("device", None),
        ("rank", 2),
        ("rank", -1),
        ("world_size", 0),
        ("world_size", 0.5),
        ("start", -1),
        ("start", 10**15),
        ("samples", 0),
        ("samples", 7),
        ("samples", 10**15),
        ("ahead", 0),
        ("ahead", 65),
    ],
)
def test_arguments_are_checked_before_anything_is_drawn(dataset, monkeypatch, field, value):
    def never(*_, **__):
        raise AssertionError("drawn")

    monkeypatch.setattr(fdsl.FormulaDataset, "draw", never)
    right = {
        "dataset": dataset,
        "batch_size": 4,
        "mean": [0.5] * 3,
        "std": [0.2] * 3,
        "rank": 0,
        "world_size": 2,
    }
    with pytest.raises(InputError, match=rf"{field}.* must"):
        fdsl.Loader(**{**right, field: value})


def test_mixing_needs_pairs(dataset):
    for alpha in ("mixup", "cutmix"):
        with pytest.raises(InputError, match="batch_size must be even with mixup or cutmix, got 5"):
            fdsl.Loader(dataset, 5, **{alpha: 1.0})


def test_new_instances_end_where_their_numbers_do():
    dataset = fdsl.FormulaDataset(fdsl.RCDB(classes=2), instances=None, size=32)
    most = 0xFFFF0000 // 1000 * 2000
    fdsl.Loader(dataset, 4, samples=most, **PLAIN).batch(most - 4)
    with pytest.raises(InputError, match=f"samples must be in 0..{most}"):
        fdsl.Loader(dataset, 4, samples=most + 1)
