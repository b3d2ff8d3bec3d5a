"""What an export is told: all that its bytes depend on, and nothing of where or how fast they are made."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from fdsl.data.export.encoders import Encoder, encoder, settled
from fdsl.errors import DataError, InputError, check_choice, check_int
from fdsl.formulas import Family, altered_family, family, family_class
from fdsl.formulas.altered import read_alterations
from fdsl.formulas.base import MAX_INSTANCE
from fdsl.options import family_fields
from fdsl.random import check_seed
from fdsl.render import Renderer

Format = Literal["folder", "webdataset", "parquet"]
Encoding = Literal["png", "jpeg", "webp", "webp-lossless", "npy"]
Colour = Literal["auto", "gray", "rgb"]
Order = Literal["auto", "shuffled", "category"]
Lines = Literal["auto", "crisp", "area", "native"]

MOST_IMAGES = 10**12
MOST_IN_A_SHARD = 10**6


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """A dataset as files.

    Raises:
        InputError: a field is out of range; the message names it.
    """

    family: str
    """Family of formulas to draw from, for example RCDB."""
    format: Format = "folder"
    """folder: an image file in a folder a category.
    webdataset: tar files of images and labels.
    parquet: tables of them, as Hugging Face keeps datasets."""
    encoding: Encoding = "png"
    """How an image becomes bytes: png, webp-lossless and npy keep every pixel, jpeg and webp do not."""
    effort: int | None = None
    """How hard to compress: png 1..12, webp and webp-lossless 0..6; None is the best bargain that was measured."""
    quality: int | None = None
    """Of jpeg and webp, 1..100; None is 90."""
    colour: Colour = "auto"
    """gray or rgb; auto is what the family draws."""
    classes: int | None = None
    """Categories of the dataset; None is the family's own number."""
    instances: int = 1000
    """Images a category."""
    first_instance: int = 0
    """Number of the first of them: images from another export's last on are held out from it."""
    size: int = 224
    """Height and width of the images, in pixels."""
    seed: int = 0
    """Seed of the dataset."""
    lines: Lines = "auto"
    """How a drawing becomes pixels, as in fdsl preview."""
    options: tuple[str, ...] = ()
    """Further fields of the family as KEY=VALUE, for example variant=paper."""
    alter: tuple[str, ...] = ()
    """What is done to the drawn images, in order, as KIND=STRENGTH, as in fdsl preview."""
    order: Order = "auto"
    """In which order images fill the shards: category after category, or shuffled, as readers of a stream need it;
    auto shuffles all but folders."""
    shard_size: int = 1000
    """Images a shard: a tar or Parquet file, or as many files of folders; what is drawn again if it gets lost."""
    split: str = "train"
    """Name of the part that tars or Parquet files are; of folders the folder's name tells it."""

    def __post_init__(self) -> None:
        for field, kind in _CHOICES.items():
            check_choice(field, getattr(self, field), get_args(kind))
        check_int("instances", self.instances, 1, MAX_INSTANCE)
        check_int("first_instance", self.first_instance, 0, MAX_INSTANCE - self.instances)
        check_int("shard_size", self.shard_size, 1, MOST_IN_A_SHARD)
        check_seed(self.seed)
        Renderer(self.size, self.lines, 1)  # checks them
        # however it was written, it is one dataset, and stays that when a later version has other defaults
        effort, quality = settled(self.encoding, self.effort, self.quality)
        object.__setattr__(self, "effort", effort)
        object.__setattr__(self, "quality", quality)
        object.__setattr__(self, "family", family_class(self.family).name)
        family_fields(self.classes, self.options)
        read_alterations("alter", self.alter)
        self._check_split()

    def _check_split(self) -> None:
        if not self.split.isascii() or not self.split.isalpha():
            raise InputError(f"split must be a word of letters, such as train, got {self.split!r}")
        if self.format == "folder" and self.split != "train":
            raise InputError(
                f"split must be left out with folders, got {self.split!r}: name the folder so, DATASET/{self.split}, "
                "beside DATASET/train"
            )

    @property
    def encoder(self) -> Encoder:
        """What makes bytes of images."""
        return encoder(self.encoding, self.effort, self.quality, rgb=self.colour == "rgb")

    @property
    def shuffled(self) -> bool:
        """Whether images fill the shards in a shuffled order."""
        return self.order == "shuffled" or (self.order == "auto" and self.format != "folder")

    def drawn(self) -> Family:
        """Return the family, altered as told.

        Raises:
            InputError: a field of the family is unknown or out of range, or gray is asked of a colour family.
        """
        base = family(self.family, **family_fields(self.classes, self.options))
        drawn = altered_family(base, *self.alter)
        if self.colour == "gray" and drawn.channels == 3:
            raise InputError(f"colour must be rgb or auto for {base.name} with these fields, got gray")
        return drawn

    def to_json(self) -> dict[str, Any]:
        """Return the fields as plain JSON values."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Any, where: str) -> Self:
        """Return the config of JSON fields.

        Raises:
            DataError: they are none, or this version refuses one; the message begins with `where`.
        """
        known = {field.name: field.default for field in dataclasses.fields(ExportConfig)}
        if (
            not isinstance(values, dict)
            or set(values) != set(known)
            or not all(_fits(values[name], default) for name, default in known.items())
        ):
            raise DataError(f"{where} must hold a config of {', '.join(sorted(known))}, got {values!r:.200}")
        try:
            fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
            return cls(**fields)
        except InputError as error:
            raise DataError(f"{where} holds a config that cannot be used: {error}") from error


def _fits(value: Any, default: Any) -> bool:
    """Whether a JSON value is of the kind of a field with that default; of numbers the config checks the rest."""
    if isinstance(default, tuple):
        return isinstance(value, list) and all(isinstance(one, str) for one in value)
    if default is None or isinstance(default, int):
        return value is None or type(value) is int
    return isinstance(value, str)


_CHOICES: dict[str, Any] = {"format": Format, "colour": Colour, "order": Order}
