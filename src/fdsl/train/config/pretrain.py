"""What a pre-training is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from fdsl.data.sample_draws import REPEATS
from fdsl.errors import check_choice, check_int
from fdsl.options import family_fields
from fdsl.train.config.base import MANY, TrainConfig

if TYPE_CHECKING:
    from fdsl.data.augment import Augmentation

DEFAULT_MODEL = "vit_tiny_patch16_224"

Lines = Literal["auto", "crisp", "area", "native"]
Renderer = Literal["auto", "cpu", "cuda"]
Target = Literal["auto", "class", "classes", "mask"]


@dataclass(frozen=True, kw_only=True)
class PretrainConfig(TrainConfig):
    """Pre-training: learn from images drawn from formulas."""

    free_on_resume = TrainConfig.free_on_resume | {"log_every", "samples", "held_out", "renderer"}

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
    renderer: Renderer = "auto"
    """What draws the images: cuda (the GPU that is trained on), cpu, or auto, the GPU where it can; pixels are the
    same."""
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
        check_choice("renderer", self.renderer, get_args(Renderer))
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
