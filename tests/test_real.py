"""Real labelled images: reading, splitting, choosing few, naming what is broken."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fdsl.data.real import RealImages, at_most, few_labels, open_both, open_images, shots_of
from fdsl.errors import DataError, InputError

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("sklearn")


def _png(value: int, size: tuple[int, int] = (6, 4)) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (value, 0, 255 - value)).save(stream, "PNG")
    return stream.getvalue()


def _write_folder(root: Path, classes: dict[str, int]) -> Path:
    """Write class folders; image n of every class has red n."""
    for name, count in classes.items():
        (root / name).mkdir(parents=True)
        for n in range(count):
            (root / name / f"bild {n:02} é.png").write_bytes(_png(n))
    return root


def _write_parquet(
    path: Path, images: list[bytes], labels: list[int], names: list[str] | None = None
) -> None:
    rows = [{"bytes": content, "path": None} for content in images]
    table = pa.table({"image": rows, "label": pa.array(labels, pa.int64())})
    if names is not None:
        features = {"label": {"names": names, "_type": "ClassLabel"}}
        metadata = {"huggingface": json.dumps({"info": {"features": features}})}
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path)


def _identities(images: RealImages) -> set[str]:
    return {images.describe(int(n)) for n in images.source_index}


def test_digits_are_dark_on_white_and_split_without_overlap() -> None:
    train, test = open_images("digits"), open_images("digits", "test")
    assert len(train) + len(test) == 1797
    assert not _identities(train) & _identities(test)
    assert train.classes == [str(n) for n in range(10)]
    image, label = train[0]
    assert image.size == (32, 32)
    assert image.mode == "RGB"
    assert label == train.labels[0]
    pixels = np.asarray(image)
    assert (pixels[:2] == 255).all(), "the margin is white"
    assert pixels.min() < 64
    share = np.bincount(train.labels) / np.bincount(np.concatenate([train.labels, test.labels]))
    assert np.abs(share - 0.5).max() < 0.01


def test_folder_with_a_split_and_odd_names(tmp_path: Path) -> None:
    root = tmp_path / "meine Bilder 写真"
    _write_folder(root / "train", {"Kätzchen": 3, "a b": 2})
    _write_folder(root / "validation", {"Kätzchen": 1, "a b": 1})
    train, test = open_images(root), open_images(root, "test")
    assert train.classes == test.classes == ["Kätzchen", "a b"]
    assert train.labels.tolist() == [0, 0, 0, 1, 1]
    assert test.labels.tolist() == [0, 1]
    assert train[2][0].getpixel((0, 0)) == (2, 0, 253)
    assert train[2][0].size == (6, 4)


def test_folder_without_a_split_is_split_the_same_way_each_time(tmp_path: Path) -> None:
    root = _write_folder(tmp_path / "plain", {"a": 20, "b": 10})
    train, test = open_images(root), open_images(root, "test")
    assert np.bincount(test.labels).tolist() == [4, 2]
    assert not _identities(train) & _identities(test)
    assert len(_identities(train) | _identities(test)) == 30
    assert _identities(open_images(root, "test")) == _identities(test)


def test_test_folder_must_not_hold_classes_that_training_lacks(tmp_path: Path) -> None:
    _write_folder(tmp_path / "train", {"a": 1, "b": 1})
    _write_folder(tmp_path / "test", {"a": 1, "b": 1, "c": 1})
    with pytest.raises(DataError, match="train every class it tests, got test images of 'c' alone"):
        open_images(tmp_path, "test")


def test_parquet_with_names_in_several_files(tmp_path: Path) -> None:
    _write_parquet(
        tmp_path / "train-00000-of-00002.parquet", [_png(1), _png(2)], [1, 0], ["cat", "dog", "emu"]
    )
    _write_parquet(tmp_path / "train-00001-of-00002.parquet", [_png(3)], [2], ["cat", "dog", "emu"])
    _write_parquet(tmp_path / "test-00000-of-00001.parquet", [_png(4)], [0], ["cat", "dog", "emu"])
    train, test = open_images(tmp_path), open_images(tmp_path, "test")
    assert train.classes == test.classes == ["cat", "dog", "emu"]
    assert [train[n][0].getpixel((0, 0))[0] for n in range(3)] == [1, 2, 3]
    assert [train[n][1] for n in range(3)] == [1, 0, 2]
    assert test[0][0].getpixel((0, 0))[0] == 4


def test_parquet_without_names_counts_its_labels(tmp_path: Path) -> None:
    _write_parquet(tmp_path / "train-0.parquet", [_png(1), _png(2)], [3, 0])
    assert open_images(tmp_path).classes == ["0", "1", "2", "3"]


def test_broken_file_is_named_or_skipped_and_counted(tmp_path: Path) -> None:
    root = _write_folder(tmp_path / "train", {"a": 3, "b": 3})
    _write_folder(tmp_path / "test", {"a": 1, "b": 1})
    broken = root / "b" / "bild 01 é.png"
    broken.write_bytes(_png(1)[:40])
    images = open_images(tmp_path)
    with pytest.raises(DataError, match=r"bild 01 é\.png"):
        images[4]
    rest = open_images(tmp_path, skip_broken=True)
    assert rest.labels.tolist() == [0, 0, 0, 1, 1]
    assert len(rest.skipped) == 1
    assert str(broken) in rest.skipped[0]
    assert [rest[n][0].getpixel((0, 0))[0] for n in range(5)] == [0, 1, 2, 0, 2]


def test_broken_parquet_row_is_named(tmp_path: Path) -> None:
    _write_parquet(tmp_path / "train-0.parquet", [_png(1), b"not an image"], [0, 1])
    with pytest.raises(DataError, match=r"train-0\.parquet, row 1"):
        open_images(tmp_path)[1]
    assert len(open_images(tmp_path, skip_broken=True)) == 1


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (struct.error("unpack requires 4 bytes"), "unpack requires 4 bytes"),
        (zlib.error("Error -3"), "Error -3"),
        (IndexError("list index out of range"), "list index"),
        (EOFError(), "EOFError"),
    ],
)
def test_whatever_a_decoder_raises_names_the_image(error: Exception, reason: str) -> None:
    def fail(n: int) -> Image.Image:
        raise error

    images = replace(open_images("digits"), open_image=fail)
    with pytest.raises(DataError, match=rf"digit \d+ cannot be read: {reason}"):
        images[0]


def test_every_parquet_file_must_have_the_columns(tmp_path: Path) -> None:
    _write_parquet(tmp_path / "train-0.parquet", [_png(1), _png(2)], [0, 1])
    pq.write_table(pa.table({"picture": [1], "label": [0]}), tmp_path / "train-1.parquet")
    with pytest.raises(DataError, match=r"train-1\.parquet must have columns image and label"):
        open_images(tmp_path)


def test_split_without_images_is_refused(tmp_path: Path) -> None:
    root = _write_folder(tmp_path / "tiny", {"a": 2, "b": 2})
    assert len(open_images(root)) == 4
    with pytest.raises(DataError, match="three images of a class at least"):
        open_images(root, "test")


def test_unusable_sources_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="existing folder"):
        open_images(tmp_path / "none")
    with pytest.raises(DataError, match="class folders"):
        open_images(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="got none"):
        open_images(tmp_path)
    (tmp_path / "train-0.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match=r"train-0\.parquet"):
        open_images(tmp_path)
    pq.write_table(pa.table({"picture": [1], "label": [0]}), tmp_path / "train-0.parquet")
    with pytest.raises(DataError, match="columns image and label"):
        open_images(tmp_path)


@pytest.mark.parametrize("labels", [10, 50, 53])
def test_few_labels_are_balanced_and_seeded(labels: int) -> None:
    images = open_images("digits")
    few = few_labels(images, labels, seed=3)
    counts = np.bincount(few.labels, minlength=10)
    assert counts.sum() == labels
    assert counts.max() - counts.min() <= 1
    assert len(_identities(few)) == labels
    assert few.source_index.tolist() == few_labels(images, labels, seed=3).source_index.tolist()
    assert few.source_index.tolist() != few_labels(images, labels, seed=4).source_index.tolist()


def test_at_most_keeps_the_shares_of_the_classes_and_all_if_there_are_fewer() -> None:
    digits = open_images("digits")
    unbalanced = digits.subset(np.flatnonzero((digits.labels < 3) | (np.arange(len(digits)) % 10 == 0)))
    some = at_most(unbalanced, 200, seed=0)
    assert len(_identities(some)) == len(some) == 200
    shares = [np.bincount(images.labels, minlength=10) / len(images) for images in (unbalanced, some)]
    assert np.abs(shares[0] - shares[1]).max() < 0.08
    assert some.source_index.tolist() == at_most(unbalanced, 200, seed=0).source_index.tolist()
    assert some.source_index.tolist() != at_most(unbalanced, 200, seed=1).source_index.tolist()
    assert at_most(unbalanced, 5000, seed=0) is unbalanced


def test_few_labels_must_exist() -> None:
    images = open_images("digits")
    with pytest.raises(InputError, match="labels must be >= 10"):
        few_labels(images, 9, seed=0)
    with pytest.raises(InputError, match="labels must be fewer, got 5000"):
        few_labels(images, 5000, seed=0)


def test_an_empty_class_folder_is_named_unless_it_is_only_not_tested(tmp_path: Path) -> None:
    _write_folder(tmp_path / "train", {"a": 2, "b": 2})
    _write_folder(tmp_path / "test", {"a": 1, "b": 0})
    train, test = open_both(tmp_path)
    assert (train.classes, test.classes) == (["a", "b"], ["a", "b"])
    assert test.labels.tolist() == [0]
    (tmp_path / "train" / "c").mkdir()
    with pytest.raises(DataError, match=r"train/c must hold images of its class, got none"):
        open_both(tmp_path)
    plain = _write_folder(tmp_path / "plain", {"a": 9, "b": 0, "c": 9})
    with pytest.raises(DataError, match=r"plain/b must hold images of its class, got none"):
        open_both(plain)


def test_splits_of_folders_are_found_or_named(tmp_path: Path) -> None:
    for split, count in (("training", 4), ("dev", 2), ("rest", 3)):
        _write_folder(tmp_path / split, {"a": count, "b": count})
    assert [len(part) for part in open_both(tmp_path)] == [8, 4]
    assert [len(part) for part in open_both(tmp_path, train_split="rest")] == [6, 4]
    assert [len(part) for part in open_both(tmp_path, test_split="rest")] == [8, 6]
    with pytest.raises(
        InputError, match=r"test_split must be a split of .* \(dev, rest, training\), got 'val'"
    ):
        open_both(tmp_path, test_split="val")
    with pytest.raises(InputError, match="test_split must differ from train_split, got 'dev'"):
        open_both(tmp_path, train_split="dev", test_split="dev")
    _write_folder(tmp_path / "alone" / "train", {"a": 10, "b": 5})
    train, test = open_both(tmp_path / "alone")
    assert [np.bincount(part.labels).tolist() for part in (train, test)] == [[8, 4], [2, 1]]


def test_classes_that_a_test_folder_lacks_keep_their_numbers(tmp_path: Path) -> None:
    _write_folder(tmp_path / "train", {"a": 1, "b": 1, "c": 1})
    _write_folder(tmp_path / "test", {"a": 1, "c": 1})
    train, test = open_both(tmp_path)
    assert test.classes == train.classes
    assert test.labels.tolist() == [0, 2]


@pytest.mark.parametrize(
    ("labels", "names", "reason"),
    [
        ([0, -1], ["a", "b"], r"train-0\.parquet, row 1 must have a label of 0 or more, got -1"),
        (
            [0, 2],
            ["a", "b"],
            r"train-0\.parquet, row 1 must have a label below 2, its number of classes, got 2",
        ),
        ([0, None], ["a", "b"], r"train-0\.parquet, row 1 must have an integer as its label, got None"),
        ([0, 2_000_000], None, r"row 1 must have a label below 1,000,000, the most there may be"),
    ],
)
def test_labels_out_of_range_name_their_row(
    tmp_path: Path, labels: list[Any], names: list[str] | None, reason: str
) -> None:
    _write_parquet(tmp_path / "train-0.parquet", [_png(1), _png(2)], labels, names)
    with pytest.raises(DataError, match=reason):
        open_images(tmp_path)


def test_labels_must_be_integers(tmp_path: Path) -> None:
    for column in (pa.array([0.0, 1.0]), pa.array(["cat", "dog"])):
        rows = [{"bytes": _png(n), "path": None} for n in range(2)]
        pq.write_table(pa.table({"image": rows, "label": column}), tmp_path / "train-0.parquet")
        with pytest.raises(DataError, match="row 0 must have an integer as its label"):
            open_images(tmp_path)


def test_classes_of_one_name_stay_apart(tmp_path: Path) -> None:
    _write_parquet(tmp_path / "train-0.parquet", [_png(1)] * 3, [0, 1, 2], ["crane", "dog", "crane"])
    assert open_images(tmp_path).classes == ["crane (0)", "dog", "crane (2)"]


def test_shots_are_of_each_class_and_fewer_are_among_more() -> None:
    images = open_images("digits")
    few, more = (shots_of(images, shots, seed=3) for shots in (5, 10))
    assert np.bincount(few.labels).tolist() == [5] * 10
    assert np.bincount(more.labels).tolist() == [10] * 10
    assert _identities(few) < _identities(more)
    assert _identities(few) != _identities(shots_of(images, 5, seed=4))
    with pytest.raises(InputError, match=r"shots must be at most 87, got 100: class '8' has no more images"):
        shots_of(images, 100, seed=0)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.ppm"])
def test_images_of_16_bits_keep_their_grays(tmp_path: Path, name: str) -> None:
    for split in ("train", "test"):
        _write_folder(tmp_path / split, {"a": 0, "b": 1})
        grays = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
        Image.fromarray(grays).save(tmp_path / split / "a" / name)
    image, _ = open_images(tmp_path)[0]
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image)[..., 1].ravel(), np.arange(256))


def test_images_without_a_white_are_refused(tmp_path: Path) -> None:
    for split in ("train", "test"):
        _write_folder(tmp_path / split, {"a": 0, "b": 1})
        Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / split / "a" / "real.tif")
    with pytest.raises(DataError, match=r"real\.tif cannot be read: its pixels are fractions"):
        open_images(tmp_path)[0]
