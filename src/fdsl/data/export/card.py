"""A dataset card: what an export holds and how to read it, as the README.md that Hugging Face shows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from fdsl import __version__
from fdsl.commands import shell_command
from fdsl.data.export.config import ExportConfig
from fdsl.data.export.plan import Plan
from fdsl.data.export.records import Record
from fdsl.data.export.tars import INFO_FILE, shard_number
from fdsl.formulas import family_class
from fdsl.formulas.altered import Alteration

CARD_FILE = "README.md"
TAGS = ("fdsl", "formula-driven-supervised-learning", "synthetic")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
         (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"),
         (10**12, "100B<n<1T"))  # fmt: skip


def dataset_card(plan: Plan, records: Sequence[Record]) -> str:
    """Return the text of the card."""
    config = plan.config
    cls = family_class(config.family)
    loads = "\n\n".join(_reading(plan))
    stored = sum(record.bytes for record in records)
    shape = f"{config.size} x {config.size} pixels, {'RGB' if plan.rgb else 'gray'}, as {_encoding(config)}"
    return f"""---
{_metadata(plan)}
---

# {cls.name}, {plan.images:,} images drawn from formulas

{plan.images:,} images of {shape}: {plan.family.classes:,} categories, each one
formula of the family {cls.name}, with {config.instances:,} images of each.
No photograph, no person and no label by hand is in them. Every image is a function of the family, the seed, its
category and its number, so that any of them can be drawn again.

{stored:,} bytes in {len(records):,} shards, listed with their SHA-256 in `manifest.json`.

## Loading

```python
{loads}
```

A label is the number of a category.{_names(plan)}{_several(plan)}

## Made by

```
{_command(config)}
```

with fdsl {__version__}{_libraries(plan)}. `fdsl verify FOLDER` checks every file, with `--redraw 0.01` it draws one
image of a hundred again and compares the pixels, and `fdsl repair FOLDER` draws again what is missing or damaged.

| | |
|---|---|
{_table(plan)}

## Source

- {cls.name}: {cls.source}{_altered(config)}
"""


def _metadata(plan: Plan) -> str:
    config = plan.config
    size = next((name for most, name in SIZES if plan.images < most), "n>1T")
    lines = [
        f"pretty_name: {json.dumps(f'{family_class(config.family).name} by fdsl')}",
        "task_categories:",
        "- image-classification",
        "size_categories:",
        f"- {size}",
        "tags:",
        *(f"- {tag}" for tag in (*TAGS, family_class(config.family).name.lower())),
    ]
    if config.format != "folder":
        files = f"{config.split}-*.tar" if config.format == "webdataset" else f"data/{config.split}-*.parquet"
        lines += [
            "configs:",
            "- config_name: default",
            # Hugging Face's library keeps what it read of a folder by this text and the folder's last name alone:
            # without a word of its own, another dataset at a path that ends alike would show these images
            f"  description: {plan.digest}",
            "  data_files:",
            f"  - split: {config.split}",
            f"    path: {json.dumps(files)}",
        ]
    return "\n".join(lines)


def _encoding(config: ExportConfig) -> str:
    kept = "" if config.encoder.lossless else f", quality {config.quality}"
    return {
        "png": "PNG",
        "jpeg": "JPEG",
        "webp": "WebP",
        "webp-lossless": "lossless WebP",
        "npy": "NumPy arrays",
    }[config.encoding] + kept


def _reading(plan: Plan) -> Iterator[str]:
    """Yield pieces of Python that read the files with what others use; each of them works without the others."""
    config, suffix = plan.config, plan.encoder.suffix
    if config.format == "folder" and config.encoding == "npy":
        yield """import numpy as np
from torchvision.datasets import DatasetFolder
dataset = DatasetFolder("FOLDER", np.load, extensions=("npy",))"""
    elif config.format == "folder":
        yield """from torchvision.datasets import ImageFolder
dataset = ImageFolder("FOLDER")"""
        webp = ', input_key=".webp"' if suffix == "webp" else ""  # which timm does not look for by itself
        yield f"""from timm.data import create_dataset
dataset = create_dataset("", root="FOLDER"{webp})"""
        yield """from datasets import load_dataset
dataset = load_dataset("imagefolder", data_dir="FOLDER", split="train")"""
    elif config.format == "webdataset":
        first, last = shard_number(plan, 0), shard_number(plan, plan.shards - 1)
        decoded = "decode()" if config.encoding == "npy" else 'decode("pil")'
        yield f"""import webdataset as wds  # pip install webdataset
shards = "FOLDER/{config.split}-{{{first}..{last}}}.tar"
dataset = wds.WebDataset(shards, shardshuffle=False).{decoded}.to_tuple("{suffix}", "cls")"""
        if config.encoding != "npy":
            yield f"""from timm.data import create_dataset  # with webdataset installed
dataset = create_dataset("wds/name", root="FOLDER", split="{config.split}")"""
        yield _hugging_face(config)
    else:
        yield _hugging_face(config)
        if config.encoding != "npy":
            yield f"""from timm.data import create_dataset
dataset = create_dataset("hfds/FOLDER", split="{config.split}")"""
        yield """import pandas as pd
dataset = pd.read_parquet("FOLDER/data")"""


def _hugging_face(config: ExportConfig) -> str:
    return f"""from datasets import load_dataset
dataset = load_dataset("FOLDER", split="{config.split}")"""


def _names(plan: Plan) -> str:
    k, i = plan.class_name(plan.family.classes - 1), plan.instance_name(plan.config.first_instance)
    if plan.config.format == "folder":
        return f" `{k}/{i}.{plan.encoder.suffix}` is image {int(i)} of category {int(k)}."
    if plan.config.format == "parquet" and plan.config.encoding == "npy":
        return ' An image is the bytes of a NumPy file: `numpy.load(io.BytesIO(row["image"]))`.'
    listed = f" `{INFO_FILE}` lists the shards for timm." if plan.config.format == "webdataset" else ""
    return f" `{k}_{i}.{plan.encoder.suffix}` is image {int(i)} of category {int(k)}.{listed}"


def _several(plan: Plan) -> str:
    if not plan.several:
        return ""
    if plan.config.format == "folder":
        return " Images hold objects of several categories; a folder names that of the last drawn alone."
    where = "the field `classes` of the JSON beside it" if plan.config.format == "webdataset" else "`classes`"
    return f" Images hold objects of several categories: all are in {where}, in the order of drawing."


def _command(config: ExportConfig) -> str:
    """Return the command that makes the same files."""
    return shell_command(
        f"render {family_class(config.family).name}", config, leave=("family",), more="--out FOLDER"
    )


def _libraries(plan: Plan) -> str:
    listed = [f"{name} {version}" for name, version in plan.versions.items()]
    return f" ({', '.join(listed)})" if listed else ""


def _table(plan: Plan) -> str:
    definition: dict[str, Any] = plan.to_json()["definition"]
    facts = {
        **_flat(definition),
        "seed": plan.config.seed,
        "instances": f"{plan.config.first_instance}..{plan.config.first_instance + plan.config.instances - 1}",
        "order": "shuffled" if plan.config.shuffled else "category after category",
        "digest": f"`{plan.to_json()['dataset']}`",
    }
    return "\n".join(f"| {name} | {value} |" for name, value in facts.items())


def _flat(definition: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    rows: dict[str, Any] = {}
    for name, value in definition.items():
        if isinstance(value, dict):
            rows.update(_flat(value, f"{prefix}{name}."))
        else:
            rows[f"{prefix}{name}"] = value
    return rows


def _altered(config: ExportConfig) -> str:
    return f"\n- alterations: {Alteration.source}" if config.alter else ""
