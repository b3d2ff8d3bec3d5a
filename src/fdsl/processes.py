"""Which of several processes this is, where torchrun or Slurm started more than one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from fdsl.errors import InputError

Launcher = Literal["none", "torchrun", "slurm"]


@dataclass(frozen=True)
class Processes:
    """The processes that compute together, and this one's place among them."""

    rank: int = 0
    """Of this process, 0..size-1; number 0 writes files and speaks."""
    size: int = 1
    """Processes in all."""
    on_node: int = 1
    """Processes on each machine."""
    launcher: Launcher = "none"
    """What started them."""

    @property
    def nodes(self) -> int:
        """Machines in all."""
        return self.size // self.on_node


def processes() -> Processes:
    """Return what the environment says: torchrun's variables, or those of a Slurm step of several tasks.

    A batch script of Slurm is no step: a command that it runs without srun computes alone.

    Raises:
        InputError: a variable is missing or no number, or the nodes of a step have different numbers of tasks.
    """
    if "TORCHELASTIC_RUN_ID" in os.environ:
        size = _number("WORLD_SIZE")
        found = Processes(_number("RANK"), size, _number("LOCAL_WORLD_SIZE"), "torchrun")
    elif os.environ.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        of_step = "SLURM_STEP_NUM_NODES" if "SLURM_STEP_NUM_NODES" in os.environ else "SLURM_NNODES"
        size, nodes = _number("SLURM_STEP_NUM_TASKS"), max(1, _number(of_step))
        if size % nodes:
            raise InputError(
                f"tasks must be equally many on each of the {nodes} nodes, got {size} (srun --ntasks-per-node)"
            )
        found = Processes(_number("SLURM_PROCID"), size, size // nodes, "slurm")
    else:
        return Processes()
    return found


def _number(name: str) -> int:
    text = os.environ.get(name, "")
    if not text.isdecimal():
        raise InputError(f"{name} must be a number where several processes are started, got {text!r}")
    return int(text)
