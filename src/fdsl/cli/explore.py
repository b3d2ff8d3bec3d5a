"""`fdsl explore`: a local page on which a family redraws as its parameters move."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse
from fdsl.explore.config import ExploreConfig


def run(argv: list[str]) -> None:
    """Parse `argv` into an `ExploreConfig` and serve the page until interrupted."""
    config = parse(ExploreConfig, "explore", argv)
    require("explore", "explore")
    from fdsl.explore.serving import explore

    explore(config)
