"""The benchmark as a table for people."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from fdsl.bench.render import BenchRenderConfig, Measurement
from fdsl.machine import machine_facts

HEADINGS = ("family", "px", "drawn by", "threads", "images/s", "range", "µs/image", "factor")
LEFT = ("family", "drawn by")


def print_table(console: Console, config: BenchRenderConfig, measurements: list[Measurement]) -> None:
    """Print machine, measurements, and what they mean. Eighty columns hold all of it."""
    facts = machine_facts()
    console.print(f"{facts['cpu']}, {facts['cores']} cores, numba {facts['numba']}, numpy {facts['numpy']}")
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in LEFT else "right", no_wrap=True)
    previous = None
    for line in measurements:
        if previous not in (None, line.family):
            table.add_section()
        name = "" if previous == line.family else line.family
        previous = line.family
        table.add_row(name, str(line.size), line.what, str(line.threads), *_numbers(line))
    console.print(table)
    for reason in sorted({line.skipped for line in measurements if line.skipped}):
        console.print(f"skipped: {reason}")
    console.print(
        f"Medians of {config.repetitions} repetitions of {config.seconds:g} s and more, parameters included."
    )
    console.print("factor: how many times faster fdsl is, on one thread at the same size.")
    console.print(
        "python: NumPy and Pillow, an image and a point at a time; radial strokes are traced by fdsl."
    )
    console.print(
        "stored: timm's training loader (RandAugment, erasing) on PNGs of the native size in the page cache."
    )


def _numbers(line: Measurement) -> tuple[str, str, str, str]:
    if line.rate is None:
        return "skipped", "", "", ""
    rate = line.rate
    factor = "" if line.ratio is None else _short(line.ratio)
    return _short(rate.median), f"{_short(rate.low)}-{_short(rate.high)}", _short(rate.microseconds), factor


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.3g}"
