"""`fdsl pretrain`: pre-train a timm model on images drawn from formulas."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse


def run(argv: list[str]) -> None:
    """Parse `argv` into a `PretrainConfig` and run it."""
    require("pretrain", "train")
    from fdsl.train.config import PretrainConfig

    config = parse(PretrainConfig, "pretrain", argv)
    from fdsl.train import pretrain

    result = pretrain(config)
    pixels = "the pixels of " if result.target == "mask" else ""
    print(
        f"{result.out}: {result.samples:,} images in {result.seconds:,.0f} s ({result.samples_per_second:,.0f}/s); "
        f"{result.accuracy:.1%} of {pixels}{result.held_out:,} held-out images recognised"
    )
