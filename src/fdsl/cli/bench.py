"""`fdsl bench ...`: measure how fast images are drawn, by themselves and on their way into a training."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, TypeVar

from rich.console import Console

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.errors import FdslError
from fdsl.files import write_json

if TYPE_CHECKING:
    from fdsl.bench.config import BenchConfig
    from fdsl.bench.report import Report

Config = TypeVar("Config", bound="BenchConfig")


def render(argv: list[str]) -> None:
    """Measure drawing, beside two baselines."""
    from fdsl.bench.render import BenchRenderConfig, run_bench

    _bench(BenchRenderConfig, run_bench, argv)


def pipeline(argv: list[str]) -> None:
    """Measure augmented samples on one core, beside timm's loader; without timm it is named as skipped."""
    if find_spec("torch") is None:
        require("bench pipeline", "train")
    from fdsl.bench.pipeline import BenchPipelineConfig, run_bench

    _bench(BenchPipelineConfig, run_bench, argv)


def scaling(argv: list[str]) -> None:
    """Measure drawing over threads, vertices, strokes, points and sizes."""
    from fdsl.bench.scaling import BenchScalingConfig, run_bench

    _bench(BenchScalingConfig, run_bench, argv)


def training(argv: list[str]) -> None:
    """Measure what drawing costs a training."""
    require("bench training", "train")
    from fdsl.bench.training import BenchTrainingConfig, run_bench

    _bench(BenchTrainingConfig, run_bench, argv)


def gpu(argv: list[str]) -> None:
    """Measure drawing on a GPU: rates, agreement with the CPU, an epoch, and what it costs a training."""
    require("bench gpu", "train")
    from fdsl.bench.gpu.config import BenchGpuConfig

    def run_bench(config: BenchGpuConfig, announce: Callable[[str], None]) -> Report:
        # only now, so that --help does without numba-cuda
        from fdsl.bench.gpu.run import run_bench

        return run_bench(config, announce)

    report = _bench(BenchGpuConfig, run_bench, argv)
    from fdsl.bench.gpu.run import complaint

    if said := complaint(report):
        raise FdslError(said)


def files(argv: list[str]) -> None:
    """Measure encoders beside those of others, and fdsl render beside its encoder alone."""
    from fdsl.bench.files.config import BenchFilesConfig
    from fdsl.bench.files.run import run_bench

    _bench(BenchFilesConfig, run_bench, argv)


def _bench(
    config_class: type[Config], run_bench: Callable[[Config, Callable[[str], None]], Report], argv: list[str]
) -> Report:
    """Parse `argv`, measure, print the table, write the JSON file and return what was measured."""
    from fdsl.bench.report import print_report

    config = parse(config_class, f"bench {config_class.benchmark}", argv)
    console = Console(highlight=False, markup=False)
    with console.status("") as status:
        report = run_bench(config, lambda line: status.update(f"measuring {line}"))
    print_report(console, report)
    if config.json is not None:
        write_json(config.json, report.to_json())
        console.print(f"written to {config.json}")
    return report
