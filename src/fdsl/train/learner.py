"""Everything an update changes: the model, its optimiser and its moving average."""

from __future__ import annotations

import contextlib
import copy
from math import inf
from typing import Any

import torch
from lightning.fabric import Fabric
from timm.scheduler.cosine_lr import CosineLRScheduler
from timm.utils.model_ema import ModelEmaV3
from torch import Tensor, nn
from torch.optim import Optimizer

from fdsl.train.config import TrainConfig
from fdsl.train.device import attention, quiet, shards
from fdsl.train.objective import CLASSIFY, Objective
from fdsl.train.speed import Compiling, RunningStatistics, arranged, build_optimizer, prepare
from fdsl.train.whole import load_module, load_optimizer, norm_of, share_buffers, whole


class Learner:
    """A model that learns batch by batch; its state goes into checkpoints."""

    def __init__(
        self,
        model: nn.Module,
        config: TrainConfig,
        *,
        steps: int,
        fabric: Fabric,
        objective: Objective = CLASSIFY,
        layer_decay: float = 1.0,
    ) -> None:
        """Set the model up on Fabric's devices for `steps` updates toward `objective`.

        Args:
            model: alike in all processes; changed in place. Parameters that require no gradient stay as they are.
            config: of the run.
            steps: updates in all.
            fabric: knows the devices, processes and arithmetic.
            objective: what is learned.
            layer_decay: factor on the learning rate from each layer to the one below; 1 is none.

        Raises:
            InputError: the model or the machine cannot do what an option of the config asks.
        """
        self.fabric, self._objective, self._config = fabric, objective, config
        self._clip, self._parts = config.clip_grad, config.accumulate
        self.grad_norm: Tensor | None = None
        """Norm of the last gradient that was measured, a scalar left on the device."""
        prepare(model, config)
        self._compiling, self._statistics = Compiling(config), RunningStatistics(model, config)
        cut = shards(fabric)
        # for the weights of a sharded model to be whole in
        self._plain = copy.deepcopy(model) if cut else None
        # copied before it is cut; then one tensor at a time: a list must not hold both pieces and whole buffers
        self._ema = (
            ModelEmaV3(model, decay=config.ema_decay, use_warmup=True, foreach=not cut)
            if config.ema_decay
            else None
        )
        self.model = fabric.setup_module(model)
        layers = {"layer_decay": layer_decay} if layer_decay < 1 else {}
        optimizer = build_optimizer(self.model.module, config, **layers)
        self.optimizer: Any = fabric.setup_optimizers(optimizer)
        self._schedule = _cosine(optimizer, config, steps)
        if self._ema is not None:
            average = self._ema.module
            self._ema.module = fabric.setup_module(average).module if cut else fabric.to_device(average)

    @property
    def scaler(self) -> torch.amp.GradScaler | None:
        """What scales the loss for fp16; None in other arithmetics."""
        scaler: torch.amp.GradScaler | None = getattr(self.fabric._precision, "scaler", None)
        return scaler

    def best_model(self) -> nn.Module:
        """Return the weights to evaluate and save: the moving average if there is one; all processes must call it.

        Each process has measured batch norms of its own share of the images: those of the first count, as they do in a
        checkpoint.
        """
        model: nn.Module = self._ema.module if self._ema is not None else self.model.module
        if self.fabric.world_size > 1:
            share_buffers(model)
        if self._plain is None:
            return model
        self._plain.load_state_dict(whole(model.state_dict()))
        return self._plain.to(self.fabric.device)

    @property
    def lr(self) -> float:
        """Learning rate of the last update."""
        return float(max(group["lr"] for group in self.optimizer.param_groups))

    def train_mode(self) -> None:
        """Let the model learn; modules none of whose parameters do are evaluated, as their buffers are not learned."""
        self.model.train()
        for module in self.model.module.modules():
            parameters = list(module.parameters())
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()

    def update(
        self, images: Tensor, targets: Tensor, step: int, *, measure: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Learn from one batch after `step` earlier ones.

        Args:
            images: float32 [B, 3, H, W] on the device.
            targets: on the device, as the objective takes them; those of classes come smoothed and mixed already.
            step: updates done before this one.
            measure: set `grad_norm`; it is set anyway where gradients are clipped.

        Returns:
            the loss and the number of images answered rightly, scalars left on the device. Of a segmented image the
            share of its pixels counts.
        """
        self._schedule.step_update(step)
        loss, right = self._backward(images, targets)
        if self._clip or measure:
            # An infinite norm shows in the loss, which names the update; Fabric's own error would not.
            norm = self.fabric.clip_gradients(
                self.model, self.optimizer, max_norm=self._clip or inf, error_if_nonfinite=False
            )
            self.grad_norm = None if norm is None else norm_of(norm.detach())
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self._ema is not None:
            self._ema.update(self.model.module, step)
        return loss, right

    def _backward(self, images: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Add up the gradient of a batch, part by part; return its loss and right answers."""
        parts = list(zip(images.chunk(self._parts), targets.chunk(self._parts), strict=True))
        losses, rights = [], []
        for number, (some, wanted) in enumerate(parts, 1):
            waits = self.fabric.world_size > 1 and number < len(parts)
            synced = self.fabric.no_backward_sync(self.model) if waits else contextlib.nullcontext()
            with synced, self._compiling():
                loss, logits = self._learn(some, wanted, len(some) / len(images))
            losses.append(loss.detach())
            rights.append(self._objective.right(logits.detach(), wanted).sum())
        return torch.stack(losses).sum(), torch.stack(rights).sum()

    def _learn(self, images: Tensor, targets: Tensor, share: float) -> tuple[Tensor, Tensor]:
        """Add `share` of the gradient of some images; return that share of their loss, and their logits."""
        with attention(self.fabric):
            logits: Tensor = self.model(arranged(images, self._config)).float()
        loss: Tensor = self._objective.loss(logits, targets)
        if share < 1:
            loss = loss * share
        with self._statistics.held():
            self.fabric.backward(loss)
        return loss, logits

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps, whole; all processes must call it, and process 0 saves what it gets."""
        keep = self.fabric.is_global_zero
        return {
            "model": whole(self.model.module.state_dict(), keep=keep),
            "optimizer": whole(self.optimizer.state_dict(), keep=keep),
            "ema": whole(self._ema.module.state_dict(), keep=keep) if self._ema is not None else None,
            "scaler": self.scaler.state_dict() if self.scaler is not None else None,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Take back what `state` returned, in any number of processes."""
        load_module(self.model.module, state["model"])
        load_optimizer(self.optimizer.optimizer, state["optimizer"])
        if self._ema is not None:
            load_module(self._ema.module, state["ema"])
        if self.scaler is not None:
            self.scaler.load_state_dict(state["scaler"])


def _cosine(optimizer: Optimizer, config: TrainConfig, steps: int) -> CosineLRScheduler:
    """Rise from one warm-up step's share to the peak, then fall along a cosine to zero."""
    warmup = round(config.warmup * steps)
    with quiet("timm.scheduler.cosine_lr"):  # of one update it says that there is no curve
        return CosineLRScheduler(
            optimizer,
            t_initial=max(1, steps - warmup),
            warmup_t=warmup,
            warmup_lr_init=config.lr / max(1, warmup),
            warmup_prefix=True,
            t_in_epochs=False,
        )
