"""What the runs of a page saw, and where they look: pictures that are made for the page."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fdsl.errors import FdslError, first_line
from fdsl.evaluate.reporting.entries import Entries, Outcome, Training, printable
from fdsl.evaluate.reporting.examples import drawings, labelled_images
from fdsl.evaluate.reporting.outcomes import Section, section
from fdsl.evaluate.reporting.page import Picture
from fdsl.train.config import FinetuneConfig, PretrainConfig
from fdsl.train.finetuning.images import open_splits
from fdsl.train.progress import hushed
from fdsl.train.weights import WEIGHTS_FILE

DRAWN = (
    "family", "classes", "options", "alter", "instances", "seed", "size", "lines", "crop_scale", "hflip", "vflip",
    "auto_augment", "random_erasing", "aug_repeats",
)  # fmt: skip
"""Fields that decide what a pre-training sees."""
CHOSEN = ("data", "data_root", "train_split", "test_split", "labels", "shots", "seed", "test_limit")
"""Fields that decide what a fine-tuning sees."""
MOST_MODELS = 6
"""Models whose attention is drawn at most: more fit no picture."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Pictures of what some trainings learned from, or in a line why there are none."""

    names: str
    pictures: tuple[Picture, ...] = ()
    trouble: str = ""


def drawn(entries: Entries) -> list[Seen]:
    """Draw what each pre-training learned from; those that saw the same, once."""
    return [_drawn(members) for members in _alike(entries.of("pretrain"), DRAWN)]


def real(entries: Entries) -> list[Seen]:
    """Show what the first seed of each fine-tuning learned from; those that saw the same, once."""
    return [_real(members) for members in _alike(entries.of("finetune"), CHOSEN)]


def attended(entries: Entries) -> tuple[Section | None, list[str]]:
    """Draw where the models look, and say in lines of which it could not be drawn."""
    picked = [one for one in (*entries.of("pretrain"), *entries.of("finetune")) if _weights(one) is not None]
    lines = []
    if len(picked) > MOST_MODELS:
        rest = ", ".join(one.name for one in picked[MOST_MODELS:])
        lines.append(f"Of {MOST_MODELS} models at most: {rest} are left out; fdsl attention shows others.")
    picked = picked[:MOST_MODELS]
    pretrained = [one for one in picked if one.kind == "pretrain"]
    # where the real images of a fine-tuning are gone, the drawings of the pre-trainings are still there
    for models in [picked, pretrained] if 0 < len(pretrained) < len(picked) else [picked]:
        if not models:
            continue
        try:
            return _attended(models, entries), lines
        except FdslError as error:
            names = ", ".join(one.name for one in models)
            lines.append(f"Attention of {names} could not be drawn: {printable(first_line(error))}.")
    return None, lines


def _attended(models: Sequence[Training], entries: Entries) -> Section:
    """Draw where the models look.

    Raises:
        FdslError: a model has nothing of the kind, or its weights or images cannot be read.
    """
    from fdsl.evaluate.attention.attending import attend
    from fdsl.evaluate.attention.config import AttentionConfig

    weights = tuple(folder for one in models if (folder := _weights(one)) is not None)
    threads = models[0].config.get("threads")
    with tempfile.TemporaryDirectory() as place, hushed():
        out = Path(place) / "attention"
        attend(AttentionConfig(weights=weights, out=out, threads=threads))
        content = json.loads((out / "attention.json").read_text(encoding="utf-8"))
        return section(Outcome(name="", what="attention", folder=out, content=content), entries)


def _weights(one: Training) -> Path | None:
    """Return the folder of the weights of the first finished run."""
    return next((run.folder for run in one.finished if (run.folder / WEIGHTS_FILE).is_file()), None)


def _alike(trainings: Sequence[Training], fields: Sequence[str]) -> list[list[Training]]:
    """Return the trainings in groups in which these fields are alike."""
    groups: dict[str, list[Training]] = {}
    for one in trainings:
        key = json.dumps([one.config.get(field) for field in fields])
        groups.setdefault(key, []).append(one)
    return list(groups.values())


def _drawn(members: Sequence[Training]) -> Seen:
    names, first = ", ".join(one.name for one in members), members[0]
    try:
        config = PretrainConfig.from_json({**PretrainConfig.defaults(), **first.config})
        return Seen(names=names, pictures=tuple(drawings(config, first.runs[0].record.get("dataset"))))
    except (FdslError, OSError) as error:
        return Seen(names=names, trouble=f"Cannot be drawn again: {printable(first_line(error))}.")


def _real(members: Sequence[Training]) -> Seen:
    names, first = ", ".join(one.name for one in members), members[0]
    try:
        config = FinetuneConfig.from_json({**FinetuneConfig.defaults(), **first.config})
        # to find broken images all have to be opened, which is not worth it where there were none
        broken = bool(first.runs[0].result.get("skipped"))
        images, tested = open_splits(replace(config, download=False, skip_broken=broken))
        shown = labelled_images(images, config.seed, len(tested), images.skipped + tested.skipped)
        return Seen(names=names, pictures=(replace(shown, caption=printable(shown.caption)),))
    except (FdslError, OSError) as error:
        return Seen(
            names=names, trouble=f"The images cannot be opened any more: {printable(first_line(error))}."
        )
