"""What a picture of attention is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

import tyro

from fdsl.errors import InputError, check_choice, check_int
from fdsl.options import family_fields

MOST_IMAGES = 1000

Method = Literal["rollout", "grad-cam"]


@dataclass(frozen=True, kw_only=True)
class AttentionConfig:
    """Picture where models look, on real and on rendered images, and measure how much of it lies on contours.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    weights: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Folders of runs, or files of weights, to look at beside each other: a pre-training and its fine-tuning, say."""
    out: Path = Path("attention")
    """Folder to write attention.png, a picture of every head of each model, and attention.json into."""
    method: Method = "rollout"
    """What a map shows: rollout, the attention of all blocks followed to the image, of transformers; grad-cam, what the
    likeliest class hangs on in the last feature map, of any classifier."""
    scratch: bool = True
    """Put an untrained model of the first weights' architecture beside them."""
    family: str | None = None
    """Family of the rendered images; None takes that of the first weights that were pre-trained, or RCDB."""
    classes: int | None = None
    """Categories of the family; None is as with `family`."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE."""
    data: str | None = None
    """Real images as `fdsl finetune --data` takes them; None takes those of the first weights that were fine-tuned,
    or none."""
    data_root: Path | None = None
    """Folder of the files of a dataset that timm opens."""
    train_split: str | None = None
    """Name of the split to train on, which is not shown; None finds it."""
    test_split: str | None = None
    """Name of the split to show images of; None finds it, or holds out a fifth of each class."""
    skip_broken: bool = False
    """Leave out image files that cannot be read, instead of stopping at the first."""
    images: int = 4
    """Rendered images, and as many real ones, that are pictured."""
    measured: int = 256
    """Rendered images over which the share on contours is measured; as many real ones."""
    seed: int = 0
    """Chooses the images, and the weights of the untrained model."""
    threads: int | None = None
    """CPU threads; None leaves one core free."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", tuple(map(Path, self.weights)))
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "options", tuple(self.options))
        if not self.weights:
            raise InputError("weights must name one folder or file at least, got none")
        check_choice("method", self.method, get_args(Method))
        check_int("images", self.images, 1, 16)
        check_int("measured", self.measured, 1, MOST_IMAGES)
        check_int("seed", self.seed, 0, 2**32 - 1)
        family_fields(self.classes, self.options)  # checks the options
        if self.classes is not None:
            check_int("classes", self.classes, 2)
        if self.threads is not None:
            check_int("threads", self.threads, 1, 1024)
        if self.data_root is not None:
            object.__setattr__(self, "data_root", Path(self.data_root))
        if self.data is None:
            for field in ("data_root", "train_split", "test_split"):
                if getattr(self, field) is not None:
                    raise InputError(
                        f"{field} must be None without data, got {getattr(self, field)}: it says where data lie"
                    )
