"""What timm's create_dataset opens by name, and archives: their images, labels and splits; and what is refused."""

from __future__ import annotations

import gzip
import io
import json
import os
import sys
import tarfile
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdsl.data.real import RealImages, named, open_both
from fdsl.errors import DataError, InputError

pytest.importorskip("timm")
pytest.importorskip("torchvision")


def _png(value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (6, 4), (value, 0, 255 - value)).save(stream, "PNG")
    return stream.getvalue()


def _reds(images: RealImages) -> list[int]:
    """Return the number that each image carries in its red."""
    return [images[n][0].getpixel((0, 0))[0] for n in range(len(images))]


def _write_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def _samples(numbers: range) -> dict[str, bytes]:
    """Return the files of a shard: image n has red n, label n % 3."""
    files: dict[str, bytes] = {}
    for n in numbers:
        files[f"part.one/{n:04}.png"] = _png(n)
        files[f"part.one/{n:04}.cls"] = str(n % 3).encode()
    return files


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Return a folder of two training shards and one of tests."""
    root = tmp_path / "shards"
    _write_tar(root / "photos-train-0000.tar", _samples(range(9)))
    _write_tar(root / "photos-train-0001.tar", _samples(range(9, 15)))
    _write_tar(root / "photos-val-0000.tar", _samples(range(20, 26)))
    return root


def test_shards_give_any_image_by_its_number(shards: Path) -> None:
    train, test = open_both("wds/photos", root=shards)
    assert (len(train), len(test)) == (15, 6)
    assert train.classes == ["0", "1", "2"]
    assert _reds(train) == list(range(15))
    assert train.labels.tolist() == [n % 3 for n in range(15)]
    assert _reds(test) == list(range(20, 26))
    assert train[11][0].getpixel((0, 0)) == (11, 0, 244)
    assert train.describe(11) == f"{shards / 'photos-train-0001.tar'}, part.one/0011.png"


# webdataset leaves the shards it has read open
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_shards_are_what_timm_reads_of_them(shards: Path) -> None:
    pytest.importorskip("webdataset")
    from timm.data.dataset_factory import create_dataset

    split = "photos-train-{0000..0001}.tar"
    train, _ = open_both("wds/photos", root=shards, train_split=split, test_split="val")
    theirs = list(create_dataset("wds/photos", root=str(shards), split=split))
    assert train.labels.tolist() == [label for _, label in theirs]
    for (ours, _), (image, _) in zip((train[n] for n in range(len(train))), theirs, strict=True):
        assert np.array_equal(np.asarray(ours), np.asarray(image))


def test_splits_and_labels_of_shards_may_lie_in_json(tmp_path: Path) -> None:
    files: dict[str, bytes] = {}
    for n in range(6):
        files[f"{n}.JPG"] = _png(n)
        files[f"{n}.json"] = json.dumps({"kind": n % 2, "size": 1}).encode()
    _write_tar(tmp_path / "a.tar", files)
    split = {
        "name": "mine",
        "filenames": ["a.tar"],
        "shard_lengths": [6],
        "num_samples": 6,
        "alt_label": "kind",
    }
    (tmp_path / "_info.json").write_text(json.dumps({"splits": {"mine": split, "test": split}}))
    train, test = open_both("wds/x", root=tmp_path, train_split="mine", test_split="test")
    assert train.labels.tolist() == test.labels.tolist() == [0, 1] * 3
    assert _reds(train) == list(range(6))
    with pytest.raises(
        InputError, match=r"train_split must be a split of wds/x \(mine, test\), got 'training'"
    ):
        open_both("wds/x", root=tmp_path, train_split="training")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a.png": _png(1)}, r"must hold a\.cls with the label, got png"),
        ({"a.cls": b"1"}, "must hold an image of sample a, got cls"),
        ({"a.png": _png(1), "a.cls": b"dog"}, r"must hold the label of a in \.cls, got b'dog'"),
        ({"a.png": _png(1), "a.cls": b"-1"}, r"a\.png must have a label of 0 or more, got -1"),
        ({"a.png": _png(1), "a.cls": b"9999999"}, "below 1,000,000"),
    ],
)
def test_a_sample_that_is_not_whole_is_named(tmp_path: Path, files: dict[str, bytes], reason: str) -> None:
    _write_tar(tmp_path / "train-0.tar", files)
    with pytest.raises(DataError, match=reason):
        open_both("wds/x", root=tmp_path)


def test_damaged_and_compressed_shards_are_refused(shards: Path) -> None:
    path = shards / "photos-train-0001.tar"
    whole = path.read_bytes()
    path.write_bytes(whole[: 512 * 3 + 100])
    with pytest.raises(DataError, match=r"photos-train-0001\.tar must be a whole tar file"):
        open_both("wds/photos", root=shards)
    path.write_bytes(gzip.compress(whole))
    with pytest.raises(DataError, match="not compressed"):
        open_both("wds/photos", root=shards)
    path.unlink()
    split = {"filenames": ["photos-train-0001.tar"]}
    (shards / "info.json").write_text(json.dumps({"splits": {"train": split}}))
    with pytest.raises(DataError, match="must be a shard, but is missing"):
        open_both("wds/photos", root=shards)
    split = {"filenames": ["photos-train-0000.tar"], "shard_lengths": [10]}
    (shards / "info.json").write_text(json.dumps({"splits": {"train": split}}))
    with pytest.raises(
        DataError, match=r"photos-train-0000\.tar must hold 10 samples, as the info file says, got 9"
    ):
        open_both("wds/photos", root=shards)


def test_one_tar_of_class_folders_holds_a_fifth_out(tmp_path: Path) -> None:
    files = {f"{name}/{n}.png": _png(n) for name in ("cat", "dog") for n in range(10)}
    path = _write_tar(tmp_path / "pets.tar", files)
    train, test = open_both(path)
    assert train.classes == test.classes == ["cat", "dog"]
    assert (len(train), len(test)) == (16, 4)
    assert sorted(_reds(train) + _reds(test)) == sorted(list(range(10)) * 2)


def test_a_tar_of_a_tar_a_class(tmp_path: Path) -> None:
    inner = {}
    for first, name in ((0, "cat"), (10, "dog")):
        files = {f"{name}_{n}.png": _png(first + n) for n in range(5)}
        inner[f"all/{name}.tar"] = _write_tar(tmp_path / f"{name}.tar", files).read_bytes()
    train, test = open_both(_write_tar(tmp_path / "pets.tar", inner))
    assert train.classes == ["cat", "dog"]
    for images in (train, test):
        assert [red // 10 for red in _reds(images)] == images.labels.tolist()
    assert train.describe(0).startswith(f"{tmp_path / 'pets.tar'}, all/cat/cat_")


def _write_mnist(root: Path, name: str, counts: dict[str, int]) -> Path:
    """Write the raw files of torchvision's MNIST-like data sets: image n is all n, label n % 10."""
    folder = root / name / "raw"
    folder.mkdir(parents=True)
    for part, count in counts.items():
        pixels = np.repeat(np.arange(count, dtype=np.uint8), 28 * 28).tobytes()
        labels = bytes(n % 10 for n in range(count))
        sizes = [count, 28, 28]
        head = b"".join(size.to_bytes(4, "big") for size in [0x803, *sizes])
        (folder / f"{part}-images-idx3-ubyte").write_bytes(head + pixels)
        head = b"".join(size.to_bytes(4, "big") for size in [0x801, count])
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels)
    return root


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion_mnist", "FashionMNIST")])
def test_torchvision_by_name(tmp_path: Path, name: str, folder: str) -> None:
    _write_mnist(tmp_path, folder, {"train": 30, "t10k": 20})
    train, test = open_both(f"torch/{name}", root=tmp_path)
    assert (len(train), len(test), len(train.classes)) == (30, 20, 10)
    assert train.labels.tolist() == [n % 10 for n in range(30)]
    assert _reds(train) == list(range(30))
    assert train[3][0].mode == "RGB"
    assert train.describe(3) == f"torch/{name}, split train, image 3"
    with pytest.raises(InputError, match=r"train_split must be a split .*got 'trian'"):
        open_both(
            f"torch/{name}", root=tmp_path, train_split="trian"
        )  # which timm would take for the test split


def test_torchvision_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"data_root must hold torch/cifar10, got .*not found or corrupted"):
        open_both("torch/cifar10", root=tmp_path)
    with pytest.raises(
        InputError, match="data_root must be the folder with the files of torch/cifar10, got None"
    ):
        open_both("torch/cifar10")
    with pytest.raises(InputError, match="got 'torch/cifar12'"):
        open_both("torch/cifar12", root=tmp_path)


def test_a_pickle_of_other_content_than_torchvision_knows_is_not_loaded(tmp_path: Path) -> None:
    class Harmful:
        def __reduce__(self) -> Any:
            return (os.mkdir, (str(tmp_path / "harmed"),))

    import pickle

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name in [*(f"data_batch_{n}" for n in range(1, 6)), "test_batch", "batches.meta"]:
        (folder / name).write_bytes(pickle.dumps(Harmful()))
    with pytest.raises(InputError, match="not found or corrupted"):
        open_both("torch/cifar10", root=tmp_path)
    assert not (tmp_path / "harmed").exists()


def test_image_folder_by_torchvisions_name(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        for name in ("a", "b"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / "1.png").write_bytes(_png(1))
    train, test = open_both("torch/image_folder", root=tmp_path)
    assert (train.classes, len(train), len(test)) == (["a", "b"], 2, 2)


@pytest.fixture
def hugging_face(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of Parquet files as Hugging Face stores them; the library's caches are temporary."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    kinds = datasets.Features({"img": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    for split, numbers in (("train", range(10)), ("validation", range(20, 24))):
        rows = {"img": [{"bytes": _png(n), "path": None} for n in numbers], "label": [n % 2 for n in numbers]}
        path = tmp_path / "pets" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        datasets.disable_progress_bars()
        datasets.Dataset.from_dict(rows, features=kinds).to_parquet(str(path))
    return tmp_path / "pets"


@pytest.mark.parametrize("prefix", ["hfds", "hfids", "HFDS"])
def test_hugging_face_by_random_access_and_as_a_stream(
    hugging_face: Path, prefix: str, tmp_path: Path
) -> None:
    train, test = open_both(f"{prefix}/{hugging_face}", root=tmp_path / "copy")
    assert train.classes == test.classes == ["cat", "dog"]
    assert train.labels.tolist() == [0, 1] * 5
    assert _reds(train) == list(range(10))
    assert _reds(test) == list(range(20, 24))
    assert train.describe(7).startswith(f"{prefix}/{hugging_face}, split train, ")


def test_slices_of_hugging_faces_splits(hugging_face: Path, tmp_path: Path) -> None:
    train, _ = open_both(f"hfds/{hugging_face}", root=tmp_path / "copy", train_split="train[2:6]")
    assert _reds(train) == [2, 3, 4, 5]
    with pytest.raises(
        InputError, match=r"test_split must be a split of .*\(train, validation\), got 'test'"
    ):
        open_both(f"hfds/{hugging_face}", root=tmp_path / "copy", test_split="test")


def test_without_download_hugging_face_is_not_asked(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(
        InputError, match=r"data_root must hold hfds/some/where, got .*\(download would fetch it\)"
    ):
        open_both("hfds/some/where", root=tmp_path)


def test_a_format_of_hugging_face_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="data must be hfds/FOLDER or hfds/NAME, got 'hfds/imagefolder'"):
        open_both("hfds/imagefolder", root=tmp_path)


@pytest.mark.parametrize(
    ("name", "pip"),
    [("hfds/x", "datasets"), ("hfids/x", "datasets"), ("tfds/x", "tensorflow-datasets tensorflow")],
)
def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch, name: str, pip: str) -> None:
    for module in ("datasets", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        InputError, match=f"data '{name}' needs a package that is not installed: pip install {pip}"
    ):
        open_both(name)


class _Stream:
    """A stream as timm's IterableImageDataset gives it, of a reader that shares out images among processes."""

    def __init__(self) -> None:
        self.reader = types.SimpleNamespace(dist_rank=1, dist_num_replicas=2)

    def __iter__(self) -> Iterator[tuple[Image.Image, int]]:
        for n in range(self.reader.dist_rank, 8, self.reader.dist_num_replicas):
            yield Image.new("RGB", (6, 4), (n, 0, 0)), n % 2


def test_every_process_reads_all_of_a_stream() -> None:
    images = named.streamed("tfds/x", "train", _Stream(), None)
    assert _reds(images) == list(range(8))
    assert images.labels.tolist() == [0, 1] * 4
    assert images.describe(2) == "tfds/x, split train, image 2"


def test_a_stream_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "MEMORY_LIMIT", 3 * 6 * 4 * 5)
    with pytest.raises(
        InputError, match=r"GiB of decoded images from a stream, got more with image 6 of tfds/x"
    ):
        named.streamed("tfds/x", "train", _Stream(), None)


def test_labels_of_a_stream_are_checked() -> None:
    with pytest.raises(
        DataError, match="tfds/x, split train, image 1 must have a label below 1, its number of cl"
    ):
        named.streamed("tfds/x", "train", _Stream(), ["one"])
