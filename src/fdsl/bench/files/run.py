"""`fdsl bench files`: both parts, and the libraries they used."""

from __future__ import annotations

from collections.abc import Callable
from importlib import metadata
from typing import Any

from PIL import features

from fdsl.bench.files import encoding, throughput
from fdsl.bench.files.config import BenchFilesConfig
from fdsl.bench.files.peers import LIBRARIES
from fdsl.bench.report import Report, Section

BUILT_IN = ("libjpeg_turbo", "webp", "zlib")
"""What Pillow was built with."""


def run_bench(config: BenchFilesConfig, announce: Callable[[str], None] = lambda _line: None) -> Report:
    """Measure every family of `config`; `announce` is told what comes next."""
    sections: list[Section] = []
    notes: list[str] = []
    if "encoders" in config.parts:
        sections += encoding.bench_encoders(config, announce)
        notes += encoding.notes(config)
    if "throughput" in config.parts:
        rendered = throughput.bench_throughput(config, announce)
        sections += rendered
        notes += throughput.notes(config, rendered)
    first, *more = sections
    return Report(config, first.headings, first.measurements, tuple(notes), tuple(more), _facts())


def _facts() -> dict[str, Any]:
    """Return the versions of the libraries that encode."""
    packages = ["deflate", *(library.package for library in LIBRARIES)]
    installed = {dist.metadata["Name"] for dist in metadata.distributions()}
    facts = {name: metadata.version(name) for name in packages if name in installed}
    return facts | {f"pillow's {name}": features.version(name) for name in BUILT_IN}
