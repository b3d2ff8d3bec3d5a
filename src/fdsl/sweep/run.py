"""All parts of a sweep, one after the other, in a folder that the same command goes on with.

points/NAME/pretrain                   the pre-training of a point
points/NAME/finetune-SEED, probe-SEED.json   what its weights are worth
scratch/finetune-SEED, probe-SEED.json       the same without weights
sweep.json, sweep.csv, sweep.md, sweep.png               what they came to, renewed after every point
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from fdsl.errors import InputError, Stopped
from fdsl.evaluate.runs import Run
from fdsl.files import locked, read_object, write_json
from fdsl.formulas import family
from fdsl.options import family_fields, parse_options
from fdsl.sweep.config import SweepConfig
from fdsl.sweep.parts import check_part, complete, probed
from fdsl.sweep.plot import write_plot
from fdsl.sweep.results import JSON_FILE, PLOT_FILE, Measured, Row, SweepResult, spread, table, write_results
from fdsl.sweep.sweeps import Point
from fdsl.train import FinetuneConfig, PretrainConfig
from fdsl.train.finetuning.images import open_splits
from fdsl.train.model import build_model
from fdsl.train.progress import hushed
from fdsl.train.recipes import batch_for, probe_rcdb100, threads_for

LOCK_FILE = "sweep.lock"
CURVE_ROWS, LOG_AT_LEAST = 100, 5
"""Rows of metrics in a pre-training, about, and the fewest updates between two."""
CHECKPOINTS, MOST_BETWEEN = 10, 1000
"""Checkpoints of a pre-training at least, and the most updates between two."""
QUICK_NOTICE = "A trial run: far too few drawings to learn from."


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a sweep will run, checked."""

    config: SweepConfig
    """Resolved."""
    pretrainings: tuple[tuple[Point, PretrainConfig, int], ...]
    """Each point, its pre-training, and the number of its categories."""
    scratch: dict[int, FinetuneConfig]
    """A seed each."""
    skipped: tuple[str, ...]
    """Broken images left out."""

    def finetunings(self, pretraining: PretrainConfig) -> dict[int, FinetuneConfig]:
        """Return the fine-tunings from one pre-training's weights, a seed each."""
        folder, weights = pretraining.out.parent, pretraining.out
        return {seed: finetune_config(self.config, folder, weights, seed) for seed in self.config.seeds}


def run_sweep(config: SweepConfig) -> SweepResult:
    """Run what is left of a sweep and return its numbers.

    Stopped at any time, by an interrupt or by force, the same config goes on from there and comes to the same numbers.

    Raises:
        InputError: data, model or a point is unusable, or `out` holds something else; nothing is written then.
        DataError: a real image or a file of an earlier start is damaged.
    """
    plan = make_plan(config)
    config, console = plan.config, Console(highlight=False, soft_wrap=True)
    with _claimed(config):
        for part in _parts(plan):
            check_part(part)
        if not (config.out / JSON_FILE).exists():
            write_json(config.out / JSON_FILE, {"sweep": config.sweep, "settings": config.to_json()})
        if config.quick:
            console.print(f"[bold]{QUICK_NOTICE}[/]")
        if plan.skipped:
            console.print(
                f"{len(plan.skipped)} broken images left out, the first: {plan.skipped[0]}", markup=False
            )
        try:
            result = _run(plan, console)
        except (KeyboardInterrupt, Stopped) as stop:
            console.print("stopped; the same command goes on from here")
            raise type(stop)("stopped in the midst of a sweep") from stop
    console.print(table(result))
    console.print(f"{config.out / PLOT_FILE} shows it", markup=False)
    return result


def make_plan(config: SweepConfig) -> Plan:
    """Check the data, the model and every point, and return what is to be run; nothing is written.

    Raises:
        InputError, DataError: see `run_sweep`.
    """
    images, _ = open_splits(finetune_config(config, config.out, None, config.seeds[0]))
    config = config.resolved(len(images.classes))
    folder = config.out / "scratch"
    scratch = {seed: finetune_config(config, folder, None, seed) for seed in config.seeds}
    skipped = _check_images(scratch)
    _check_model(config, len(images.classes))
    pretrainings = []
    for point in config.points():
        pretraining = pretrain_config(config, point)
        pretrainings.append((point, pretraining, categories(pretraining)))
    return Plan(config=config, pretrainings=tuple(pretrainings), scratch=scratch, skipped=skipped)


def pretrain_config(config: SweepConfig, point: Point) -> PretrainConfig:
    """Return the pre-training of a point of a resolved `config`.

    Raises:
        InputError: the point sets a field that pre-training does not have, or to what it may not be.
    """
    out = config.out / "points" / point.name / "pretrain"
    recipe, samples = probe_rcdb100(out, config.pretrain_seed), config.samples or 0
    steps = samples // recipe.batch_size
    fields = {
        "classes": config.classes or recipe.classes,
        "samples": samples,
        "size": config.size,
        "lines": "auto",
        "model": config.model,
        "model_args": config.model_args or (),
        "threads": config.threads,
        "log_every": max(LOG_AT_LEAST, steps // CURVE_ROWS),
        "checkpoint_every": max(1, min(MOST_BETWEEN, steps // CHECKPOINTS)),
    }
    return PretrainConfig.from_json({**recipe.to_json(), **fields, **point.fields})


def categories(pretraining: PretrainConfig) -> int:
    """Return how many categories a pre-training tells apart.

    Raises:
        InputError: the family is unknown, has no such field, or a value is out of its range.
    """
    return family(pretraining.family, **family_fields(pretraining.classes, pretraining.options)).classes


def finetune_config(config: SweepConfig, folder: Path, weights: Path | None, seed: int) -> FinetuneConfig:
    """Return one fine-tuning of `config`; points and scratch differ in `weights` alone."""
    return FinetuneConfig(
        out=folder / f"finetune-{seed}",
        data=config.data,
        weights=weights,
        model=config.model,
        model_args=config.model_args or (),
        size=config.size,
        labels=config.labels,
        epochs=config.epochs or 1,
        batch_size=batch_for(config.labels or 1),
        lr=config.lr,
        seed=seed,
        test_limit=config.test_limit,
        skip_broken=config.skip_broken,
        threads=threads_for(config.threads),
    )


def _check_images(finetunings: dict[int, FinetuneConfig]) -> tuple[str, ...]:
    """Open every image that will be used, and return the broken ones that were left out."""
    skipped: tuple[str, ...] = ()
    seen: set[tuple[str, int]] = set()
    for config in finetunings.values():
        for split, images in zip(("train", "test"), open_splits(config), strict=True):
            for index, source in enumerate(images.source_index.tolist()):
                if (split, source) not in seen:
                    images[index]
                    seen.add((split, source))
            skipped = tuple(dict.fromkeys(skipped + images.skipped))
    return skipped


def _check_model(config: SweepConfig, classes: int) -> None:
    with torch.random.fork_rng(devices=[]):
        args = parse_options("model_args", config.model_args or ())
        build_model(config.model, args, size=config.size, classes=classes)


def _parts(plan: Plan) -> Iterator[PretrainConfig | FinetuneConfig]:
    yield from plan.scratch.values()
    for _, pretraining, _ in plan.pretrainings:
        yield pretraining
        yield from plan.finetunings(pretraining).values()


@contextlib.contextmanager
def _claimed(config: SweepConfig) -> Iterator[None]:
    """Hold the folder for this process alone; the system lets go of it however the process ends.

    Raises:
        InputError: it is a file, holds something else or another sweep, or one is running in it.
        DataError: its sweep.json cannot be read.
    """
    out = config.out
    if out.exists() and not out.is_dir():
        raise InputError(f"out must be a folder, got {out}: it is a file")
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if JSON_FILE in names:
        stored = read_object(out / JSON_FILE).get("sweep")
        if stored != config.sweep:
            raise InputError(
                f"out must be the folder of a sweep of {config.sweep}, got {out}: it holds one of {stored}"
            )
    elif foreign := [name for name in names if name != LOCK_FILE and not name.startswith(f".{JSON_FILE}")]:
        raise InputError(
            f"out must be new, empty or the folder of this sweep, got {out}: it holds {foreign[0]}"
        )
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / LOCK_FILE, "out"):
        yield


def _run(plan: Plan, console: Console) -> SweepResult:
    """Complete the parts in their order; renew the files whenever a point brought something new, and at the end."""
    config = plan.config
    scratch, _ = _measured("from scratch", plan.scratch, console)
    result = SweepResult(config=config, scratch=scratch, rows=())
    for number, (point, pretraining, classes) in enumerate(plan.pretrainings, 1):
        console.print(f"\n[bold]{config.sweep} {point.name}[/], {number} of {len(plan.pretrainings)}")
        row, new = _point(plan, point, pretraining, classes, console)
        result = replace(result, rows=(*result.rows, row))
        if new or result.whole:
            write_plot(result, config.out / PLOT_FILE)
            write_results(result, config.out)
    return result


def _point(
    plan: Plan, point: Point, pretraining: PretrainConfig, classes: int, console: Console
) -> tuple[Row, bool]:
    """Complete a point; return its row, and whether anything had been left to do."""
    run, trained = complete(pretraining)
    console.print(f"{'pre-trained':<14} {_percent(run)} of held-out drawings  {_time(run)}")
    measured, new = _measured("fine-tuned", plan.finetunings(pretraining), console)
    row = Row(
        point=point,
        pretext=run.number("accuracy"),
        chance=1 / classes,
        loss=run.number("loss"),
        seconds=run.number("seconds"),
        measured=measured,
    )
    return row, trained or new


def _measured(what: str, configs: dict[int, FinetuneConfig], console: Console) -> tuple[Measured, bool]:
    """Complete the fine-tunings and probes, a seed each; return them, and whether any had been left to do."""
    finetuned, linear, knn = {}, {}, {}
    seconds, new = 0.0, False
    for seed, config in configs.items():
        with hushed():
            run, made = complete(config)
        console.print(f"{what:<14} {_percent(run)}  seed {seed:<4} {_time(run)}")
        found, probed_now = probed(config.out.parent / f"probe-{seed}.json", config)
        finetuned[seed], seconds = run.number("accuracy"), seconds + run.number("seconds")
        linear[seed], knn[seed] = float(found["linear"]), float(found["knn"])
        new |= made or probed_now
    console.print(f"{'linear probe':<14} {spread(linear)}%, nearest neighbours {spread(knn)}%")
    return Measured(finetuned=finetuned, linear=linear, knn=knn, seconds=seconds), new


def _percent(run: Run) -> str:
    return f"{100 * run.number('accuracy'):5.1f}%"


def _time(run: Run) -> str:
    return f"{run.number('seconds'):,.1f} s"
