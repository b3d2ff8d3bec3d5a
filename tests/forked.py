"""Runs in processes of their own, forked from a server that has torch loaded: quick to start, and to kill."""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fdsl.train import FinetuneConfig, PretrainConfig

PATIENCE = 300
"""Seconds after which a process that should end counts as hanging."""

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["fdsl.train.pretraining", "fdsl.train.finetuning", "fdsl.cli"])

Process = multiprocessing.context.ForkServerProcess


def start(arguments: list[str], output: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start `fdsl ARGUMENTS` with further environment variables; what it says goes to the file `output`."""
    process = _FORKS.Process(target=_command, args=(arguments, str(output), dict(env or {})))
    process.start()
    return process


def start_group(
    arguments: list[str], output: Path, size: int, launcher: str = "torchrun", port: int | None = None
) -> list[Process]:
    """Start `size` processes as torchrun or Slurm would; process N says what it says to `output`-N."""
    port = port or free_port()
    make = {"torchrun": _torchrun, "slurm": _slurm}[launcher]
    return [
        start(arguments, output.with_name(f"{output.name}-{n}"), make(n, size, port)) for n in range(size)
    ]


def end(*processes: Process) -> list[int | None]:
    """Wait for the processes and return their exit codes."""
    for process in processes:
        process.join(PATIENCE)
    codes = [process.exitcode for process in processes]
    for process in processes:
        if process.exitcode is None:
            process.kill()
    return codes


def as_arguments(config: PretrainConfig | FinetuneConfig) -> list[str]:
    """Return the command line of a config."""
    arguments = ["pretrain" if isinstance(config, PretrainConfig) else "finetune"]
    defaults = type(config)(**_needed(config)).to_json()
    for name, value in config.to_json().items():
        flag = f"--{name.replace('_', '-')}"
        if value is True:
            arguments.append(flag)
        elif isinstance(value, list) and value != defaults[name]:
            arguments += [flag, *map(str, value)]
        elif not isinstance(value, list) and (value != defaults[name] or name in _needed(config)):
            arguments += [flag, str(value)]
    return arguments


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _needed(config: PretrainConfig | FinetuneConfig) -> dict[str, Any]:
    return {"out": config.out, **({"data": config.data} if isinstance(config, FinetuneConfig) else {})}


def _torchrun(rank: int, size: int, port: int) -> dict[str, str]:
    return {
        "TORCHELASTIC_RUN_ID": "test",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "GROUP_RANK": "0",
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _slurm(rank: int, size: int, port: int) -> dict[str, str]:
    return {
        "SLURM_JOB_ID": "42",
        "SLURM_JOB_NAME": "pretrain",
        "SLURM_NTASKS": "9",  # of the job; the step below has fewer
        "SLURM_STEP_NUM_TASKS": str(size),
        "SLURM_NNODES": "1",
        "SLURM_NODELIST": "localhost",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }


def _command(arguments: list[str], output: str, env: dict[str, str]) -> None:
    os.environ.update(env)
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    from fdsl.cli import main

    code = main(arguments)
    sys.stdout.flush()
    os._exit(code)
