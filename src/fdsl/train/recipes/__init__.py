"""Recipes: functions that return a config and say where it comes from, what it costs and what it measured.

small      an hour at most: a small transformer on a laptop, a DeiT-Ti on one GPU
deit       pre-training as published: DeiT-Ti, -S and -B on the databases of 1,000 and 21,000 categories
others     pre-training as published: masks with a Swin, several labels with a ResNet
real       fine-tuning as published: ImageNet, and small sets
registry   all of them by name; what each says of itself, and its fields
fields     files of fields: YAML, or the run.json of an earlier run
"""

from __future__ import annotations

from fdsl.train.recipes.deit import (
    deit_exfractaldb1k,
    deit_exfractaldb21k,
    deit_fractaldb1k,
    deit_rcdb1k,
    deit_rcdb21k,
    deit_visualatom1k,
    deit_visualatom21k,
)
from fdsl.train.recipes.fields import read_fields
from fdsl.train.recipes.others import resnet50_multifractal, swin_tiny_segrcdb
from fdsl.train.recipes.real import imagenet, small_sets
from fdsl.train.recipes.registry import RECIPES, Recipe, find_recipe
from fdsl.train.recipes.small import (
    PROBE_VIT,
    batch_for,
    epochs_for,
    gpu_hour_rcdb1k,
    laptop_rcdb100,
    probe_cifar10,
    probe_digits,
    probe_rcdb100,
    threads_for,
)

__all__ = [
    "PROBE_VIT",
    "RECIPES",
    "Recipe",
    "batch_for",
    "deit_exfractaldb1k",
    "deit_exfractaldb21k",
    "deit_fractaldb1k",
    "deit_rcdb1k",
    "deit_rcdb21k",
    "deit_visualatom1k",
    "deit_visualatom21k",
    "epochs_for",
    "find_recipe",
    "gpu_hour_rcdb1k",
    "imagenet",
    "laptop_rcdb100",
    "probe_cifar10",
    "probe_digits",
    "probe_rcdb100",
    "read_fields",
    "resnet50_multifractal",
    "small_sets",
    "swin_tiny_segrcdb",
    "threads_for",
]
