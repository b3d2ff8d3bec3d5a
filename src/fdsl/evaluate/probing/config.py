"""What a probe is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from fdsl.errors import InputError, check_float, check_int
from fdsl.train.config import FinetuneConfig

MOST_NEIGHBOURS = 10_000


@dataclass(frozen=True, kw_only=True)
class ProbeConfig:
    """Say what frozen weights are worth on real images: a linear classifier and nearest neighbours on their features.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    weights: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="WEIGHTS")]
    """Folder of a run, or a file of weights: .safetensors, or .pth, .pth.tar, .pt, .bin as torch.save writes them,
    never run."""
    data: str
    """The word digits, a folder, a .tar of class folders, or a dataset by name, as `fdsl finetune --data` takes it."""
    data_root: Path | None = None
    """Folder of the files of a dataset that timm opens."""
    train_split: str | None = None
    """Name of the split to learn from; None finds it."""
    test_split: str | None = None
    """Name of the split to test on; None finds it, or holds out a fifth of each class."""
    download: bool = False
    """Let a dataset that timm opens be downloaded to data_root."""
    out: Path = Path("probe")
    """Folder to write: new, empty, or that of an earlier probe, which it replaces; it changes as a whole or not at
    all."""
    labels: int | None = None
    """Labelled training images to use in all, equally many of each class; None uses all. Of 50,000 the linear
    classifier takes minutes."""
    shots: int | None = None
    """Labelled training images to use of each class; None uses all."""
    seeds: tuple[int, ...] = (0,)
    """Choices of the labelled images, and of the folds of the cross-validation: one probe each, mean and deviation."""
    neighbours: int | None = None
    """Nearest neighbours that vote; None is 20, or as many as the smallest class has labelled images."""
    test_limit: int | None = None
    """Test images to use at most, chosen at random and the same for every seed; None uses all."""
    skip_broken: bool = False
    """Leave out image files that cannot be read, and name them, instead of stopping at the first."""
    model: str | None = None
    """Name of the timm model; None takes the one that the weights name."""
    model_args: tuple[str, ...] = ()
    """Arguments of the timm model as KEY=VALUE."""
    size: int | None = None
    """Height and width that images are brought to, in pixels; None takes the one of the weights or of the model."""
    mean: tuple[float, float, float] | None = None
    """Mean of the pixels that the weights were trained on, red, green, blue in 0..1; None takes the one they come
    with."""
    std: tuple[float, float, float] | None = None
    """Their standard deviation; None takes the one they come with."""
    threads: int | None = None
    """CPU threads; None leaves one core free."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights", Path(self.weights))
        object.__setattr__(self, "data", str(self.data))
        object.__setattr__(self, "out", Path(self.out))
        object.__setattr__(self, "seeds", tuple(self.seeds))
        object.__setattr__(self, "model_args", tuple(self.model_args))
        if not self.seeds:
            raise InputError("seeds must name one seed at least, got none")
        self.finetuning(self.seeds[0])  # checks what both are told, the seeds too
        if self.neighbours is not None:
            check_int("neighbours", self.neighbours, 1, MOST_NEIGHBOURS)
        if (self.mean is None) != (self.std is None):
            raise InputError(f"mean and std must be given together, got {self.mean} and {self.std}")
        for field, values, low in (("mean", self.mean, 0.0), ("std", self.std, 1e-6)):
            if values is not None and len(tuple(values)) != 3:
                raise InputError(f"{field} must be 3 numbers, one a channel, got {len(tuple(values))}")
            for channel, value in enumerate(values or ()):
                check_float(f"{field}[{channel}]", value, low, 1)

    def finetuning(self, seed: int) -> FinetuneConfig:
        """Return the fine-tuning of one seed that has the same images, model and weights."""
        return FinetuneConfig(
            out=self.out,  # nothing is written there
            data=self.data,
            data_root=self.data_root,
            train_split=self.train_split,
            test_split=self.test_split,
            download=self.download,
            weights=self.weights,
            labels=self.labels,
            shots=self.shots,
            seed=seed,
            seeds=self.seeds,
            model=self.model,
            model_args=self.model_args,
            size=self.size,
            test_limit=self.test_limit,
            skip_broken=self.skip_broken,
            threads=self.threads,
        )
