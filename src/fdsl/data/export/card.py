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
from fdsl.data.export.tars import INFO_FILE
from fdsl.formulas import family_class
from fdsl.formulas.altered import Alteration

TAGS = ("fdsl", "formula-driven-supervised-learning", "synthetic")
SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
         (10**8, "10M<n<100M"), (10**9, "100M<n<1B"))  # fmt: skip


def dataset_card(plan: Plan, records: Sequence[Record]) -> str:
    """Return the text of the card."""
    config = plan.config
    cls = family_class(config.family)
    loads = "\n".join(_reading(plan))
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
            "  data_files:",
            f"  - split: {config.split}",
            f"    path: {json.dumps(files)}",
        ]
    return "\n".join(lines)


def _encoding(config: ExportConfig) -> str:
    kept = "" if config.encoder.lossless else f", quality {90 if config.quality is None else config.quality}"
    return {
        "png": "PNG",
        "jpeg": "JPEG",
        "webp": "WebP",
        "webp-lossless": "lossless WebP",
        "npy": "NumPy arrays",
    }[config.encoding] + kept


def _reading(plan: Plan) -> Iterator[str]:
    """Yield lines of Python that read the files with what others use."""
    config = plan.config
    if config.format == "folder":
        if config.encoding == "npy":
            yield "import numpy as np"
            yield "from torchvision.datasets import DatasetFolder"
            yield ""
            yield 'dataset = DatasetFolder("FOLDER", np.load, extensions=("npy",))'
            return
        yield "from torchvision.datasets import ImageFolder"
        yield ""
        yield 'dataset = ImageFolder("FOLDER")                                   # torchvision'
        yield 'dataset = timm.data.create_dataset("", root="FOLDER")             # timm'
        yield 'dataset = datasets.load_dataset("imagefolder", data_dir="FOLDER") # Hugging Face'
    elif config.format == "webdataset":
        last = f"{plan.shards - 1:0{max(5, len(str(plan.shards - 1)))}}"
        span = f"{'0' * len(last)}..{last}"
        urls = f"FOLDER/{config.split}-{{{span}}}.tar"
        decode = "" if config.encoding == "npy" else '.decode("pil")'
        yield "import webdataset as wds"
        yield ""
        yield f'stream = wds.WebDataset("{urls}"){decode}.to_tuple("{plan.encoder.suffix}", "cls")'
        if config.encoding != "npy":
            yield f'dataset = timm.data.create_dataset("wds/name", root="FOLDER", split="{config.split}")  # timm'
    else:
        yield "import datasets"
        yield ""
        yield f'dataset = datasets.load_dataset("FOLDER", split="{config.split}")        # Hugging Face'
        if config.encoding != "npy":
            yield (f'dataset = timm.data.create_dataset("hfds/FOLDER", split="{config.split}")  # timm')
        yield 'table = pandas.read_parquet("FOLDER/data")                    # pandas'


def _names(plan: Plan) -> str:
    k, i = plan.class_name(plan.family.classes - 1), plan.instance_name(plan.config.first_instance)
    if plan.config.format == "folder":
        return f" `{k}/{i}.{plan.encoder.suffix}` is image {int(i)} of category {int(k)}."
    if plan.config.format == "parquet" and plan.config.encoding == "npy":
        return " An image is the bytes of a NumPy file: `numpy.load(io.BytesIO(row))`."
    listed = f" `{INFO_FILE}` lists the shards for timm." if plan.config.format == "webdataset" else ""
    return f" `{k}_{i}.{plan.encoder.suffix}` is image {int(i)} of category {int(k)}.{listed}"


def _several(plan: Plan) -> str:
    if not plan.several:
        return ""
    if plan.config.format == "folder":
        return " Images hold objects of several categories; a folder can name the first alone."
    where = "the field `classes` of the JSON beside it" if plan.config.format == "webdataset" else "`classes`"
    return f" Images hold objects of several categories: all are in {where}."


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
