"""Weights in and out: a folder that timm loads by itself, and a loader that hides no mismatch.

saving.py    write the folder: model.safetensors and config.json
matching.py  copy a file's tensors into a model, and report every one
sources.py   which file is meant, and what is known of its model
pickles.py   files of torch.save, read without running what may be in them
"""

from __future__ import annotations

from fdsl.train.weights.matching import MatchReport, load_weights
from fdsl.train.weights.saving import CONFIG_FILE, WEIGHTS_FILE, save_weights
from fdsl.train.weights.sources import Architecture, describe_weights

__all__ = [
    "CONFIG_FILE",
    "WEIGHTS_FILE",
    "Architecture",
    "MatchReport",
    "describe_weights",
    "load_weights",
    "save_weights",
]
