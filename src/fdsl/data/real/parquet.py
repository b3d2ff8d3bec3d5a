"""Folders of Parquet files as Hugging Face stores image data sets."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from fdsl.data.real.images import RealImages, labelled
from fdsl.data.real.splits import TEST_SHARE
from fdsl.errors import DataError

IMAGE_COLUMNS = ("image", "img")
LABEL_COLUMNS = ("label", "labels", "fine_label")


class ParquetFolder:
    """Files named SPLIT-00000-of-00002.parquet with rows of image {bytes, path} and label."""

    test_share = TEST_SHARE

    def __init__(self, folder: Path, files: Sequence[Path]) -> None:
        """Take the Parquet `files` that lie in `folder`."""
        self.name = folder.name
        self._files = files

    @cached_property
    def _by_split(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for file in self._files:
            found.setdefault(re.split(r"[-.]", file.name)[0], []).append(file)
        return found

    def splits(self) -> list[str]:
        """Return the first word of the files' names."""
        return list(self._by_split)

    def knows(self, split: str) -> bool:
        """Whether there are files of that name."""
        return split in self._by_split

    def open(self, split: str) -> RealImages:
        """Read the files of a split.

        Raises:
            DataError: a file is damaged, lacks a column or rows, or holds labels that are none.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = self._by_split[split]
        tables = []
        for file in files:
            try:
                tables.append(pq.read_table(file))
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{file} cannot be read: {error}") from error
        columns = [
            columns_of(table.column_names, str(file)) for table, file in zip(tables, files, strict=True)
        ]
        rows = [(file, row) for file, table in zip(files, tables, strict=True) for row in range(len(table))]
        if not rows:
            raise DataError(f"{files[0]} must hold rows, got none")
        chunks = [
            chunk
            for table, (column, _) in zip(tables, columns, strict=True)
            for chunk in table.column(column).chunks
        ]
        starts = np.cumsum([0] + [len(chunk) for chunk in chunks])
        return labelled(
            self.name,
            [
                label
                for table, (_, column) in zip(tables, columns, strict=True)
                for label in table.column(column).to_pylist()
            ],
            _class_names(tables[0].schema, columns[0][1]),
            open_image=partial(_image, chunks, starts),
            describe=lambda n: f"{rows[n][0]}, row {rows[n][1]}",
        )


def columns_of(names: Sequence[str], where: str) -> tuple[str, str]:
    """Return the names of the columns of images and labels.

    Raises:
        DataError: `where` lacks one.
    """
    image = next((name for name in IMAGE_COLUMNS if name in names), None)
    label = next((name for name in LABEL_COLUMNS if name in names), None)
    if image is None or label is None:
        raise DataError(f"{where} must have columns image and label, got {', '.join(names)}")
    return image, label


def _class_names(schema: Any, label_column: str) -> list[str] | None:
    """Return the class names that Hugging Face keeps in the schema's metadata, if it does."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[label_column]["names"]]
    except (KeyError, ValueError, TypeError):
        return None


def _image(chunks: Sequence[Any], starts: NDArray[np.int64], n: int) -> Image.Image:
    at = int(np.searchsorted(starts, n, side="right")) - 1
    return Image.open(io.BytesIO(chunks[at][n - int(starts[at])].as_py()["bytes"]))
