"""What pre-training and fine-tuning are told in common.

Each field's docstring is its help text on the command line.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, get_args

from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.options import parse_options

MANY = 10**9  # more than any run needs of what is counted; larger numbers are slips of the keyboard

Precision = Literal["auto", "32", "bf16", "fp16"]
Optimizer = Literal["adamw", "sgd"]
Strategy = Literal["ddp", "fsdp"]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """What pre-training and fine-tuning have in common: model, optimiser, schedule, bookkeeping.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    # Fields that may differ between a run and its continuation: they change neither weights nor data order
    # of the steps already made. A longer run re-stretches the learning-rate curve from the resumed step on.
    # `strategy` and `accumulate` change the order of sums, as another number of processes does.
    free_on_resume: ClassVar[frozenset[str]] = frozenset(
        {
            "out",
            "resume",
            "threads",
            "strategy",
            "accumulate",
            "checkpoint_every",
            "keep_last",
            "keep_every",
            "explode",
            "wandb",
        }
    )

    out: Path
    """Folder the run writes: metrics, checkpoints, weights, result.json."""
    model_args: tuple[str, ...] = ()
    """Arguments of the timm model as KEY=VALUE, for example embed_dim=128 depth=4 class_token=false."""
    seed: int = 0
    """Number every random choice of the run derives from."""

    batch_size: int = 64
    """Images in one update, over all processes."""
    accumulate: int = 1
    """Parts in which each process learns its share of a batch, one after the other: less memory, the same gradient
    (but of batch norms, which measure each part)."""
    optimizer: Optimizer = "adamw"
    """adamw, or sgd with a momentum of 0.9."""
    lr: float = 1e-3
    """Peak learning rate, reached after warm-up; a cosine leads from there to zero."""
    weight_decay: float = 0.05
    """Weight decay (biases and norms have none)."""
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
    explode: float = 10.0
    """Times the loss of the first update, or 1 if that is more, at which a loss stops the run; 0 never does."""
    ema_decay: float = 0.0
    """Decay of a moving average of the weights, for example 0.9998, which is then what is saved; 0 is off."""

    precision: Precision = "auto"
    """Arithmetic of the forward pass: auto is bf16 where the device is fast at it, otherwise 32 bits; fp16 scales the
    loss, for GPUs without bf16."""
    compile: bool = False
    """Compile the model with torch.compile: minutes at the start, faster updates."""
    channels_last: bool = False
    """Keep images and convolutions in channels-last order, which convolutional models are faster in."""
    checkpoint_activations: bool = False
    """Compute activations again in the backward pass instead of keeping them: less memory, more time."""
    strategy: Strategy = "ddp"
    """How several processes share a model: ddp keeps it whole in each, fsdp cuts weights and optimiser in pieces."""
    threads: int | None = None
    """CPU threads; None leaves one core to the preparation of images."""
    checkpoint_every: int = 1000
    """Updates between two checkpoints; the last update always gets one. 0 is only the last."""
    keep_last: int = 3
    """Newest checkpoints that stay; each is about three times the size of the weights."""
    keep_every: int = 0
    """Of how many checkpoints one stays for good; 0 is none."""
    resume: bool = False
    """Continue from the newest checkpoint in the run folder."""
    wandb: str | None = None
    """Project of Weights & Biases to log to as well (pip install wandb); None is none."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "model_args", tuple(self.model_args))
        parse_options("model_args", self.model_args)
        check_int("seed", self.seed, 0, 2**32 - 1)
        check_int("batch_size", self.batch_size, 1, 1 << 20)
        check_int("accumulate", self.accumulate, 1, self.batch_size)
        check_choice("optimizer", self.optimizer, get_args(Optimizer))
        check_float("lr", self.lr, 1e-12, 1e3)
        check_float("weight_decay", self.weight_decay, 0, 10)
        check_float("warmup", self.warmup, 0, 1)
        check_float("label_smoothing", self.label_smoothing, 0, 0.99)
        check_float("drop_path", self.drop_path, 0, 0.99)
        check_float("mixup", self.mixup, 0, 100)
        check_float("cutmix", self.cutmix, 0, 100)
        check_float("clip_grad", self.clip_grad, 0)
        check_float("explode", self.explode, 0)
        check_float("ema_decay", self.ema_decay, 0, 0.999999)
        check_choice("precision", self.precision, get_args(Precision))
        check_choice("strategy", self.strategy, get_args(Strategy))
        if self.threads is not None:
            check_int("threads", self.threads, 1, 1024)
        check_int("checkpoint_every", self.checkpoint_every, 0, MANY)
        check_int("keep_last", self.keep_last, 1, MANY)
        check_int("keep_every", self.keep_every, 0, MANY)
        if self.wandb is not None and not self.wandb.strip():
            raise InputError("wandb must name a project or be None, got an empty name")
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


def _plain(value: object) -> object:
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
