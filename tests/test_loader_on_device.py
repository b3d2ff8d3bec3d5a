"""The loader where images are drawn by CUDA kernels, in the simulator: the batches of the one that draws on the CPU."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

import fdsl  # noqa: E402
from fdsl.data import on_device  # noqa: E402
from fdsl.data.on_device import OnDevice, choose_renderer  # noqa: E402

CUDA = torch.device("cuda")
CROPS = fdsl.Augmentation(crop_scale=(0.35, 1.0), hflip=0.5)


@pytest.fixture(scope="module")
def dataset():
    return fdsl.FormulaDataset(fdsl.RCDB(classes=5), instances=4, size=32, seed=3, lines="crisp", threads=1)


def batches(dataset, renderer, **settings):
    loader = fdsl.Loader(dataset, 4, renderer=renderer, mean=[0.9] * 3, std=[0.2] * 3, **settings)
    return [*loader, loader.batch(8)]


@pytest.mark.parametrize(
    "settings",
    [
        {"augment": None},
        {},
        {"augment": CROPS, "repeats": 2},
        {"mixup": 0.8, "cutmix": 1.0, "label_smoothing": 0.1},
    ],
    ids=["plain", "crops", "repeats", "mixed"],
)
def test_batches_are_those_of_the_cpu(dataset, settings):
    drawn = batches(dataset, "cuda", samples=12, **settings)
    expected = batches(dataset, "cpu", samples=12, **settings)
    assert len(drawn) == len(expected) == 4
    for (images, targets), (images_2, targets_2) in zip(drawn, expected, strict=True):
        assert torch.equal(images, images_2)
        assert torch.equal(targets, targets_2)


def test_a_training_goes_on_where_it_was(dataset):
    loader = fdsl.Loader(dataset, 4, renderer="cuda", samples=16, ahead=3)
    whole = [images for images, _ in loader]
    other = fdsl.Loader(dataset, 4, renderer="cpu", samples=16)
    loader.seek(0)
    for _ in zip(range(2), loader, strict=False):
        pass
    other.load_state_dict(loader.state_dict())
    assert loader.state_dict()["next_sample"] == 8
    assert all(torch.equal(*pair) for pair in zip(whole[2:], [images for images, _ in other], strict=True))


def test_other_pixels_than_the_cpus_are_an_error(dataset, monkeypatch):
    gpu = OnDevice(dataset, torch.device("cpu"))
    draw = gpu._renderer.__call__

    def spoilt(table, view, tone, retouch, out):
        draw(table, view, tone, retouch, out)
        out[1, 5, 5] ^= 1

    monkeypatch.setattr(
        gpu,
        "_renderer",
        type("Spoilt", (), {"shape": gpu._renderer.shape, "__call__": staticmethod(spoilt)})(),
    )
    with pytest.raises(fdsl.FdslError, match="1 of 3072 pixels unlike the CPU"), gpu.stream():
        gpu.draw(*dataset.identify([0, 4, 8]))


def test_who_draws(dataset, monkeypatch):
    assert fdsl.Loader(dataset, 4).renderer == "cpu"
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    assert choose_renderer("auto", CUDA) == "cpu", "the simulator's kernels do not see a GPU's memory"
    monkeypatch.setattr("fdsl.render.cuda.compiled.SIMULATED", False)
    assert choose_renderer("auto", CUDA) == "cuda"
    assert choose_renderer("cpu", CUDA) == "cpu"
    monkeypatch.setattr(on_device, "find_spec", lambda name: None)
    assert choose_renderer("auto", CUDA) == "cpu"
    monkeypatch.setattr(torch.version, "cuda", None)  # AMD's GPUs are "cuda", too
    assert choose_renderer("auto", CUDA) == "cpu"
    with pytest.raises(fdsl.InputError, match="renderer must be cpu where batches go to device cuda"):
        choose_renderer("cuda", CUDA)
    with pytest.raises(fdsl.InputError, match="renderer must be one of auto, cpu, cuda, got 'gpu'"):
        fdsl.Loader(dataset, 4, renderer="gpu")


def test_without_a_gpu_nobody_draws_on_one(dataset, monkeypatch):
    monkeypatch.setattr("fdsl.render.cuda.compiled.SIMULATED", False)
    with pytest.raises(
        fdsl.InputError, match="renderer must be cpu where batches go to device cpu, got cuda"
    ):
        fdsl.Loader(dataset, 4, renderer="cuda")
