"""What a fine-tuning is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from fdsl.errors import InputError, check_choice, check_float, check_int
from fdsl.train.config.base import MANY, TrainConfig

Augment = Literal["auto", "pad", "crop", "none"]
Sampling = Literal["shuffle", "balanced"]


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainConfig):
    """Fine-tuning: classify real images, from pre-trained weights or from scratch."""

    free_on_resume = TrainConfig.free_on_resume | {"epochs", "test_limit", "eval_every"}

    data: str
    """The word digits; a folder: images in class sub-folders, or Parquet files (Hugging Face); a .tar of class folders;
    or a dataset as timm's create_dataset names it: torch/cifar10, hfds/NAME, hfids/NAME, tfds/NAME, wds/NAME, with its
    files in data_root."""
    data_root: Path | None = None
    """Folder of the files of a dataset that timm opens."""
    train_split: str | None = None
    """Name of the split to train on; None finds it."""
    test_split: str | None = None
    """Name of the split to test on; None finds it, or holds out a fifth of each class."""
    download: bool = False
    """Let a dataset that timm opens be downloaded to data_root."""
    weights: Path | None = None
    """Folder of a pre-training run, or a file of weights: .safetensors, or .pth, .pth.tar, .pt, .bin as torch.save
    writes them, never run; None trains from scratch."""
    labels: int | None = None
    """Labelled training images to use in all, equally many of each class; None uses all."""
    shots: int | None = None
    """Labelled training images to use of each class, chosen by the seed; None uses all."""
    sampling: Sampling = "shuffle"
    """shuffle passes over the images; balanced draws each class equally often, however few images it has."""
    model: str | None = None
    """Name of the timm model; None takes the one of the weights, or vit_tiny_patch16_224 without weights."""
    size: int | None = None
    """Height and width of the images, in pixels; None takes the one of the weights or of the model."""
    epochs: int = 30
    """Passes over the training images."""
    layer_decay: float = 1.0
    """Factor on the learning rate from each layer to the one below; 1 is none, 0.65 to 0.75 usual for ViTs."""
    freeze: bool = False
    """Learn the head alone; the backbone stays as its weights are."""
    probe_epochs: int = 0
    """Passes that learn the head alone, before all of the model is fine-tuned from there."""
    probe_lr: float = 1e-3
    """Peak learning rate of these."""
    seeds: tuple[int, ...] = ()
    """Fine-tune once for each of these seeds, in folders seed-N of out, and give mean and deviation."""
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
        if self.shots is not None:
            check_int("shots", self.shots, 1, MANY)
            if self.labels is not None:
                raise InputError(
                    f"shots must be None with labels {self.labels}, got {self.shots}: both say how many"
                )
        check_choice("sampling", self.sampling, get_args(Sampling))
        check_float("layer_decay", self.layer_decay, 0.01, 1)
        check_int("probe_epochs", self.probe_epochs, 0, 10**6)
        check_float("probe_lr", self.probe_lr, 1e-12, 1e3)
        if self.freeze and self.probe_epochs:
            raise InputError(
                f"probe_epochs must be 0 with freeze, got {self.probe_epochs}: both learn the head alone"
            )
        object.__setattr__(self, "seeds", tuple(self.seeds))
        for seed in self.seeds:
            check_int("seeds", seed, 0, 2**32 - 1)
        if len(set(self.seeds)) < len(self.seeds):
            raise InputError(f"seeds must differ, got {', '.join(map(str, self.seeds))}")
        if self.data_root is not None:
            object.__setattr__(self, "data_root", Path(self.data_root))
        if self.size is not None:
            check_int("size", self.size, 8, 1024)
        check_int("epochs", self.epochs, 1, 10**6)
        check_choice("augment", self.augment, get_args(Augment))
        check_int("eval_every", self.eval_every, 0, MANY)
        if self.test_limit is not None:
            check_int("test_limit", self.test_limit, 2, MANY)
