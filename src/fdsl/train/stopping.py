"""Signals that ask a run to stop: all processes finish the same update, write a checkpoint and leave."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from math import inf
from types import FrameType
from typing import Any, Self

import torch
import torch.distributed as dist

from fdsl.errors import Stopped

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Ctrl-C; what a cluster sends at a job's end; what Slurm is told to send before it."""

SAME = 1.0
"""Seconds in which a second Ctrl-C is the first again: torchrun hands it on after the terminal did."""


class Stopping:
    """Catches signals while it is entered, as a context, in the main thread; elsewhere it catches none.

    While updates are made it waits to be asked; a second Ctrl-C interrupts at once, as it would have without this.
    Before and after, where no work since the newest checkpoint would be lost, it leaves at once.
    """

    def __init__(self) -> None:
        self._updating = False
        self._caught, self._interrupted_at = 0, inf
        self._before: dict[int, Any] = {}
        self._group: Any = None
        self._flag = torch.zeros(1, dtype=torch.int64)
        self._asked: dist.Work | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._catch)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    @contextlib.contextmanager
    def updates(self) -> Iterator[None]:
        """Let signals wait to be asked for in the block."""
        self._updating = True
        try:
            yield
        finally:
            self._updating = False

    def _catch(self, number: int, _frame: FrameType | None) -> None:
        if not self._updating:
            self.leave(
                number, "outside its updates; --resume goes on from the newest checkpoint, if there is one"
            )
        if number == signal.SIGINT:
            now = time.monotonic()
            if now > self._interrupted_at + SAME:
                raise KeyboardInterrupt
            self._interrupted_at = now
        self._caught = self._caught or number

    def asked(self) -> int:
        """Return the signal after which all processes stop, 0 for none; all must call it equally often.

        Several processes tell each other while an update is made: what one has caught is known to all at the call
        after the next. None waits for another longer than the update makes it wait anyway.
        """
        if not (dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1):
            return self._caught
        if self._group is None:
            # of its own, on the CPU: the model's collectives run on the device, in an order of theirs
            self._group = dist.new_group(backend="gloo")
        known = 0
        if self._asked is not None:
            self._asked.wait()
            known = int(self._flag)
        self._flag = torch.tensor([self._caught])
        self._asked = dist.all_reduce(self._flag, dist.ReduceOp.MAX, group=self._group, async_op=True)
        return known

    def asked_last(self) -> int:
        """Return the same once no update follows: what any process has caught until now."""
        before, now = self.asked(), self.asked()
        return before or now

    def leave(self, number: int, told: str) -> None:
        """Leave because of a signal.

        Raises:
            KeyboardInterrupt: it was Ctrl-C.
            Stopped: it was another.
        """
        if number == signal.SIGINT:
            raise KeyboardInterrupt(f"interrupted {told}")
        raise Stopped(f"stopped by {signal.Signals(number).name} {told}")
