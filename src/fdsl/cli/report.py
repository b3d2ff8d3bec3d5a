"""`fdsl report`: one page of finished runs side by side."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse


def run(argv: list[str]) -> None:
    """Parse `argv` into a `ReportConfig` and write the page."""
    require("report", "train", "report")
    from fdsl.evaluate.reporting import ReportConfig, report

    path = report(parse(ReportConfig, "report", argv))
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, a page by itself")
