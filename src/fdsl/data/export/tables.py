"""Shards as Hugging Face keeps datasets: Parquet files of images and labels."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fdsl.data.export.layouts import OneFile, Stored
from fdsl.data.export.plan import Sample
from fdsl.data.export.stores import Store
from fdsl.errors import DataError

ROWS_A_GROUP = 100
"""What Hugging Face's viewer reads at a time."""


class Tables(OneFile):
    """A Parquet file a shard, its columns an image, {bytes, path}, and a label, a class label of `datasets`.

    Of arrays the column is their bytes alone, which no picture library would open. Images of several objects have a
    column with the categories of all.
    """

    suffix = ".parquet"

    def name(self, shard: int) -> str:
        width = max(5, len(str(self.plan.shards)))
        return f"data/{self.plan.config.split}-{shard:0{width}}-of-{self.plan.shards:0{width}}.parquet"

    @property
    def _pictures(self) -> bool:
        return self.plan.config.encoding != "npy"

    def _schema(self) -> pa.Schema:
        picture = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        fields = [("image", picture if self._pictures else pa.binary()), ("label", pa.int64())]
        features: dict[str, Any] = {
            "image": {"_type": "Image"} if self._pictures else {"dtype": "binary", "_type": "Value"},
            "label": {"names": self.plan.class_names(), "_type": "ClassLabel"},
        }
        if self.plan.several:
            fields.append(("classes", pa.list_(pa.int64())))
            features["classes"] = {"feature": {"dtype": "int64", "_type": "Value"}, "_type": "List"}
        told = {"huggingface": json.dumps({"info": {"features": features}})}
        return pa.schema(fields, metadata=told)

    def fill(self, path: str, samples: Iterator[Sample]) -> None:
        schema = self._schema()
        packed = {"label": "ZSTD"} if self._pictures else {"label": "ZSTD", "image": "ZSTD"}
        compression = dict.fromkeys(self._columns(schema), "NONE") | packed
        with pq.ParquetWriter(
            path, schema, compression=compression, use_dictionary=False, write_statistics=["label"]
        ) as writer:
            while rows := list(islice(samples, ROWS_A_GROUP)):
                writer.write_table(pa.table(self._values(rows), schema=schema), row_group_size=ROWS_A_GROUP)

    def _columns(self, schema: pa.Schema) -> list[str]:
        image = ["image.bytes", "image.path"] if self._pictures else ["image"]
        return [*image, "label", *(["classes.list.element"] if "classes" in schema.names else [])]

    def _values(self, rows: list[Sample]) -> dict[str, Any]:
        suffix = self.plan.encoder.suffix
        images: list[Any] = (
            [{"bytes": row.content, "path": f"{self.stored_name(row)}.{suffix}"} for row in rows]
            if self._pictures
            else [row.content for row in rows]
        )
        values: dict[str, Any] = {"image": images, "label": [row.category for row in rows]}
        if self.plan.several:
            values["classes"] = [row.contents for row in rows]
        return values

    def read(self, shard: int, store: Store, rows: Sequence[int]) -> Iterator[Stored]:
        name = self.name(shard)
        with store.open(name) as file, pq.ParquetFile(file) as table:
            if table.metadata.num_rows != len(self.plan.positions(shard)):
                raise DataError(
                    f"{store.describe(name)} must hold {len(self.plan.positions(shard))} images, "
                    f"got {table.metadata.num_rows}"
                )
            group, held = -1, None
            for row in rows:
                if row // ROWS_A_GROUP != group or held is None:
                    group = row // ROWS_A_GROUP
                    held = table.read_row_group(group, columns=["image", "label"])
                found = held.slice(row % ROWS_A_GROUP, 1).to_pylist()[0]
                image, label = found["image"], found["label"]
                yield Stored(
                    image["path"] if self._pictures else str(row),
                    label,
                    image["bytes"] if self._pictures else image,
                )
