"""What the report shows of a demo: pictures, facts, and the commands that do it again or do more."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from fdsl.commands import shell_command
from fdsl.demo.config import DemoConfig
from fdsl.evaluate.compare import ArmName, Comparison, Trial, compare, verdict
from fdsl.evaluate.reporting.demo import Report, Speed
from fdsl.evaluate.reporting.page import Picture, Step, duration, fact
from fdsl.evaluate.runs import Run
from fdsl.machine import machine_facts
from fdsl.train.config import FinetuneConfig, PretrainConfig
from fdsl.train.recipes import deit_rcdb1k

SHEET_ROWS, SHEET_COLUMNS = 6, 10
Key = tuple[ArmName, float, int]
"""Arm, learning rate, seed."""

SIDES: dict[ArmName, str] = {"scratch": "from scratch", "pretrained": "with pre-training"}
# Fields of a run's config that say where and how it was kept, not what was done.
BOOKKEEPING = (
    "out",
    "resume",
    "log_every",
    "checkpoint_every",
    "eval_every",
    "threads",
    "weights",
    "skip_broken",
)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a demo measured and drew, for `build` to show."""

    sheet: Image.Image
    labelled: Picture
    speeds: Sequence[Speed]
    pretrained: Run
    finetuned: Mapping[Key, Run]
    seconds: Mapping[str, float]
    """Wall-clock time of each part."""
    skipped: Sequence[str] = ()
    """What was wrong with each broken image that was left out."""

    @cached_property
    def comparison(self) -> Comparison:
        """Pre-trained against scratch."""
        return compare(
            Trial(arm=arm, lr=lr, seed=seed, accuracy=run.number("accuracy"))
            for (arm, lr, seed), run in self.finetuned.items()
        )


def build(asked: DemoConfig, config: DemoConfig, measured: Measured, notice: str) -> Report:
    """Gather the report of a demo.

    Args:
        asked: the config as the user gave it, which repeats the demo.
        config: the same, resolved.
        measured: what came out.
        notice: why no gain is to be expected, if so.
    """
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    machine = machine_facts()
    cores, took = config.threads or machine["cores"], duration(sum(measured.seconds.values()))
    return Report(
        title="Pre-trained on formulas",
        subtitle=f"fdsl demo, {now}. {took} on {cores} CPU core{'s' if cores != 1 else ''}.",
        notice=notice,
        sheet=Picture(
            image=measured.sheet,
            caption=f"{config.family}: a row is a formula, its columns instances of it. The row is the "
            "label: no photograph was taken, and nobody labelled anything.",
        ),
        examples=measured.labelled,
        speeds=measured.speeds,
        pretrained=measured.pretrained,
        comparison=measured.comparison,
        finetuned=measured.finetuned,
        chosen=_chosen(measured.comparison),
        facts=_facts(config, measured, machine),
        again=_again(asked, measured),
        bigger=_bigger(asked, measured),
    )


def summary(config: DemoConfig, measured: Measured) -> dict[str, Any]:
    """Return the demo's numbers as plain JSON values."""
    comparison = measured.comparison
    arms = {"scratch": comparison.scratch, "pretrained": comparison.pretrained}
    return {
        "config": config.to_json(),
        "machine": machine_facts(),
        "seconds": dict(measured.seconds),
        "images_per_second": [asdict(speed) for speed in measured.speeds],
        "skipped": list(measured.skipped),
        "pretext": measured.pretrained.result,
        "accuracies": {
            name: {f"{cell.lr:g}": cell.accuracies for cell in cells} for name, cells in arms.items()
        },
        "chosen": {"scratch": comparison.best_scratch.lr, "pretrained": comparison.best_pretrained.lr},
        "chosen_at_edge": comparison.at_edge,
        "gain": comparison.gain,
        "standard_error": comparison.standard_error,
        "interval": comparison.interval,
        "verdict": verdict(comparison, judge=not config.quick),
    }


def _chosen(comparison: Comparison) -> str:
    rates = len(comparison.scratch)
    words = (
        f"Both sides had the same {rates} rates and the same {len(comparison.seeds)} seeds, "
        f"{rates * len(comparison.seeds)} runs each, of equal length. Each is judged (bold) at the rate "
        "of its own best mean test accuracy, which flatters both alike; all rates are shown. "
        "One pre-training lies under all seeds: the spread is that of fine-tuning alone."
    )
    if rates == 1 or not comparison.at_edge:
        return words
    sides = " and ".join(SIDES[arm] for arm in comparison.at_edge)
    return f"{words} The best rate {sides} is at the edge of those tried: a better one may lie beyond."


def _facts(
    config: DemoConfig, measured: Measured, machine: Mapping[str, str | int]
) -> dict[str, dict[str, str]]:
    """Return the tables of what was run: resolved configs, machine and versions, how long it took."""
    pretrained = measured.pretrained
    finetuned = next(iter(measured.finetuned.values()))
    device = {"device": str(pretrained.record["device"])}
    varied = {
        "lr": " ".join(f"{rate:g}" for rate in config.rates or ()),
        "seed": " ".join(str(seed) for seed in config.seeds),
    }
    return {
        "Pre-training": _config_facts(pretrained.config),
        "Fine-tuning, both sides": {**_config_facts(finetuned.config), **varied},
        "Machine and versions": {**{name: str(value) for name, value in machine.items()}, **device},
        "Time taken": {name: duration(span) for name, span in measured.seconds.items()},
    }


def _config_facts(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the fields of a run's config that say what was done."""
    return {name: fact(value) for name, value in config.items() if name not in BOOKKEEPING}


def _again(asked: DemoConfig, measured: Measured) -> list[Step]:
    """Return the commands that do the same once more, each part by itself; they write to a folder `again`."""
    pretraining = replace(PretrainConfig.from_json(measured.pretrained.config), out=Path("again/pretrain"))
    sides: tuple[tuple[ArmName, str], ...] = (
        ("pretrained", "Fine-tuning it, at its best rate"),
        ("scratch", "The same model from scratch, at its best rate"),
    )
    return [
        Step(title="Everything", command=shell_command("demo", asked)),
        Step(title="The contact sheet", command=_preview(pretraining, asked.classes)),
        Step(title="Pre-training", command=shell_command("pretrain", pretraining)),
        *(Step(title=title, command=_finetune_again(measured, arm, Path("again"))) for arm, title in sides),
    ]


def _bigger(asked: DemoConfig, measured: Measured) -> list[Step]:
    """Return commands with more of everything; they write to a folder `bigger`."""
    pretraining = PretrainConfig.from_json(measured.pretrained.config)
    longer = replace(pretraining, samples=10 * pretraining.samples, out=Path("bigger/pretrain"))
    large = replace(deit_rcdb1k(Path("bigger/deit-tiny"), "tiny"), family=pretraining.family)
    own = FinetuneConfig(
        out=Path("bigger/own"), data="PATH/TO/IMAGES", weights=large.out, batch_size=128, epochs=100
    )
    return [
        Step(title="The same with photographs of your own, a folder a class",
             command=shell_command("demo", replace(asked, data="PATH/TO/IMAGES", quick=False))),
        Step(title="The same model, ten times longer", command=shell_command("pretrain", longer)),
        Step(title="... fine-tuned as here", command=_finetune_again(measured, "pretrained", Path("bigger"))),
        Step(title="A DeiT-Tiny at 224 pixels and 1,000 formulas, on a GPU", command=shell_command("pretrain", large)),
        Step(title="... fine-tuned on your own photographs", command=shell_command("finetune", own)),
    ]  # fmt: skip


def _preview(pretraining: PretrainConfig, classes: int) -> str:
    rows = min(SHEET_ROWS, classes)
    options = f" --options {shlex.join(pretraining.options)}" if pretraining.options else ""
    family = shlex.quote(pretraining.family)
    return (
        f"fdsl preview {family} --classes {classes} --seed {pretraining.seed}{options} "
        f"--categories {rows} --instances {SHEET_COLUMNS} --out again/sheet.png"
    )


def _finetune_again(measured: Measured, arm: ArmName, folder: Path) -> str:
    """Return the loop over the seeds that repeats an arm at the rate it is judged by."""
    comparison = measured.comparison
    lr = comparison.best(arm).lr
    run = FinetuneConfig.from_json(measured.finetuned[arm, lr, comparison.seeds[0]].config)
    if run.weights is not None:
        run = replace(run, weights=folder / "pretrain")
    command = shell_command("finetune", run, seed="$seed", out=f"{folder}/{arm}-$seed").replace("\n", "\n  ")
    return f"for seed in {' '.join(map(str, comparison.seeds))}; do\n  {command}\ndone"
