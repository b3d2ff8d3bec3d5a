"""`fdsl pretrain`: pre-train a timm model on images drawn from formulas."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse_training


def run(argv: list[str]) -> None:
    """Parse `argv` into a `PretrainConfig` and run it."""
    require("pretrain", "train")
    from fdsl.train.config import PretrainConfig

    config = parse_training(PretrainConfig, "pretrain", argv)
    from fdsl.train import pretrain

    result = pretrain(config)
    held_out = f"{result.held_out:,} held-out images"
    if result.target == "mask":
        right = f"{result.accuracy:.1%} of the pixels of {held_out} right, mean IoU {result.mean_iou:.1%}"
    elif result.target == "classes":
        right = f"the likeliest class is in {result.accuracy:.1%} of {held_out}"
    else:
        right = f"{result.accuracy:.1%} of {held_out} recognised"
    print(
        f"{result.out}: {result.samples:,} images in {result.seconds:,.0f} s ({result.samples_per_second:,.0f}/s); "
        + right
    )
