"""`fdsl finetune`: fine-tune a timm model on real images."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from fdsl.cli.extras import EXTRAS, require
from fdsl.cli.parse import parse_training
from fdsl.processes import processes

if TYPE_CHECKING:
    from fdsl.train import FinetuneResult, SeedsResult


def run(argv: list[str]) -> None:
    """Parse `argv` into a `FinetuneConfig` and run it."""
    require("finetune", "train")
    from fdsl.train.config import FinetuneConfig

    config = parse_training(FinetuneConfig, "finetune", argv)
    from fdsl.train import finetune, finetune_seeds

    if config.seeds:
        of_seeds = finetune_seeds(config)
        _show(*(config.out / f"seed-{seed}" for seed in config.seeds))
        print(_seeds_line(of_seeds))
    else:
        result = finetune(config)
        _show(config.out)
        print(_line(result))


def _line(result: FinetuneResult) -> str:
    probe = f" ({result.probe_accuracy:.1%} by the head alone)" if result.probe_accuracy is not None else ""
    return (
        f"{result.out}: {result.labels:,} labelled images, {result.epochs} epochs in {result.seconds:,.0f} s; "
        f"{result.accuracy:.1%} of {result.test_images:,} test images recognised{probe}, "
        f"{result.class_average_accuracy:.1%} on average over the classes"
    )


def _seeds_line(result: SeedsResult) -> str:
    def spread(mean: float, deviation: float | None) -> str:
        return f"{mean:.1%}" if deviation is None else f"{100 * mean:.1f} ± {100 * deviation:.1f}%"

    each = ", ".join(f"{accuracy:.1%}" for accuracy in result.accuracies.values())
    return (
        f"{result.out}: {len(result.accuracies)} seeds, {result.labels:,} labelled images each, "
        f"{result.seconds:,.0f} s; {spread(result.accuracy, result.deviation)} of {result.test_images:,} test images "
        f"recognised ({each}), {spread(result.class_average_accuracy, result.class_average_deviation)} on average "
        "over the classes"
    )


def _show(*folders: Path) -> None:
    """Draw the confusion table of each run, where Matplotlib is installed; of several processes the first does."""
    if processes().rank or any(find_spec(module) is None for module in EXTRAS["report"]):
        return
    from fdsl.evaluate.confusion import PICTURE_FILE, picture_confusion
    from fdsl.train.finetuning.answers import CONFUSION_FILE

    for folder in folders:
        if (folder / CONFUSION_FILE).is_file():  # not of thousands of classes
            picture_confusion(folder / CONFUSION_FILE, folder / PICTURE_FILE)
