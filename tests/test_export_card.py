"""The card of an export: its code runs as printed, its YAML names the files, its command line makes the same files."""

from __future__ import annotations

import io
import re
import shlex
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("timm")
pytest.importorskip("datasets")
pytest.importorskip("webdataset")
yaml = pytest.importorskip("yaml")

from datasets import load_dataset  # noqa: E402

from fdsl.cli.parse import parse  # noqa: E402
from fdsl.cli.render import RenderConfig  # noqa: E402
from fdsl.data.export.card import dataset_card  # noqa: E402
from fdsl.data.export.config import Encoding, ExportConfig, Format  # noqa: E402
from fdsl.data.export.plan import make_plan  # noqa: E402
from tiny_exports import COLOURED, Export, check_same, hugging_face_apart, write  # noqa: E402

# timm and webdataset leave open what they have read
pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)

KINDS = list(product(get_args(Format), get_args(Encoding)))


@pytest.fixture(autouse=True, scope="module")
def _apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with hugging_face_apart(tmp_path_factory.mktemp("caches")):
        yield


def _fenced(card: str, language: str = "") -> str:
    """Return the text of the first block of code of a language."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", card, re.DOTALL | re.MULTILINE)
    return next(text for of, text in blocks if of == language)


def _head(card: str) -> dict[str, Any]:
    """Return what the YAML at the top says."""
    assert card.startswith("---\n")
    return yaml.safe_load(card.split("---\n")[1])


def _card(**fields: Any) -> str:
    """Return the card of an export of which nothing is drawn."""
    return dataset_card(make_plan(ExportConfig(**fields)), [])


def _rows(dataset: Any) -> list[tuple[Any, Any]]:
    """Return the images and labels of what a piece of code made."""
    if hasattr(dataset, "itertuples"):  # pandas
        rows = [{"image": row.image, "label": row.label} for row in dataset.itertuples()]
    else:
        rows = list(dataset)
    if isinstance(rows[0], dict):
        image = next(name for name in rows[0] if name not in ("label", "cls", "classes", "json"))
        label = "label" if "label" in rows[0] else "cls"
        rows = [(row[image], row[label]) for row in rows]
    return [(_picture(image), label) for image, label in rows]


def _picture(image: Any) -> Any:
    """Return what is an image to whom a reader gives less: bytes, a dict of them, or lists of numbers."""
    from PIL import Image

    if isinstance(image, dict):
        return Image.open(io.BytesIO(image["bytes"]))
    if isinstance(image, bytes):
        return np.load(io.BytesIO(image))
    return np.array(image, np.uint8) if isinstance(image, list) else image


def _check_code(export: Export) -> int:
    """Run each piece of a card's code by itself; return how many there are."""
    code = _fenced((export.folder / "README.md").read_text(), "python")
    pieces = code.strip().split("\n\n")
    for piece in pieces:
        assert "FOLDER" in piece
        names: dict[str, Any] = {}
        exec(piece.replace("FOLDER", str(export.folder)), names)
        check_same(_rows(names["dataset"]), export)
    return len(pieces)


@pytest.mark.parametrize(("kind", "encoding"), KINDS)
def test_code_runs_as_printed(tmp_path: Path, kind: str, encoding: str) -> None:
    export = write(tmp_path / "any files", format=kind, encoding=encoding)
    pieces = _check_code(export)
    assert pieces == ({"folder": 1}.get(kind, 2) if encoding == "npy" else 3)


def test_code_runs_for_one_shard_of_another_split_in_colour(tmp_path: Path) -> None:
    for kind in ("webdataset", "parquet"):
        _check_code(write(tmp_path / kind, format=kind, split="held", shard_size=100, **COLOURED))


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_hugging_face_takes_no_dataset_for_another(tmp_path: Path, kind: str) -> None:
    """Its library knows what it has read before by the folder's last name and the card's YAML alone."""
    for place, fields in (("a", {}), ("b", {"colour": "rgb"}), ("c", {"first_instance": 1, "instances": 2})):
        export = write(tmp_path / place / "same", format=kind, **fields)
        (config,) = _head((export.folder / "README.md").read_text())["configs"]
        assert config["description"] == make_plan(export.config).digest
        found = load_dataset(str(export.folder), split="train")
        image = found[0].get("image", found[0].get("png"))
        assert len(found) == 3 * export.config.instances
        assert image.mode == ("RGB" if export.config.colour == "rgb" else "L")


@pytest.mark.parametrize("kind", ["webdataset", "parquet"])
def test_yaml_names_the_files(tmp_path: Path, kind: str) -> None:
    export = write(tmp_path / "out", format=kind, split="validation", encoding="npy")
    head = _head((export.folder / "README.md").read_text())
    (config,) = head["configs"]
    (part,) = config["data_files"]
    assert part["split"] == "validation"
    shards = {path for path in export.folder.rglob("*") if path.suffix in (".tar", ".parquet")}
    assert len(shards) == 3
    assert set(export.folder.glob(part["path"])) == shards


def test_yaml_of_folders_names_none() -> None:
    head = _head(_card(family="RCDB"))
    assert "configs" not in head
    assert head["pretty_name"] == "RCDB by fdsl"
    assert head["task_categories"] == ["image-classification"]
    assert "rcdb" in head["tags"]


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (999, "n<1K"),
        (1_000, "1K<n<10K"),
        (999_999, "100K<n<1M"),
        (10**6, "1M<n<10M"),
        (10**9 - 1, "100M<n<1B"),
        (10**9, "1B<n<10B"),
        (10**11, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_is_one_of_the_hubs(images: int, said: str) -> None:
    classes = next(n for n in (1000, 999, 37) if images % n == 0)
    card = _card(family="RCDB", classes=classes, instances=images // classes)
    assert _head(card)["size_categories"] == [said]


FIELDS = st.fixed_dictionaries(
    {"family": st.sampled_from(["RCDB", "rcdb"])},
    optional={
        "colour": st.sampled_from(["gray", "rgb"]),
        "classes": st.integers(2, 10**6),
        "instances": st.integers(1, 10**6),
        "first_instance": st.integers(0, 10**6),
        "size": st.integers(32, 1024),
        "seed": st.integers(0, 2**32 - 1),
        "lines": st.sampled_from(["crisp", "area", "native"]),
        "alter": st.sampled_from([("broken=30",), ("broken=20", "width=3")]),
        "order": st.sampled_from(["shuffled", "category"]),
        "shard_size": st.integers(1, 10**6),
    },
)
ENCODED = st.sampled_from(
    [
        {"encoding": "png", "effort": 12},
        {"encoding": "jpeg", "quality": 1},
        {"encoding": "webp", "effort": 0, "quality": 100},
        {"encoding": "webp-lossless"},
        {"encoding": "npy"},
    ]
)
FORMATS = st.sampled_from(
    [{"format": "folder"}, {"format": "webdataset", "split": "held"}, {"format": "parquet", "split": "train"}]
)


def _check_command(config: ExportConfig) -> None:
    command = _fenced(dataset_card(make_plan(config), []))
    words = shlex.split(command.replace("\\\n", " "))
    assert words[:2] == ["fdsl", "render"]
    parsed = parse(RenderConfig, "render", ["a folder" if word == "FOLDER" else word for word in words[2:]])
    assert parsed.export() == config
    assert parsed.out == "a folder"
    assert (parsed.workers, parsed.engine, parsed.shard) == (None, "local", None)


@settings(max_examples=15)
@given(fields=FIELDS, encoded=ENCODED, files=FORMATS)
def test_command_makes_the_same_files(
    fields: dict[str, Any], encoded: dict[str, Any], files: dict[str, Any]
) -> None:
    _check_command(ExportConfig(**fields, **encoded, **files))


@pytest.mark.parametrize("family", ["FractalDB", "fractaldb"])
def test_command_of_a_variant(family: str) -> None:
    _check_command(ExportConfig(family=family, options=("variant=patch_color",), classes=3))


def test_a_family_is_one_however_it_is_written(tmp_path: Path) -> None:
    write(tmp_path / "out", family="rcdb")
    before = (tmp_path / "out/manifest.json").read_bytes()
    assert write(tmp_path / "out", family="RCDB").config.family == "RCDB"
    assert (tmp_path / "out/manifest.json").read_bytes() == before
