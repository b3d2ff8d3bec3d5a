"""The dataset's laws, in one process and several; the shuffle."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader

import fdsl
from fdsl.data.order import permuted
from fdsl.errors import InputError


@pytest.fixture(scope="module")
def dataset() -> fdsl.FormulaDataset:
    return fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=7, size=32, seed=3)


def as_tensor(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.array(image))


def test_it_stands_in_for_an_image_folder(dataset):
    image, label = dataset[9]
    assert isinstance(image, Image.Image)
    assert (image.mode, image.size, label) == ("RGB", (32, 32), 1)
    assert len(dataset) == 35
    assert dataset.classes == ["00000", "00001", "00002", "00003", "00004"]
    assert dataset.class_to_idx["00003"] == 3
    assert [label for _, label in dataset] == [k for k in range(5) for _ in range(7)]


@given(st.lists(st.integers(-35, 34), min_size=1, max_size=12))
@settings(max_examples=20)
def test_batches_equal_single_images(dataset, indices):
    images = dataset.render(indices)
    for image, label, index in zip(images, dataset.labels(indices), indices, strict=True):
        alone, alone_label = dataset[index]
        assert (np.asarray(alone)[:, :, 0] == image).all()
        assert label == alone_label


@pytest.mark.parametrize("index", [35, -36, 10**9])
def test_indices_out_of_range(dataset, index):
    with pytest.raises(IndexError, match=r"index must be in -35\.\.34"):
        dataset[index]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_see_the_same_images(method):
    dataset = fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=4, size=32, transform=as_tensor)
    expected = dataset.render(np.arange(20))  # also starts threads, which a fork must survive
    loader = DataLoader(dataset, batch_size=3, num_workers=2, multiprocessing_context=method)
    images = torch.cat([batch for batch, _ in loader])
    assert (images[..., 0].numpy() == expected).all()


def test_unlimited_instances_are_new_every_epoch_and_addressed():
    dataset = fdsl.FormulaDataset(fdsl.RCDB(classes=2), instances=None, size=32)
    first = dataset.render([0, 1000])
    dataset.set_epoch(1)
    second = dataset.render([0, 1000])
    assert (first != second).any(axis=(1, 2)).all()
    assert (dataset.draw([0, 1], [1000, 1000]) == second).all()
    dataset.set_epoch(0)
    assert (dataset.render([0, 1000]) == first).all()


def test_persistent_workers_follow_the_epoch():
    dataset = fdsl.FormulaDataset(fdsl.RCDB(classes=2), instances=None, size=32, transform=as_tensor)
    loader = DataLoader(dataset, batch_size=4, num_workers=1, persistent_workers=True)
    seen = []
    for epoch in range(2):
        dataset.set_epoch(epoch)
        seen.append(next(iter(loader))[0][..., 0].numpy())
    assert (seen[0] == dataset.draw([0] * 4, np.arange(4))).all()
    assert (seen[1] == dataset.draw([0] * 4, np.arange(1000, 1004))).all()
    del loader


@pytest.mark.parametrize(
    ("field", "value"),
    [("family", "RCDB"), ("instances", 0), ("instances", -1), ("size", 8), ("seed", -1), ("lines", "x")],
)
def test_bad_arguments(field, value):
    arguments = {"family": fdsl.RCDB(classes=2), field: value}
    with pytest.raises(InputError, match=f"{field} must be"):
        fdsl.FormulaDataset(**arguments)


@given(st.integers(1, 5000), st.integers(0, 2**32 - 1), st.integers(0, 50))
def test_the_shuffle_is_a_permutation(count, seed, epoch):
    assert sorted(permuted(np.arange(count), count, seed, epoch)) == list(range(count))


def test_positions_of_several_epochs_are_looked_up_together():
    positions, epochs = np.tile(np.arange(100), 3), np.repeat([0, 5, 7], 100)
    one_by_one = [permuted(np.arange(100), 100, 2, epoch) for epoch in (0, 5, 7)]
    assert (permuted(positions, 100, 2, epochs) == np.concatenate(one_by_one)).all()


def test_the_shuffle_mixes():
    order = permuted(np.arange(100_000), 100_000, 0, 0)
    assert abs(np.corrcoef(order, np.arange(100_000))[0, 1]) < 0.02
    assert (order != permuted(np.arange(100_000), 100_000, 0, 1)).mean() > 0.999
    assert (order != permuted(np.arange(100_000), 100_000, 1, 0)).mean() > 0.999
