"""Telling a person how a run goes: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Self

import rich
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


def say(line: str) -> None:
    """Print a line as it is."""
    rich.get_console().print(line, markup=False, highlight=False, soft_wrap=True)


class Ticker:
    """The progress of one run, as a context."""

    def __init__(self, title: str, steps: int, start: int, console: Console | None = None) -> None:
        """Prepare to show `steps` updates, of which `start` are done."""
        self._console = console or rich.get_console()
        self._bar: Progress | None = None
        self._steps = steps
        if self._console.is_terminal:
            self._bar = Progress(
                TextColumn(f"[bold]{escape(title)}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TextColumn("{task.fields[note]}"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task(title, total=steps, completed=start, note="")

    def step(self, step: int) -> None:
        """Show that `step` updates are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, note: str, seconds_left: float) -> None:
        """Show the newest numbers."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step, note=note)
        else:
            self.say(f"{step:>{len(str(self._steps))}}/{self._steps}  {note}  {clock(seconds_left)} left")

    def say(self, line: str) -> None:
        """Print a line that stays."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


@contextlib.contextmanager
def hushed() -> Iterator[None]:
    """Keep the trainings' own progress from the screen: dozens of bars would bury the results."""
    console = rich.get_console()
    before, console.quiet = console.quiet, True
    try:
        yield
    finally:
        console.quiet = before


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
