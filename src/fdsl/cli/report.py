"""`fdsl report`: one page of finished runs side by side."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.files import check_there


def run(argv: list[str]) -> None:
    """Parse `argv` into a `ReportConfig` and write the page."""
    require("report", "train", "report")
    from fdsl.evaluate.reporting.config import ReportConfig

    config = parse(ReportConfig, "report", argv)
    for folder in config.runs:
        check_there("runs", "folders of runs", folder)  # said before torch takes its seconds
    from fdsl.evaluate.reporting.writing import report

    path = report(config)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, a page by itself")
