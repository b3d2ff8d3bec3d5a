"""What a training run is told: frozen dataclasses that check themselves and survive a trip through JSON.

Each field's docstring is its help text on the command line.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, get_args

from fdsl.data.sample_draws import REPEATS
from fdsl.errors import InputError, check_choice, check_float, check_int

if TYPE_CHECKING:
    from fdsl.data.augment import Augmentation

DEFAULT_MODEL = "vit_tiny_patch16_224"
MANY = 10**9  # more than any run needs of what is counted; larger numbers are slips of the keyboard

Precision = Literal["auto", "32", "bf16"]
Lines = Literal["auto", "crisp", "area", "native"]
Augment = Literal["auto", "pad", "crop", "none"]
Target = Literal["auto", "class", "classes", "mask"]


def parse_options(field: str, options: tuple[str, ...]) -> dict[str, Any]:
    """Read KEY=VALUE pairs: a value is JSON where it parses as such (4, 0.5, false, null), otherwise text.

    Raises:
        InputError: a pair lacks its key or its "=", or a key comes twice.
    """
    parsed: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key.isidentifier():
            raise InputError(f"{field} must be KEY=VALUE pairs, got {option!r}")
        if key in parsed:
            raise InputError(f"{field} must name each key once, got {key!r} twice")
        try:
            parsed[key] = json.loads(text)
        except json.JSONDecodeError:
            parsed[key] = text
    return parsed


def family_fields(classes: int | None, options: tuple[str, ...]) -> dict[str, Any]:
    """Return the fields of a family from the number of its classes, None for its own, and KEY=VALUE pairs.

    Raises:
        InputError: see `parse_options`; or a pair is of the classes.
    """
    fields = parse_options("options", options)
    if "classes" in fields:
        raise InputError("options must not hold classes: it is a field of its own")
    return fields if classes is None else {"classes": classes, **fields}


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What pre-training and fine-tuning have in common: model, optimiser, schedule, bookkeeping.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    # Fields that may differ between a run and its continuation: they change neither weights nor data order
    # of the steps already made. A longer run re-stretches the learning-rate curve from the resumed step on.
    free_on_resume: ClassVar[frozenset[str]] = frozenset({"out", "resume", "threads", "checkpoint_every"})

    out: Path
    """Folder the run writes: metrics, checkpoints, weights, result.json."""
    model_args: tuple[str, ...] = ()
    """Arguments of the timm model as KEY=VALUE, for example embed_dim=128 depth=4 class_token=false."""
    seed: int = 0
    """Number every random choice of the run derives from."""

    batch_size: int = 64
    """Images in one update."""
    lr: float = 1e-3
    """Peak learning rate of AdamW, reached after warm-up; a cosine leads from there to zero."""
    weight_decay: float = 0.05
    """Weight decay of AdamW (biases and norms have none)."""
    warmup: float = 0.05
    """Share of all updates during which the learning rate rises."""
    label_smoothing: float = 0.0
    """Probability spread over the other classes in the target."""
    drop_path: float = 0.0
    """Highest probability of skipping a residual block (stochastic depth)."""
    mixup: float = 0.0
    """Alpha of mixup; 0 is off."""
    cutmix: float = 0.0
    """Alpha of CutMix; 0 is off. With mixup also on, each batch gets one of the two."""
    clip_grad: float = 0.0
    """Largest norm of the gradient; 0 is no limit."""
    ema_decay: float = 0.0
    """Decay of a moving average of the weights, for example 0.9998, which is then what is saved; 0 is off."""

    precision: Precision = "auto"
    """Arithmetic of the forward pass: auto is bf16 where the device is fast at it, otherwise 32 bits."""
    threads: int | None = None
    """CPU threads; None leaves one core to the preparation of images."""
    checkpoint_every: int = 1000
    """Updates between two checkpoints; the last update always gets one. 0 is only the last."""
    resume: bool = False
    """Continue from the newest checkpoint in the run folder."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "model_args", tuple(self.model_args))
        parse_options("model_args", self.model_args)
        check_int("seed", self.seed, 0, 2**32 - 1)
        check_int("batch_size", self.batch_size, 1, 1 << 20)
        check_float("lr", self.lr, 1e-12, 1e3)
        check_float("weight_decay", self.weight_decay, 0, 10)
        check_float("warmup", self.warmup, 0, 1)
        check_float("label_smoothing", self.label_smoothing, 0, 0.99)
        check_float("drop_path", self.drop_path, 0, 0.99)
        check_float("mixup", self.mixup, 0, 100)
        check_float("cutmix", self.cutmix, 0, 100)
        check_float("clip_grad", self.clip_grad, 0)
        check_float("ema_decay", self.ema_decay, 0, 0.999999)
        check_choice("precision", self.precision, ("auto", "32", "bf16"))
        if self.threads is not None:
            check_int("threads", self.threads, 1, 1024)
        check_int("checkpoint_every", self.checkpoint_every, 0, MANY)
        if (self.mixup or self.cutmix) and self.batch_size % 2:
            raise InputError(f"batch_size must be even with mixup or cutmix, got {self.batch_size}")

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values; `from_json` is the way back."""
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """Return the fields that need not be given, in the form of `to_json`: what a config older than they are had."""
        return {
            field.name: _plain(field.default)
            for field in dataclasses.fields(cls)
            if field.default is not dataclasses.MISSING
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Build a config from what `to_json` returned.

        Raises:
            InputError: a field is unknown, missing or out of range.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(content) - known):
            raise InputError(f"config must hold fields of {cls.__name__}, got unknown {', '.join(unknown)}")
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in content.items()}
        try:
            return cls(**fields)
        except TypeError as error:
            raise InputError(f"config must hold every field of {cls.__name__}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(TrainConfig):
    """Pre-training: learn from images drawn from formulas."""

    free_on_resume = TrainConfig.free_on_resume | {"log_every", "samples", "held_out"}

    family: str = "RCDB"
    """Family of formulas to draw from; `fdsl preview` draws a sheet of one."""
    classes: int | None = None
    """Categories, each one formula; None is the family's own number, or all of a folder of category files."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example variant=paper, or files=FOLDER of category files."""
    alter: tuple[str, ...] = ()
    """What is done to the drawn images, in order, as KIND=STRENGTH: broken, scattered, filled, outline, width."""
    instances: int | None = 1000
    """Images a category; None never shows one twice."""
    size: int = 224
    """Height and width of the images, in pixels."""
    lines: Lines = "auto"
    """How a drawing becomes pixels: crisp (at the output size), area (drawn larger and averaged), native (drawn at
    the native size and resampled), or auto."""
    crop_scale: tuple[float, float] | None = (0.35, 1.0)
    """Smallest and largest share of the canvas a random crop shows; None shows all of it."""
    hflip: float = 0.0
    """Probability of a mirror image, left for right."""
    vflip: float = 0.0
    """Probability of a mirror image, top for bottom."""
    auto_augment: str | None = None
    """RandAugment as timm writes it, for example rand-m9-mstd0.5-inc1; None is off."""
    random_erasing: float = 0.0
    """Probability that a rectangle of the image becomes noise."""
    aug_repeats: int = 1
    """Samples in a row that show one image, each augmented anew (repeated augmentation)."""
    target: Target = "auto"
    """What to learn: class (which category), classes (all categories in the image, a binary cross-entropy each), mask
    (the category of every pixel); auto is what the family is for."""
    model: str = DEFAULT_MODEL
    """Name of the timm model."""
    samples: int = 1_000_000
    """Images seen in all."""
    log_every: int = 50
    """Updates between two rows of metrics."""
    held_out: int = 2048
    """Images of unseen instances drawn at the end to measure accuracy on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "options", tuple(self.options))
        family_fields(self.classes, self.options)  # checks them
        self._check_alter()
        if self.classes is not None:
            check_int("classes", self.classes, 2, MANY)
        if self.instances is not None:
            check_int("instances", self.instances, 1, 2**32 - 1)
        check_int("size", self.size, 32, 1024)
        check_choice("lines", self.lines, get_args(Lines))
        check_choice("target", self.target, get_args(Target))
        check_int("samples", self.samples, self.batch_size, 10**12)
        check_int("log_every", self.log_every, 1, MANY)
        check_int("held_out", self.held_out, 1, 10**7)
        if self.crop_scale is not None:
            object.__setattr__(self, "crop_scale", tuple(self.crop_scale))
        check_int("aug_repeats", self.aug_repeats, 1, REPEATS)
        _ = self.augmentation  # checks itself

    def _check_alter(self) -> None:
        object.__setattr__(self, "alter", tuple(self.alter))
        if self.alter:
            from fdsl.formulas.altered import read_alterations  # loads numba

            read_alterations("alter", self.alter)

    @property
    def augmentation(self) -> Augmentation:
        """How training images are varied."""
        from fdsl.data.augment import Augmentation  # loads numba, which a fine-tuning can do without

        return Augmentation(
            crop_scale=self.crop_scale,
            hflip=self.hflip,
            vflip=self.vflip,
            auto_augment=self.auto_augment,
            random_erasing=self.random_erasing,
        )

    @property
    def steps(self) -> int:
        """Updates in all; a last incomplete batch is left out."""
        return self.samples // self.batch_size


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainConfig):
    """Fine-tuning: classify real images, from pre-trained weights or from scratch."""

    free_on_resume = TrainConfig.free_on_resume | {"epochs", "test_limit", "eval_every"}

    data: str
    """The word digits, or a folder: images in class sub-folders, or Parquet files (Hugging Face)."""
    weights: Path | None = None
    """Folder of a pre-training run, or a .safetensors file; None trains from scratch."""
    labels: int | None = None
    """Labelled training images to use in all, equally many of each class; None uses all."""
    model: str | None = None
    """Name of the timm model; None takes the one of the weights, or vit_tiny_patch16_224 without weights."""
    size: int | None = None
    """Height and width of the images, in pixels; None takes the one of the weights or of the model."""
    epochs: int = 30
    """Passes over the training images."""
    augment: Augment = "auto"
    """pad: shift by up to an eighth; crop: random resized crop; auto: pad up to 64 pixels, otherwise crop."""
    flip: bool | None = None
    """Mirror half of the training images; None does except for digits."""
    eval_every: int = 0
    """Epochs between two measurements of test accuracy; 0 is only the end."""
    test_limit: int | None = None
    """Test images to use at most, chosen at random and the same for every seed; None uses all."""
    skip_broken: bool = False
    """Leave out image files that cannot be read, and count them, instead of stopping at the first."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not str(self.data):
            raise InputError("data must be 'digits' or a folder, got nothing")
        object.__setattr__(self, "data", str(self.data))
        if self.weights is not None:
            object.__setattr__(self, "weights", Path(self.weights))
        if self.labels is not None:
            check_int("labels", self.labels, 2, MANY)
        if self.size is not None:
            check_int("size", self.size, 8, 1024)
        check_int("epochs", self.epochs, 1, 10**6)
        check_choice("augment", self.augment, ("auto", "pad", "crop", "none"))
        check_int("eval_every", self.eval_every, 0, MANY)
        if self.test_limit is not None:
            check_int("test_limit", self.test_limit, 2, MANY)


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
