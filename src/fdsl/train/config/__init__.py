"""What a training run is told: frozen dataclasses that check themselves and survive a trip through JSON."""

from __future__ import annotations

from fdsl.train.config.base import Optimizer, Precision, Strategy, TrainConfig
from fdsl.train.config.finetune import FinetuneConfig
from fdsl.train.config.pretrain import DEFAULT_MODEL, PretrainConfig

__all__ = [
    "DEFAULT_MODEL",
    "FinetuneConfig",
    "Optimizer",
    "Precision",
    "PretrainConfig",
    "Strategy",
    "TrainConfig",
]
