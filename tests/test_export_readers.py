"""What others read files with finds in an export the images of the dataset, pixel by pixel, and their labels."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("timm")
datasets = pytest.importorskip("datasets")
wds = pytest.importorskip("webdataset")

import pandas as pd  # noqa: E402
import pyarrow.dataset  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
import torch  # noqa: E402
from timm.data.dataset_factory import create_dataset  # noqa: E402
from torchvision.datasets import DatasetFolder, ImageFolder  # noqa: E402

from fdsl import Loader  # noqa: E402
from fdsl.data.export.config import ExportConfig  # noqa: E402
from fdsl.data.export.plan import make_plan  # noqa: E402
from fdsl.data.export.work import layout_of  # noqa: E402
from fdsl.data.order import permuted  # noqa: E402
from fdsl.data.real import RealImages, open_both  # noqa: E402
from tiny_exports import (  # noqa: E402
    CLASSES,
    COLOURED,
    INSTANCES,
    SEED,
    SIZE,
    Export,
    check_same,
    hugging_face_apart,
    rgb,
    write,
)

# timm and webdataset leave open what they have read
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

NAMES = [f"{k:05}" for k in range(CLASSES)]
Rows = Iterable[tuple[Any, Any]]
Made = Callable[..., Export]


@pytest.fixture(autouse=True, scope="module")
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with hugging_face_apart(tmp_path_factory.mktemp("caches")):
        yield


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Return what gives the export with some fields changed, which is written when it is first asked for."""
    root = tmp_path_factory.mktemp("exports")

    @cache
    def export(**fields: Any) -> Export:
        told = ", ".join(f"{name} {value}" for name, value in fields.items())
        return write(root / f"für alle {told}", **fields)

    return export


def _ours(pair: tuple[RealImages, RealImages]) -> Rows:
    """Return the images that fdsl would fine-tune on and test on, in the order of the files."""
    rows = [(int(images.source_index[n]), images[n]) for images in pair for n in range(len(images))]
    return [row for _, row in sorted(rows, key=lambda row: row[0])]


def _hugging_face(source: Any, image: str = "image", label: str = "label") -> Rows:
    return [(row[image], row[label]) for row in source]


def _image_folder(export: Export) -> Rows:
    found = ImageFolder(export.folder)
    assert found.classes == NAMES
    assert found.class_to_idx == export.dataset.class_to_idx
    return found


def _files(export: Export) -> Iterator[tuple[Any, Any]]:
    for path in sorted(export.folder.glob(f"*/*.{export.suffix}")):
        yield Image.open(io.BytesIO(path.read_bytes())), path.parent.name


def _timm_folder(export: Export) -> Rows:
    key = ".webp" if export.suffix == "webp" else None
    found = create_dataset("", root=str(export.folder), input_key=key)
    assert found.reader.class_to_idx == export.dataset.class_to_idx
    return found


def _named_labels(found: Any) -> Rows:
    assert sorted(found.features) == ["image", "label"]
    assert found.features["label"].names == NAMES
    return _hugging_face(found)


def _tars(export: Export) -> list[str]:
    return [str(path) for path in sorted(export.folder.glob("*.tar"))]


def _decoded(export: Export, content: bytes) -> Any:
    return np.load(io.BytesIO(content)) if export.suffix == "npy" else Image.open(io.BytesIO(content))


def _tarfile(export: Export) -> Iterator[tuple[Any, Any]]:
    for path in _tars(export):
        with tarfile.open(path) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        for key in dict.fromkeys(name.partition(".")[0] for name in files):
            yield _decoded(export, files[f"{key}.{export.suffix}"]), files[f"{key}.cls"]


def _webdataset(export: Export) -> Rows:
    stream = wds.WebDataset(_tars(export), shardshuffle=False)
    decoded = stream.decode() if export.suffix == "npy" else stream.decode("pil")
    return decoded.to_tuple(export.suffix, "cls")


def _pandas(export: Export) -> Iterator[tuple[Any, Any]]:
    for row in pd.read_parquet(export.folder / "data").itertuples():
        yield _decoded(export, row.image if export.suffix == "npy" else row.image["bytes"]), row.label


def _pyarrow(export: Export) -> Iterator[tuple[Any, Any]]:
    for row in pyarrow.dataset.dataset(export.folder / "data").to_table().to_pylist():
        yield (
            _decoded(export, row["image"] if export.suffix == "npy" else row["image"]["bytes"]),
            row["label"],
        )


READERS: dict[str, dict[str, Callable[[Export], Rows]]] = {
    "folder": {
        "torchvision": _image_folder,
        "pillow": _files,
        "timm": _timm_folder,
        "hugging-face-imagefolder": lambda export: _named_labels(
            datasets.load_dataset("imagefolder", data_dir=str(export.folder), split="train")
        ),
        "hugging-face": lambda export: _named_labels(
            datasets.load_dataset(str(export.folder), split="train")
        ),
        "fdsl": lambda export: _ours(open_both(export.folder)),
    },
    "webdataset": {
        "webdataset": _webdataset,
        "tarfile": _tarfile,
        "timm": lambda export: create_dataset("wds/any", root=str(export.folder), split="train"),
        "hugging-face-webdataset": lambda export: _hugging_face(
            datasets.load_dataset("webdataset", data_files=_tars(export), split="train"),
            export.suffix,
            "cls",
        ),
        "hugging-face": lambda export: _hugging_face(
            datasets.load_dataset(str(export.folder), split="train"), export.suffix, "cls"
        ),
        "fdsl": lambda export: _ours(open_both("wds/any", root=export.folder)),
        "fdsl-folder": lambda export: _ours(open_both(export.folder)),
    },
    "parquet": {
        "hugging-face": lambda export: _named_labels(
            datasets.load_dataset(str(export.folder), split="train")
        ),
        "hugging-face-stream": lambda export: _named_labels(
            datasets.load_dataset(str(export.folder), split="train", streaming=True)
        ),
        "timm": lambda export: create_dataset(f"hfds/{export.folder}", split="train"),
        "pandas": _pandas,
        "pyarrow": _pyarrow,
        "fdsl": lambda export: _ours(open_both(export.folder)),
        "fdsl-hfds": lambda export: _ours(open_both(f"hfds/{export.folder}")),
    },
}
NPY_READERS: dict[str, dict[str, Callable[[Export], Rows]]] = {
    "folder": {"torchvision": lambda export: DatasetFolder(export.folder, np.load, extensions=("npy",))},
    "webdataset": {
        "webdataset": _webdataset,
        "tarfile": _tarfile,
        "hugging-face": lambda export: [
            (np.array(image, np.uint8), label)
            for image, label in READERS["webdataset"]["hugging-face"](export)
        ],
    },
    "parquet": {
        "hugging-face": lambda export: [
            (_decoded(export, image), label) for image, label in READERS["parquet"]["hugging-face"](export)
        ],
        "pandas": _pandas,
        "pyarrow": _pyarrow,
    },
}
KINDS = [(kind, name) for kind, readers in READERS.items() for name in readers]
NPY_KINDS = [(kind, name) for kind, readers in NPY_READERS.items() for name in readers]


@pytest.mark.parametrize(("kind", "reader"), KINDS)
def test_every_reader_finds_every_image(made: Made, kind: str, reader: str) -> None:
    export = made(format=kind)
    check_same(READERS[kind][reader](export), export)


@pytest.mark.parametrize(("kind", "reader"), KINDS)
def test_every_reader_finds_every_image_in_colour(made: Made, kind: str, reader: str) -> None:
    export = made(format=kind, encoding="webp-lossless", **COLOURED)
    assert any((np.ptp(image, axis=-1) > 9).any() for image, _ in export.images)
    check_same(READERS[kind][reader](export), export)


@pytest.mark.parametrize(
    ("kind", "reader"), [("folder", "torchvision"), ("webdataset", "webdataset"), ("parquet", "pandas")]
)
@pytest.mark.parametrize("encoding", ["png", "jpeg", "webp"])
def test_other_encodings_of_colour(made: Made, kind: str, reader: str, encoding: str) -> None:
    """Those of gray are read where the code of cards is tried."""
    export = made(format=kind, encoding=encoding, **COLOURED)
    check_same(READERS[kind][reader](export), export)


@pytest.mark.parametrize(("kind", "reader"), NPY_KINDS)
@pytest.mark.parametrize("colour", ["gray", "rgb"])
def test_every_reader_of_arrays_finds_every_image(made: Made, kind: str, reader: str, colour: str) -> None:
    export = made(format=kind, encoding="npy", colour=colour)
    rows = list(NPY_READERS[kind][reader](export))
    assert {np.shape(image) for image, _ in rows} == {(SIZE, SIZE) if colour == "gray" else (SIZE, SIZE, 3)}
    check_same(rows, export)


@pytest.mark.parametrize(
    ("kind", "reader"), [("folder", "pillow"), ("webdataset", "tarfile"), ("parquet", "pyarrow")]
)
@pytest.mark.parametrize(
    ("encoding", "colour", "mode"),
    [("png", "auto", "L"), ("png", "rgb", "RGB"), ("jpeg", "gray", "L"), ("jpeg", "rgb", "RGB")],
)
def test_gray_images_are_stored_as_asked(
    made: Made, kind: str, reader: str, encoding: str, colour: str, mode: str
) -> None:
    export = made(format=kind, encoding=encoding, colour=colour)
    rows = list(READERS[kind][reader](export))
    assert {image.mode for image, _ in rows} == {mode}
    check_same(rows, export)


@pytest.mark.parametrize("family", ["MultiFractal", "SegRCDB"])
@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_all_objects_of_an_image_are_named(made: Made, kind: str, family: str) -> None:
    export = made(format=kind, family=family)
    held = export.dataset.family.contents(SEED, *export.dataset.identify(export.indices))
    expected = [[k for k in row if k >= 0] for row in held.tolist()]
    assert max(map(len, expected)) > 1
    found = datasets.load_dataset(str(export.folder), split="train")
    if kind == "parquet":
        rows = _hugging_face(found)
        theirs = [found["classes"], pd.read_parquet(export.folder / "data")["classes"]]
        listed = pq.read_table(export.folder / "data").column("classes").to_pylist()
    else:
        rows = _hugging_face(found, "png", "cls")
        theirs = [[row["json"]["classes"] for row in found]]
        stream = wds.WebDataset(_tars(export), shardshuffle=False).decode("pil")
        listed = [row["json"]["classes"] for row in stream]
        timm = create_dataset("wds/any", root=str(export.folder), split="train", target_key="classes")
        theirs.append([label for _, label in timm])
    for classes in (*theirs, listed):
        assert [list(row) for row in classes] == expected
    check_same(rows, export)
    check_same(READERS[kind]["timm"](export), export)


def test_a_folder_of_images_of_several_objects_names_the_last_drawn(made: Made) -> None:
    export = made(format="folder", family="MultiFractal")
    held = export.dataset.family.contents(SEED, *export.dataset.identify(export.indices))
    assert [[k for k in row if k >= 0][-1] for row in held.tolist()] == [label for _, label in export.images]
    check_same(ImageFolder(export.folder), export)


@pytest.mark.parametrize("order", ["shuffled", "category"])
def test_order_is_the_loaders_first_epoch_or_that_of_the_categories(made: Made, order: str) -> None:
    export = made(format="webdataset", order=order)
    dataset, count = export.dataset, CLASSES * INSTANCES
    rows = [(rgb(image), label) for image, label in _webdataset(export)]
    if order == "category":
        batches = [(dataset[n][0], dataset[n][1]) for n in range(count)]
        expected = [(rgb(image), label) for image, label in batches]
    else:
        assert sorted(permuted(np.arange(count), count, SEED, 0).tolist()) == list(range(count))
        (images, labels), *_ = Loader(
            dataset, count, seed=SEED, augment=None, mean=(0, 0, 0), std=(1, 1, 1), ahead=1
        )
        pixels = (images * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        expected = list(zip(pixels, labels.tolist(), strict=True))
        assert [label for _, label in rows] != sorted(label for _, label in rows)
    assert [label for _, label in rows] == [label for _, label in expected]
    assert all(np.array_equal(one, other) for (one, _), (other, _) in zip(rows, expected, strict=True))


def test_shards_can_hold_folders_in_any_order(made: Made) -> None:
    """Folders sort themselves: which shard a file came from is not seen."""
    export = made(format="folder", order="shuffled", shard_size=4)
    check_same(ImageFolder(export.folder), export)


def test_held_out_images_lie_beside_those_to_train_on(tmp_path: Path) -> None:
    train = write(tmp_path / "all" / "train")
    write(tmp_path / "all" / "test", first_instance=INSTANCES, instances=2)
    held = [divmod(n, 2) for n in range(2 * CLASSES)]
    categories, instances = np.array([(k, INSTANCES + i) for k, i in held]).T
    drawn = train.dataset.draw(categories, instances)
    both = datasets.load_dataset("imagefolder", data_dir=str(tmp_path / "all"))
    ours = open_both(tmp_path / "all")
    tests = [
        list(ImageFolder(tmp_path / "all" / "test")),
        list(create_dataset("", root=str(tmp_path / "all"), split="test")),
        _hugging_face(both["test"]),
        [ours[1][n] for n in range(len(ours[1]))],
    ]
    for found in tests:
        assert [label for _, label in found] == categories.tolist()
        assert all(
            np.array_equal(rgb(image), rgb(pixels)) for (image, _), pixels in zip(found, drawn, strict=True)
        )
    check_same(_hugging_face(both["train"]), train)
    check_same([ours[0][n] for n in range(len(ours[0]))], train)
    assert {path.name for path in (tmp_path / "all/test/00002").iterdir()} == {"000004.png", "000005.png"}


@pytest.mark.parametrize("classes", [100_000, 100_001])
def test_names_of_categories_sort_as_numbers(classes: int) -> None:
    names = make_plan(ExportConfig(family="RCDB", classes=classes)).class_names()
    assert names == sorted(names)
    assert list(map(int, names)) == list(range(classes))


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
@pytest.mark.parametrize("shards", [99_999, 100_000, 100_001, 1_000_000])
def test_names_of_shards_and_images_sort_as_numbers(kind: str, shards: int) -> None:
    config = ExportConfig(
        family="RCDB", classes=shards, instances=2, first_instance=999_999, format=kind, shard_size=2
    )
    plan = make_plan(config)
    assert plan.shards == shards
    assert plan.instance_name(999_999) < plan.instance_name(1_000_000)
    names = [layout_of(plan).name(n) for n in sorted({0, 9, 10, 99_998, shards // 2, shards - 1})]
    assert names == sorted(names)
    assert len(set(map(len, names))) == 1


def test_names_are_those_of_the_published_folders() -> None:
    """FractalDB's are 00000 to 00999, and torchvision sorts them as text."""
    plan = make_plan(ExportConfig(family="FractalDB", classes=1000, instances=1000))
    assert plan.class_names() == [f"{k:05}" for k in range(1000)] == sorted(plan.class_names())
