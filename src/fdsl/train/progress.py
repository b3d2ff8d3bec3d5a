"""Telling a person how a run goes: a live bar on a terminal, elsewhere a line a minute."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Self

import rich
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

LINE_SECONDS = 60.0
"""Between two lines where there is no terminal, at least."""


def say(line: str) -> None:
    """Print a line as it is."""
    rich.get_console().print(line, markup=False, highlight=False, soft_wrap=True)


class _Bar(Progress):
    """A bar, and the newest numbers on a line below it: beside it they would leave it no room."""

    note = ""

    def get_renderables(self) -> Iterator[RenderableType]:
        """Return the lines from top to bottom."""
        yield from super().get_renderables()
        yield Text(self.note, no_wrap=True, overflow="ellipsis")


class Ticker:
    """The progress of one run, as a context.

    Without a terminal, the first report is printed at once, then one a minute at most, and the last one always, also
    of a run that stops early.
    """

    def __init__(
        self,
        title: str,
        steps: int,
        start: int,
        console: Console | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare to show `steps` updates, of which `start` are done; `now` is a clock that counts seconds."""
        self._console = console or rich.get_console()
        self._bar: _Bar | None = None
        self._steps = steps
        self._now = now
        self._due = -float("inf")
        self._held_back: str | None = None
        if self._console.is_terminal:
            self._bar = _Bar(
                TextColumn(f"[bold]{escape(title)}"),
                BarColumn(),
                TextColumn("{task.percentage:>3.0f}%"),
                TimeElapsedColumn(),
                TextColumn("left"),
                TimeRemainingColumn(),
                console=self._console,
                refresh_per_second=4,
            )
            self._task = self._bar.add_task(title, total=steps, completed=start)

    def step(self, step: int) -> None:
        """Show that `step` updates are done."""
        if self._bar is not None:
            self._bar.update(self._task, completed=step)

    def report(self, step: int, note: str, seconds_left: float) -> None:
        """Show the newest numbers."""
        if self._bar is not None:
            self._bar.note = note
            self._bar.update(self._task, completed=step)
        else:
            self._line(
                f"{step:>{len(str(self._steps))}}/{self._steps}  {note}  {clock(seconds_left)} left", step
            )

    def _line(self, line: str, step: int) -> None:
        """Print a line if a minute has passed since the last one, or no other follows."""
        now = self._now()
        if now < self._due and step < self._steps:
            self._held_back = line
            return
        self.say(line)
        self._due, self._held_back = now + LINE_SECONDS, None

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
        if self._held_back is not None:
            self.say(self._held_back)
            self._held_back = None


def note(row: Mapping[str, int | float | str | None]) -> str:
    """Return the numbers of a row of metrics that tell how a run goes, in words; columns that are empty are left out.

    Args:
        row: loss or train_loss; accuracy or train_accuracy and test_accuracy, in 0..1; lr; grad_norm;
            samples_per_second; data_stall, the share of the time that the model waited for images; memory_mb.
    """
    numbers = ((show, row.get(name)) for name, show in _NOTES.items())
    parts = (show(float(value)) for show, value in numbers if value is not None and value != "")
    return "  ".join(parts)


# In the order in which they are shown; pre-training has the first of some pairs, fine-tuning the second.
_NOTES: dict[str, Callable[[float], str]] = {
    "loss": lambda value: f"loss {value:.3f}",
    "train_loss": lambda value: f"loss {value:.3f}",
    "accuracy": lambda value: f"accuracy {value:.1%}",
    "train_accuracy": lambda value: f"accuracy {value:.1%}",
    "test_accuracy": lambda value: f"test {value:.1%}",
    "lr": lambda value: f"lr {value:.2g}",
    "grad_norm": lambda value: f"grad {value:.3g}",
    "samples_per_second": lambda value: f"{value:,.0f} images/s",
    "data_stall": lambda value: f"waiting {value:.0%}",
    "memory_mb": lambda value: f"{value / 1000:.1f} GB" if value >= 1000 else f"{value:.0f} MB",
}


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
