"""What a benchmark found: as JSON for programs, as a table for people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from rich import box
from rich.console import Console
from rich.table import Table

from fdsl.bench.config import BenchConfig
from fdsl.bench.timing import Rate, six_digits
from fdsl.machine import machine_facts

SCHEMA = 3
"""Numbers the form of the JSON, of all benchmarks."""


class Measurement(Protocol):
    """Something that was measured."""

    @property
    def title(self) -> str:
        """What its rows are grouped under."""

    @property
    def skipped(self) -> str | None:
        """Why there are no numbers."""

    def rows(self) -> list[tuple[str, ...]]:
        """Return the rows of the table, without the title."""

    def to_json(self) -> dict[str, Any]:
        """Return what is known as plain JSON values."""


@dataclass(frozen=True, slots=True)
class Section:
    """One more table of a report.

    Attributes:
        headings: as in `Report`.
        measurements: likewise.
    """

    headings: tuple[str, ...]
    measurements: Sequence[Measurement]


@dataclass(frozen=True, slots=True)
class Report:
    """A benchmark's outcome.

    Attributes:
        config: what was asked for.
        headings: of the table; the first is that of the titles, one that begins with "<" stands left.
        measurements: in the order of the table.
        notes: lines under the table that say how to read it.
        more: further tables, between the first and the notes.
        facts: of the machine, besides those of `machine_facts`.
    """

    config: BenchConfig
    headings: tuple[str, ...]
    measurements: Sequence[Measurement]
    notes: tuple[str, ...]
    more: tuple[Section, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def sections(self) -> tuple[Section, ...]:
        """All tables."""
        return (Section(self.headings, self.measurements), *self.more)

    def to_json(self) -> dict[str, Any]:
        """Return settings, machine and measurements as plain JSON values."""
        return {
            "schema": SCHEMA,
            "benchmark": self.config.benchmark,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine_facts() | self.facts,
            "settings": self.config.settings(),
            "measurements": [line.to_json() for section in self.sections for line in section.measurements],
        }


def print_report(console: Console, report: Report) -> None:
    """Print machine, measurements, and what they mean. Eighty columns hold all of it."""
    facts = machine_facts()
    console.print(f"{facts['cpu']}, {facts['cores']} cores, numba {facts['numba']}, numpy {facts['numpy']}")
    for section in report.sections:
        _print_table(console, section)
    lines = [line for section in report.sections for line in section.measurements]
    for reason in sorted({line.skipped for line in lines if line.skipped}):
        console.print(f"skipped: {reason}")
    for note in report.notes:
        console.print(note)


def _print_table(console: Console, section: Section) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for place, heading in enumerate(section.headings):
        left = place == 0 or heading.startswith("<")
        table.add_column(heading.lstrip("<"), justify="left" if left else "right", no_wrap=True)
    previous = None
    for measurement in section.measurements:
        if previous not in (None, measurement.title):
            table.add_section()
        for row in measurement.rows():
            table.add_row("" if previous == measurement.title else measurement.title, *row)
            previous = measurement.title
    console.print(table)


def rate_cells(rate: Rate | None) -> tuple[str, str, str]:
    """Return images/s, their range, and the time an image, as a table shows them."""
    if rate is None:
        return "skipped", "", ""
    return short(rate.median), f"{_shorter(rate.low)}-{_shorter(rate.high)}", short(rate.microseconds)


def rate_json(rate: Rate | None) -> dict[str, Any]:
    """Return the rate as plain JSON values, nothing for one that is unknown."""
    return {} if rate is None else rate.to_json()


def known(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value, floats to six digits."""
    return {
        name: six_digits(value) if isinstance(value, float) else value
        for name, value in fields.items()
        if value is not None
    }


def short(value: float) -> str:
    """Return a number with three digits, or without a fraction."""
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"


def _shorter(value: float) -> str:
    if value >= 999_500:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1000:.3g}k" if value >= 1000 else f"{value:.3g}"
