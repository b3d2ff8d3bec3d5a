"""Fine-tuning on real images: one run, a probe of the head before it, or a run for each of several seeds."""

from __future__ import annotations

from fdsl.train.finetuning.seeds import SeedsResult, finetune_seeds
from fdsl.train.finetuning.single import FinetuneResult, finetune

__all__ = ["FinetuneResult", "SeedsResult", "finetune", "finetune_seeds"]
