"""Training: one loop on Lightning Fabric and timm's parts; pre-training and fine-tuning feed it differently.

The configs load at once; everything that needs torch loads when it is first asked for.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from fdsl.train.config import FinetuneConfig, PretrainConfig

if TYPE_CHECKING:
    from fdsl.train.finetuning import FinetuneResult, SeedsResult, finetune, finetune_seeds
    from fdsl.train.pretraining import PretrainResult, pretrain
    from fdsl.train.publishing.export import export_hf
    from fdsl.train.weights import load_weights, save_weights

__all__ = [
    "FinetuneConfig",
    "FinetuneResult",
    "PretrainConfig",
    "PretrainResult",
    "SeedsResult",
    "export_hf",
    "finetune",
    "finetune_seeds",
    "load_weights",
    "pretrain",
    "save_weights",
]

_HOMES = {
    "FinetuneResult": "finetuning",
    "PretrainResult": "pretraining",
    "SeedsResult": "finetuning",
    "export_hf": "publishing.export",
    "finetune": "finetuning",
    "finetune_seeds": "finetuning",
    "load_weights": "weights",
    "pretrain": "pretraining",
    "save_weights": "weights",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
