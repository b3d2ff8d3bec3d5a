"""`fdsl finetune`: fine-tune a timm model on real images."""

from __future__ import annotations

from fdsl.cli.extras import require
from fdsl.cli.parse import parse_training


def run(argv: list[str]) -> None:
    """Parse `argv` into a `FinetuneConfig` and run it."""
    require("finetune", "train")
    from fdsl.train.config import FinetuneConfig

    config = parse_training(FinetuneConfig, "finetune", argv)
    from fdsl.train import finetune

    result = finetune(config)
    print(
        f"{result.out}: {result.labels:,} labelled images, {result.epochs} epochs in {result.seconds:,.0f} s; "
        f"{result.accuracy:.1%} of {result.test_images:,} test images recognised"
    )
