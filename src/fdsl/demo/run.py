"""The parts of a demo, one after the other.

Each demo gets a folder of its own, `out/run-1`, `out/run-2` and so on, which is removed again if the demo fails
or is interrupted; `out/report.html` is replaced only when all is measured. Earlier demos are never touched.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import Progress

from fdsl.bench.timing import measure, repeated
from fdsl.cores import usable_cores
from fdsl.data.dataset import FormulaDataset
from fdsl.data.real import at_most, few_labels, open_images
from fdsl.demo.config import DemoConfig
from fdsl.demo.page import (
    SHEET_COLUMNS,
    SHEET_ROWS,
    Key,
    Measured,
    build,
    summary,
)
from fdsl.errors import InputError, Stopped
from fdsl.evaluate.compare import ArmName, Comparison, verdict
from fdsl.evaluate.reporting.demo import Speed, render
from fdsl.evaluate.reporting.examples import labelled_images, left_out
from fdsl.evaluate.reporting.page import Picture
from fdsl.evaluate.runs import Run, read_run
from fdsl.evaluate.sheet import contact_sheet, save_picture
from fdsl.files import write_json, write_text
from fdsl.formulas import family
from fdsl.options import family_fields
from fdsl.train import FinetuneConfig, PretrainConfig, finetune, pretrain
from fdsl.train.finetuning.images import TEST_SEED
from fdsl.train.progress import hushed
from fdsl.train.recipes import batch_for, probe_rcdb100, threads_for

RUN_NAME = re.compile(r"run-([1-9]\d*)")
REPORT_FILE, SUMMARY_FILE = "report.html", "demo.json"
ARMS: dict[ArmName, str] = {"scratch": "from scratch", "pretrained": "pre-trained"}
SHEET_SIZE = 128
FULL_SIZE = 224
SPEED_REPETITIONS, SPEED_BATCH, SPEED_SECONDS = 7, 512, 0.1
CURVE_ROWS, LOG_AT_LEAST = 100, 5
"""Rows of metrics in the pre-training, about, and the fewest updates between two."""
CURVE_POINTS = 4
"""Measurements of test accuracy in each fine-tuning; one takes half a second."""

QUICK_NOTICE = (
    "No gain is to be expected of the quick form: it shows that every part works, with far too few drawings to "
    "learn from."
)


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    """What a demo came to."""

    report: Path
    """The page to open."""
    folder: Path
    """The folder of this demo's runs."""
    comparison: Comparison
    """Pre-trained against scratch."""
    verdict: str
    """The comparison in words."""
    seconds: dict[str, float]
    """Wall-clock time of each part."""


def run_demo(config: DemoConfig) -> DemoResult:
    """Run the demo and return its numbers; `config.out / "report.html"` shows them.

    Raises:
        InputError: the data, the family or the output folder is unusable; found before anything long starts.
        DataError: a real image is damaged.
    """
    asked, (config, labelled, skipped) = config, _check(config)
    console = Console(highlight=False, soft_wrap=True)
    notice = QUICK_NOTICE if config.quick else ""
    seconds: dict[str, float] = {}
    with new_run_folder(config.out) as folder:
        pretraining = pretrain_config(config, folder / "pretrain")
        if notice:
            console.print(f"[bold]A trial run.[/] {notice}")
        if skipped:
            console.print(f"{left_out(skipped)}, the first: {skipped[0]}", markup=False)
        with _part("Drawing", seconds, console):
            sheet, speeds = draw(pretraining, folder / "sheet.png", console)
        with _part("Pre-training", seconds, console):
            pretrain(pretraining)
        with _part("Fine-tuning", seconds, console):
            finetuned = finetune_all(config, pretraining, folder, console)
        measured = Measured(
            sheet=sheet, labelled=labelled, speeds=speeds, pretrained=read_run(pretraining.out),
            finetuned=finetuned, seconds=seconds, skipped=skipped,
        )  # fmt: skip
        html = render(build(asked, config, measured, notice))
        write_text(folder / REPORT_FILE, html)
        write_json(folder / SUMMARY_FILE, summary(config, measured))
    report = config.out / REPORT_FILE
    write_text(report, html)
    words = verdict(measured.comparison, judge=not config.quick)
    console.print(f"\n[bold]{words}[/]\nThe report is {report}")
    return DemoResult(
        report=report, folder=folder, comparison=measured.comparison, verdict=words, seconds=seconds
    )


@contextlib.contextmanager
def new_run_folder(out: Path) -> Iterator[Path]:
    """Yield a new folder `out/run-N`; it goes again, with `out` if that was new, unless the block completes.

    Raises:
        InputError: `out` is a file, or a folder that holds something else than demos.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"out must be a folder, got {out}: it is a file")
    names = [path.name for path in out.iterdir()] if out.is_dir() else []
    numbers = [int(match[1]) for name in names if (match := RUN_NAME.fullmatch(name))]
    if names and not numbers:
        raise InputError(
            f"out must be new, empty or the folder of earlier demos, got {out}: it holds {names[0]}"
        )
    folder, is_new = out / f"run-{max(numbers, default=0) + 1}", not out.exists()
    # Without exist_ok: of two demos that start at once in the same place, one stops here.
    folder.mkdir(parents=True)
    try:
        yield folder
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if is_new:
            with contextlib.suppress(OSError):
                out.rmdir()
        if isinstance(
            error, (KeyboardInterrupt, Stopped)
        ):  # its own words promise that the training can go on
            raise type(error)("stopped in the midst of a demo, which leaves nothing") from error
        raise


@contextlib.contextmanager
def _part(name: str, seconds: dict[str, float], console: Console) -> Iterator[None]:
    """Announce a part of the demo and note how long it took."""
    console.print(f"\n[bold]{name}[/]")
    started = time.perf_counter()
    yield
    seconds[name] = time.perf_counter() - started


def _check(config: DemoConfig) -> tuple[DemoConfig, Picture, tuple[str, ...]]:
    """Return the resolved config, the labelled images to show, and the broken images that were left out.

    Wrong names, and broken images unless they are to be left out, end here.
    """
    family(config.family, classes=config.classes)
    train, test = (
        open_images(config.data, split, skip_broken=config.skip_broken) for split in ("train", "test")
    )
    config = config.resolved(len(train.classes))
    labels = config.labels or 0
    few = {seed: few_labels(train, labels, seed) for seed in config.seeds}
    if config.test_limit is not None:
        test = at_most(test, config.test_limit, TEST_SEED)
    for images in (*few.values(), test):
        for index in range(len(images)):
            images[index]
    skipped = train.skipped + test.skipped
    picture = labelled_images(few[config.seeds[0]], config.seeds[0], len(test), skipped)
    return config, picture, skipped


def draw(pretraining: PretrainConfig, path: Path, console: Console) -> tuple[Image.Image, list[Speed]]:
    """Draw the contact sheet to `path`; measure how fast images are drawn, large and at the training size."""
    dataset = _dataset(pretraining, SHEET_SIZE)
    sheet = contact_sheet(dataset, min(len(dataset.classes), SHEET_ROWS), SHEET_COLUMNS)
    save_picture(sheet, path)
    speeds = [measure_speed(_dataset(pretraining, size)) for size in (FULL_SIZE, pretraining.size)]
    for speed in speeds:
        console.print(
            f"{speed.median:,.0f} images a second at {speed.size} pixels on {speed.threads} "
            f"thread{'s' if speed.threads != 1 else ''}"
        )
    return sheet, speeds


def _dataset(pretraining: PretrainConfig, size: int) -> FormulaDataset:
    """Return the dataset of the pre-training at another size."""
    formulas = family(pretraining.family, **family_fields(pretraining.classes, pretraining.options))
    return FormulaDataset(
        formulas,
        pretraining.instances,
        size,
        pretraining.seed,
        lines=pretraining.lines,
        threads=pretraining.threads,
    )


def measure_speed(dataset: FormulaDataset) -> Speed:
    """Time batches spread over the categories of `dataset`, with new instances in each."""
    classes = len(dataset.classes)

    def draw_batch(number: int) -> int:
        instances, categories = divmod(np.arange(SPEED_BATCH) + number * SPEED_BATCH, classes)
        dataset.draw(categories, instances)
        return SPEED_BATCH

    [rate] = measure([repeated(draw_batch)], SPEED_REPETITIONS, SPEED_SECONDS)
    return Speed(
        family=dataset.family.name,
        size=dataset.size,
        threads=dataset.threads or usable_cores(),
        batch=SPEED_BATCH,
        median=rate.median,
        low=rate.low,
        high=rate.high,
        repetitions=SPEED_REPETITIONS,
    )


def pretrain_config(config: DemoConfig, out: Path) -> PretrainConfig:
    """Return the pre-training of a resolved `config`: the recipe whose weights are known to transfer."""
    recipe, samples = probe_rcdb100(out), config.samples or 0
    return replace(
        recipe,
        family=config.family,
        classes=config.classes,
        samples=samples,
        threads=config.threads,
        log_every=max(LOG_AT_LEAST, samples // recipe.batch_size // CURVE_ROWS),
    )


def finetune_config(
    config: DemoConfig, pretraining: PretrainConfig, out: Path, arm: ArmName, lr: float, seed: int
) -> FinetuneConfig:
    """Return one fine-tuning of a resolved `config`; the two arms differ in `weights` alone."""
    labels, epochs = config.labels or 0, config.epochs or 0
    return FinetuneConfig(
        out=out,
        data=config.data,
        weights=pretraining.out if arm == "pretrained" else None,
        model=pretraining.model,
        model_args=pretraining.model_args,
        size=pretraining.size,
        labels=labels,
        epochs=epochs,
        batch_size=batch_for(labels),
        lr=lr,
        seed=seed,
        eval_every=max(1, epochs // CURVE_POINTS),
        test_limit=config.test_limit,
        skip_broken=config.skip_broken,
        threads=threads_for(config.threads),
    )


def finetune_all(
    config: DemoConfig, pretraining: PretrainConfig, folder: Path, console: Console
) -> dict[Key, Run]:
    """Fine-tune both arms at every rate with every seed, in turn: what slows the machine meets both."""
    keys: list[Key] = [(arm, lr, seed) for lr, seed, arm in product(config.rates or (), config.seeds, ARMS)]
    runs: dict[Key, Run] = {}
    with Progress(console=console, disable=not console.is_terminal) as progress, hushed():
        for arm, lr, seed in progress.track(keys, description="fine-tuning"):
            out = folder / f"{arm}-lr{lr:g}-seed{seed}"
            finetune(finetune_config(config, pretraining, out, arm, lr, seed))
            # Its checkpoint serves to resume, which nobody will, and is three times as large as the weights.
            shutil.rmtree(out / "checkpoints")
            run = runs[arm, lr, seed] = read_run(out)
            console.print(
                f"{ARMS[arm]:<12}  rate {lr:<7g} seed {seed:<4} {100 * run.number('accuracy'):5.1f}%"
                f"  {run.number('seconds'):5.1f} s"
            )
    return runs
