"""A model card: what the files of a run say of its weights, as the README.md of a Hugging Face repository."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from fdsl import __version__
from fdsl.formulas import family_class
from fdsl.formulas.altered import Alteration
from fdsl.options import family_fields
from fdsl.train.publishing.finished import FinishedRun

TAGS = ("fdsl", "formula-driven-supervised-learning", "synthetic-data", "timm")
RIGHT = {
    "class": "held-out images recognised",
    "classes": "held-out images whose likeliest class is in them",
    "mask": "pixels of held-out images classified rightly",
}
"""What the accuracy of a pre-training is a share of, by what was learned."""
FURTHER = {
    "class_average_accuracy": "the same a class, on average over the classes",
    "probe_accuracy": "accuracy of the head alone, before all of the model learned",
}
"""What else a fine-tuning may have measured on its test images."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """What a card says of the weights themselves.

    Attributes:
        model: timm name.
        parameters: numbers that were learned, without the head of a segmentation.
        size: height and width of the images, pixels.
        head: file of a segmentation's head, or None.
    """

    model: str
    parameters: int
    size: int
    head: str | None


def model_card(run: FinishedRun, weights: Weights, *, folder: str, name: str, terms: str | None) -> str:
    """Return the text of the card; every number in it is from the files of the run.

    Args:
        run: what was trained.
        weights: what it came to.
        folder: name of the folder the card lies in.
        name: of the repository on the Hub, USER/NAME.
        terms: identifier of a licence, or None for none.
    """
    parts = (
        f"---\n{_metadata(run, folder, terms)}\n---\n\n# {folder}",
        _summary(run, weights),
        f"## Loading\n\n{_loading(run, weights, folder, name)}",
        f"## Training\n\n{_training(run)}",
        f"## Measured\n\n{_measured(run)}",
        f"## Limits\n\n{_limits(run)}",
        f"## Source\n\n{_source(run)}",
    )
    return "\n\n".join(parts) + "\n"


def _metadata(run: FinishedRun, folder: str, terms: str | None) -> str:
    """Return the front matter that the Hub reads."""
    learned = _pretraining(run)
    families = [_family(learned)] if learned is not None else []
    task = "image-classification" if run.kind == "finetune" else "image-feature-extraction"
    results = None
    if run.kind == "finetune" or run.result["target"] == "class":
        data = run.config["data"] if run.kind == "finetune" else f"{families[0]}, held-out instances"
        results = [
            EvalResult(
                task_type="image-classification",
                dataset_type=str(data).lower().replace(", ", "-").replace(" ", "-"),
                dataset_name=str(data),
                metric_type="accuracy",
                metric_value=run.result["accuracy"],
            )
        ]
    card = ModelCardData(
        library_name="timm",
        license=terms,
        tags=[*TAGS, *(name.lower() for name in families)],
        pipeline_tag=task,
        model_name=folder,
        eval_results=results,
    )
    return card.to_yaml().strip()


def _summary(run: FinishedRun, weights: Weights) -> str:
    if run.kind == "finetune":
        begun = "from random weights" if run.config.get("weights") is None else "from pre-trained weights"
        what = f"trained {begun} to tell the {run.classes:,} classes of {run.config['data']} apart"
    else:
        what = f"pre-trained on images that were drawn from formulas, the family {_family(run)} of fdsl"
    average = (
        f" They are a moving average (decay {run.config['ema_decay']})."
        if run.config.get("ema_decay")
        else ""
    )
    return (
        f"Weights of timm's `{weights.model}`, {what}: {weights.parameters:,} parameters, "
        f"images of {weights.size} x {weights.size} pixels.{average}"
    )


def _loading(run: FinishedRun, weights: Weights, folder: str, name: str) -> str:
    """Return an example that runs beside the folder, with timm alone."""
    tuned = run.kind == "finetune"
    features = "" if tuned else ", num_classes=0"
    made = f"timm.create_model({json.dumps(f'local-dir:{folder}')}, pretrained=True{features})"
    use = (
        'answer = model.pretrained_cfg["label_names"][int(model(images).argmax())]'
        if tuned
        else "features = model(images)  # [1, D]"
    )
    lines = [
        "```python",
        "import timm",
        "import torch",
        "from PIL import Image",
        "",
        f"model = {made}.eval()",
        "preprocess = timm.data.create_transform(**timm.data.resolve_model_data_config(model))",
        'images = preprocess(Image.new("RGB", (320, 240)))[None]  # a picture of yours instead',
        "with torch.inference_mode():",
        f"    {use}",
        "```",
        "",
        f'From the Hub it is `"hf-hub:{name}"` instead of `"local-dir:{folder}"`.',
    ]
    if not tuned:
        lines[-1] += " With `num_classes=10` the model gets a new head of ten classes, to be fine-tuned."
    if weights.head is not None:
        lines.append(
            f"\n`{weights.head}` holds weight and bias of the 1 x 1 convolution that made logits a pixel of the last "
            "feature map: the background, then the categories in order."
        )
    return "\n".join(lines)


def _training(run: FinishedRun) -> str:
    """Return data and recipe; of a fine-tuning also those of the weights it started from, where they are known."""
    lines = list(_data(run))
    lines.append(f"- software: {', '.join(f'{name} {version}' for name, version in run.versions.items())}")
    lines.append(f"- hardware: {'; '.join(run.devices)}")
    text = (
        "\n".join(lines)
        + f"\n\nEvery field of the recipe:\n\n```json\n{json.dumps(run.config, indent=2)}\n```"
    )
    if run.origin is not None:
        text += f"\n\n### Weights it started from\n\n{_training(run.origin)}"
    return text


def _data(run: FinishedRun) -> Iterator[str]:
    """Yield lines on what was learned from."""
    config, result = run.config, run.result
    if run.kind == "finetune":
        yield f"- images: {config['data']}, {result['labels']:,} labelled for training, {run.classes:,} classes"
        yield f"- weights at the start: {_start(run)}"
    else:
        fields = ", ".join(f"{name} = {value}" for name, value in _family_fields(run).items())
        yield f"- family: {_family(run)}" + (f" ({fields})" if fields else "")
        if config["alter"]:
            yield f"- altered: {', '.join(config['alter'])}"
        if classes := run.classes or config["classes"]:  # a segmentation's weights have no logits to count
            yield f"- categories: {classes:,}, each one formula"
        each = config["instances"]
        yield f"- images of a category: {'never the same twice' if each is None else f'{each:,}'}"
        yield f"- digest of the dataset: `{run.dataset}`"
    yield f"- seed: {config['seed']}"
    if "samples" in result:
        yield f"- images seen: {result['samples']:,}, in {result['steps']:,} updates"
    if "epochs" in result:
        yield f"- passes: {result['epochs']:,}, in {result['steps']:,} updates"


def _start(run: FinishedRun) -> str:
    """Return what a fine-tuning started from, and how much of it fitted."""
    match = run.result.get("match")
    passes = run.config["probe_epochs"]
    head = f"a new head that learned alone for {passes:,} passes first" if passes else "a new head"
    if run.config.get("weights") is None or match is None:
        return f"random, with {head}" if passes else "random"
    part = f", from {match['part']}" if match.get("part") else ""
    left = len(match["missing"]) + len(match["mismatched"])
    random = f", {left} more left random" if left else ""
    return f"those of {run.config['weights']} ({match['matched']} tensors{part}{random}), with {head}"


def _family_fields(run: FinishedRun) -> dict[str, Any]:
    """Return the family's fields as given; with this version's defaults only if this version made the run."""
    given = family_fields(None, tuple(run.config["options"]))
    if run.versions.get("fdsl") != __version__:
        return given
    known = dataclasses.fields(family_class(run.config["family"]))
    defaults = {field.name: field.default for field in known if field.name not in ("classes", "files")}
    return {**{k: v for k, v in defaults.items() if v is not dataclasses.MISSING}, **given}


def _measured(run: FinishedRun) -> str:
    result = run.result
    if run.kind == "finetune":
        rows = [(f"accuracy on {result['test_images']:,} test images", f"{result['accuracy']:.1%}")]
        for name, what in FURTHER.items():
            if result.get(name) is not None:
                rows.append((what, f"{result[name]:.1%}"))
    else:
        rows = [(f"{RIGHT[result['target']]} (of {result['held_out']:,})", f"{result['accuracy']:.1%}")]
        if result.get("mean_iou") is not None:
            rows.append(("mean intersection over union on them", f"{result['mean_iou']:.1%}"))
    rows += [
        ("accuracy on augmented training images, at the end", f"{result['train_accuracy']:.1%}"),
        ("training loss, at the end", f"{result['loss']:.4f}"),
        ("time of training, evaluation not counted", f"{result['seconds']:,.0f} s"),
        ("images a second", f"{result['samples_per_second']:,.0f}"),
    ]
    if result.get("skipped"):
        rows.append(("broken images left out", f"{result['skipped']:,}"))
    return "| | |\n|---|---|\n" + "\n".join(f"| {what} | {value} |" for what, value in rows)


def _limits(run: FinishedRun) -> str:
    if run.kind == "finetune":
        told = f"It knows the {run.classes:,} classes of {run.config['data']}, no others; the accuracy is of one run."
        if run.config.get("weights") is None:
            return f"{told} It was not pre-trained."
        if run.origin is None:
            return f"{told} What the weights it started from had learned is not recorded here."
        if run.origin.kind == "pretrain":
            return f"{told} The weights it started from had seen drawings of formulas alone."
        return told
    text = (
        "This model has seen drawings alone: no photograph, and no label that a person gave. Its categories are "
        "formulas, so its answers mean nothing for real images before it is fine-tuned. The figures above tell how "
        "well it knows other drawings of the same formulas; what its features are worth on real images was not "
        "measured in this run."
    )
    if untrained := run.result.get("untrained"):
        text += f" Saved at their random start, because masks do not train them: {', '.join(untrained)}."
    return text


def _source(run: FinishedRun) -> str:
    """Return whom to cite."""
    learned = _pretraining(run)
    lines = []
    if learned is not None:
        if source := family_class(learned.config["family"]).source:
            lines.append(f"- {_family(learned)}: {source}")
        if learned.config["alter"]:
            lines.append(f"- alterations: {Alteration.source}")
    return "\n".join([*lines, f"- trained with fdsl {run.versions['fdsl']}, on a model of timm"])


def _pretraining(run: FinishedRun) -> FinishedRun | None:
    """Return the run that learned from formulas, if it is known: this one, or one before it."""
    if run.kind == "pretrain":
        return run
    return _pretraining(run.origin) if run.origin is not None else None


def _family(run: FinishedRun) -> str:
    """Return the name of the family as the registry has it."""
    return family_class(run.config["family"]).name
