"""Pre-training DeiT-Ti, -S and -B on the databases as their publications do.

What the releases say, and what is made of it here:

- *Model and regularisation*: DeiT (Touvron et al., ICML 2021, arXiv 2012.12877), patches of 16, 224 pixels; AdamW,
  weight decay 0.05, label smoothing 0.1, drop path 0.1 for every size, mixup 0.8, CutMix 1.0, RandAugment
  rand-m9-mstd0.5-inc1, random erasing 0.25, crops of 0.08 to 1, three samples an image; no flips. The pre-training
  scripts of CVPR 2022 and CVPR 2023 (github.com/masora1030) say the same, for DeiT-B.
- *Batch and learning rate*: they say 1e-3, whatever the batch: 8,192 for 21,000 categories (64 on each of 128 GPUs,
  "for datasets with more than 10k categories"), 256 in the example of 1,000 categories for 4 GPUs, beside a warning
  that the best rate goes with the batch. DeiT's rule, 5e-4 x batch / 512, gives 1e-3 at 1,024: that is taken for 1,000
  categories. fdsl does not scale the rate by itself: who halves --batch-size halves --lr.
- *Length*: 300 passes over 1,000 categories of 1,000 images, 90 over 21,000 of as many.
- *Warm-up*: 5 passes in CVPR 2022; 5,000 updates in CVPR 2023, which at 1,024 images is the same to 2%.
- *Schedule*: a cosine, update by update. There it ends at 1e-5 and warm-up begins at 1e-6, here at zero.
- *Pixels*: drawn at the native size (512; ExFractalDB 224) and resampled by the crops, as stored pictures are.
- *GPU-hours* are not measured here. DeiT's figures, 53 hours of 8 V100 for 384 million images with the base model and
  under 72 of 4 with the smaller, are 1.10 V100-hours a million images and under 0.75.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fdsl.train.config import PretrainConfig

Size = Literal["tiny", "small", "base"]
SIZES: tuple[Size, ...] = ("tiny", "small", "base")

INSTANCES = 1000
LARGE = 21_000


def deit_rcdb1k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on RCDB-1k: 1,000 categories of radial contours, 1,000 images each.

    Source: Kataoka et al., "Replacing Labeled Real-Image Datasets with Auto-Generated Contours", CVPR 2022, and
    exe_rcdb_1k.sh of its release, where the batch is 256 for this learning rate. Here it is what DeiT's rule, lr =
    5e-4 x batch / 512, has for it: with half of --batch-size give half of --lr.
    Cost: 300 million images, 292,968 updates. By DeiT's figures (arXiv 2012.12877, 5.6) 330 V100-hours for base, under
    225 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "RCDB", 1000, size, seed)


def deit_rcdb21k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on RCDB-21k: 21,000 categories of radial contours, 1,000 images each.

    Source: Kataoka et al., CVPR 2022, and exe_rcdb_21k.sh of its release, which has DeiT-B.
    Cost: 1,890 million images, 230,712 updates of 8,192. By DeiT's figures (arXiv 2012.12877, 5.6) 2,080 V100-hours
    for base, under 1,420 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "RCDB", LARGE, size, seed)


def deit_exfractaldb1k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on ExFractalDB-1k: 1,000 categories of fractals in space, 1,000 images each.

    Source: Kataoka et al., CVPR 2022, and exe_exfractaldb_1k.sh of its release; the batch by DeiT's rule, as for
    RCDB-1k. An image has one of 145 weightings and a viewpoint of its own.
    Cost: 300 million images, 292,968 updates. By DeiT's figures (arXiv 2012.12877, 5.6) 330 V100-hours for base, under
    225 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "ExFractalDB", 1000, size, seed)


def deit_exfractaldb21k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on ExFractalDB-21k: 21,000 categories of fractals in space, 1,000 images each.

    Source: Kataoka et al., CVPR 2022, and exe_exfractaldb_21k.sh of its release, which has DeiT-B; published with it:
    82.7% on ImageNet-1k after fine-tuning.
    Cost: 1,890 million images, 230,712 updates of 8,192. By DeiT's figures (arXiv 2012.12877, 5.6) 2,080 V100-hours
    for base, under 1,420 for tiny or small; before the first run minutes of search for the categories, which are kept.
    Measured: not measured here.
    """
    return _deit(out, "ExFractalDB", LARGE, size, seed)


def deit_fractaldb1k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on FractalDB-1k: 1,000 categories of fractals in the plane, 1,000 images each.

    Source: Nakashima et al., "Can Vision Transformers Learn without Natural Images?", AAAI 2022, in the settings of
    CVPR 2022, which compares with it. Its own release (DeiT-Ti, github.com/nakashima-kodai) differs: one sample an
    image (`--aug-repeats 1`), a rate of 5e-4, or 3e-4 with 10 passes of warm-up in its script, 64 images on each of an
    unnamed number of GPUs, and 10 passes more at the lowest rate.
    Cost: 300 million images, 292,968 updates. By DeiT's figures (arXiv 2012.12877, 5.6) 330 V100-hours for base, under
    225 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "FractalDB", 1000, size, seed)


def deit_visualatom1k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on VisualAtom-1k: 1,000 categories of wavy contours, 1,000 images each.

    Source: Takashima et al., "Visual Atoms: Pre-training Vision Transformers with Sinusoidal Waves", CVPR 2023. Its
    release has weights of DeiT-Ti for it but no script; settings are those of RCDB-1k. Which ranges drew the published
    images is not said: `variant` is the program's defaults here; its script has others, `--options variant=script`.
    Cost: 300 million images, 292,968 updates. By DeiT's figures (arXiv 2012.12877, 5.6) 330 V100-hours for base, under
    225 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "VisualAtom", 1000, size, seed)


def deit_visualatom21k(out: Path, size: Size = "tiny", seed: int = 0) -> PretrainConfig:
    """DeiT on VisualAtom-21k: 21,000 categories of wavy contours, 1,000 images each.

    Source: Takashima et al., CVPR 2023, and scripts/pretrain.sh of its release, which has DeiT-B and 5,000 updates of
    warm-up; published with it: 83.7% on ImageNet-1k after fine-tuning. `variant` as in VisualAtom-1k.
    Cost: 1,890 million images, 230,712 updates of 8,192. By DeiT's figures (arXiv 2012.12877, 5.6) 2,080 V100-hours
    for base, under 1,420 for tiny or small.
    Measured: not measured here.
    """
    return _deit(out, "VisualAtom", LARGE, size, seed, warmup_updates=5000)


def _deit(
    out: Path, family: str, classes: int, size: Size, seed: int, *, warmup_updates: int | None = None
) -> PretrainConfig:
    """Return the settings of the module's docstring; 5 passes of warm-up, or a number of updates."""
    epochs, batch_size = (90, 8192) if classes == LARGE else (300, 1024)
    samples = epochs * classes * INSTANCES
    return PretrainConfig(
        out=out,
        family=family,
        classes=classes,
        instances=INSTANCES,
        size=224,
        lines="native",
        model=f"deit_{size}_patch16_224",
        samples=samples,
        batch_size=batch_size,
        lr=1e-3,
        weight_decay=0.05,
        warmup=5 / epochs if warmup_updates is None else warmup_updates * batch_size / samples,
        label_smoothing=0.1,
        drop_path=0.1,
        mixup=0.8,
        cutmix=1.0,
        crop_scale=(0.08, 1.0),
        auto_augment="rand-m9-mstd0.5-inc1",
        random_erasing=0.25,
        aug_repeats=3,
        checkpoint_every=5000,
        seed=seed,
    )
