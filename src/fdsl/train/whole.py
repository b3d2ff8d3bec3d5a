"""State dicts without sharding: whole tensors on the CPU, whatever the processes each hold of them.

Under FSDP2 a parameter is a `DTensor`, of which each process has a piece. A checkpoint holds whole tensors, so that any
number of processes, sharded or not, can go on from it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

try:
    from torch.distributed.tensor import DTensor, distribute_tensor
except ImportError:  # before torch 2.5
    from torch.distributed._tensor import DTensor, distribute_tensor  # type: ignore[attr-defined]


def whole(state: Any, *, keep: bool = True) -> Any:
    """Return `state` with every sharded tensor made whole, on the CPU; all processes must call it.

    Args:
        state: tensors and plain values, in dicts and lists.
        keep: return sharded tensors; otherwise, to spare the memory, None in their places.
    """
    if isinstance(state, DTensor):
        tensor = state.full_tensor()
        return tensor.cpu() if keep else None
    if isinstance(state, dict):
        return {key: whole(value, keep=keep) for key, value in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(whole(value, keep=keep) for value in state)
    return state


def load_module(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Fill a module, sharded or not, from whole tensors."""
    own = module.state_dict()
    module.load_state_dict({name: _like(own[name], tensor) for name, tensor in state.items()})


def load_optimizer(optimizer: Optimizer, state: dict[str, Any]) -> None:
    """Fill the optimizer of a sharded or whole model from whole tensors."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    moments = {
        number: {name: _like(parameters[number], value) for name, value in values.items()}
        for number, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": moments})


def _like(own: Tensor, value: Any) -> Any:
    """Return `value` sharded as `own` is, if it is a tensor of that shape."""
    if isinstance(own, DTensor) and isinstance(value, Tensor) and value.shape == own.shape:
        return distribute_tensor(value.to(own.device_mesh.device_type), own.device_mesh, own.placements)
    return value


def share_buffers(module: nn.Module) -> None:
    """Give every process the buffers of the first; all must call it."""
    with torch.no_grad():
        for buffer in module.buffers():
            dist.broadcast(buffer, 0)


def norm_of(total: Tensor) -> Tensor:
    """Return a norm over sharded gradients as a plain scalar; all processes must call it."""
    return total.full_tensor() if isinstance(total, DTensor) else total


def is_sharded(module: nn.Module) -> bool:
    """Whether the processes hold pieces of the module's weights."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())
