"""Commands in processes forked from one that has its libraries and kernels loaded: quick to start, and to kill."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LOOKED_EVERY = 0.002
PATIENCE = 120
"""Seconds after which a command counts as hanging."""
FIRST = ("render", "RCDB", "--classes", "2", "--instances", "2", "--size", "32", "--shard-size", "2")
FORMATS = ("folder", "webdataset", "parquet")


class Warmed:
    """Runs commands one after the other.

    Attributes:
        group: of processes, that the newest was.
    """

    group: int

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(
        self,
        arguments: Sequence[str],
        *,
        end_after: float | None = None,
        by: signal.Signals = signal.SIGKILL,
        most: int | None = None,
        new: bool = False,
        when: Path | None = None,
        worker: bool = False,
    ) -> tuple[int, str]:
        """Return the exit code of `fdsl ARGUMENTS`, negative if a signal ended it, and all that it said.

        Args:
            arguments: the command line.
            end_after: seconds after which it is sent a signal.
            by: that signal; Ctrl-C reaches its workers too, as at a terminal.
            most: bytes that a file may have: an error of writing beyond.
            new: whether its workers load all they need themselves, as they do at a user's.
            worker: whether the signal goes to a worker instead.
            when: folder in which there has to be something before the seconds count.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        task = {
            "arguments": list(arguments),
            "end_after": end_after,
            "by": int(by),
            "most": most,
            "new": new,
            "worker": worker,
            "when": None if when is None else str(when),
        }
        print(json.dumps(task), file=self._process.stdin, flush=True)
        code, said, self.group = json.loads(self._process.stdout.readline())
        return code, said


@contextlib.contextmanager
def warmed() -> Iterator[Warmed]:
    """Yield what runs commands, in a process that loads all they need once."""
    process = subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            yield Warmed(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()


def _serve() -> None:
    from fdsl.cli import main
    from fdsl.data.export import processes

    answers = os.fdopen(os.dup(1), "w")
    with tempfile.TemporaryDirectory() as folder:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        for form in FORMATS:
            assert main([*FIRST, "--workers", "1", "--format", form, "--out", f"{folder}/{form}"]) == 0
        print("ready", file=answers, flush=True)
        own = processes.multiprocessing
        for line in sys.stdin:
            task = json.loads(line)
            said = Path(folder) / "said.txt"
            said.unlink(missing_ok=True)
            processes.multiprocessing = own if task["new"] else _Forking()
            code, group = _done(task, said)
            print(json.dumps([code, said.read_text(), group]), file=answers, flush=True)


class _Forking:
    """The module `multiprocessing`, where workers are forks: started anew each loads for seconds."""

    def __getattr__(self, name: str) -> Any:
        import multiprocessing

        return getattr(multiprocessing, name)

    def get_context(self, _: str) -> Any:
        import multiprocessing

        return multiprocessing.get_context("fork")


def _done(task: dict[str, Any], said: Path) -> tuple[int, int]:
    file = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    life, lives = os.pipe()
    process = os.fork()
    if process == 0:
        os.setsid()
        os.close(life)
        os.dup2(file, 1)
        os.dup2(file, 2)
        _command(task)
    os.close(file)
    os.close(lives)
    try:
        return _ended(process, task), process
    finally:  # workers have the locks of their parent, which new processes would not; so wait for them too
        assert select.select([life], [], [], PATIENCE)[0], "a worker goes on without its parent"
        os.close(life)


def _ended(process: int, task: dict[str, Any]) -> int:
    began, sent = time.monotonic(), False
    due = float("inf") if task["end_after"] is None else began + task["end_after"]
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        now = time.monotonic()
        if task["when"] is not None and not (os.path.isdir(task["when"]) and os.listdir(task["when"])):
            due = now + task["end_after"]
        if now > due and not sent:
            sent = _send(task, process)
        if now - began > PATIENCE:
            os.kill(process, signal.SIGKILL)
        time.sleep(LOOKED_EVERY)


def _send(task: dict[str, Any], process: int) -> bool:
    """Send a signal to who is to get it; return whether there is anybody."""
    if task["worker"]:
        workers = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        if workers:
            os.kill(int(workers[0]), task["by"])
        return bool(workers)
    (os.killpg if task["by"] == signal.SIGINT else os.kill)(process, task["by"])
    return True


def _command(task: dict[str, Any]) -> None:
    import resource

    from fdsl.cli import main

    code = 1
    try:
        if task["most"] is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (task["most"], task["most"]))
        code = main(task["arguments"])
        sys.stdout.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve()
