"""What a run tells while it goes: a bar on a terminal, a line a minute elsewhere."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from fdsl.train.progress import Ticker, note

ROW = {
    "step": 5000,
    "samples": 640000,
    "lr": 0.00123,
    "loss": 6.9078,
    "accuracy": 0.12345,
    "grad_norm": 1.2345,
    "samples_per_second": 12345.6,
    "data_stall": 0.071,
    "memory_mb": 67890.0,
}


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def shown(
    reports: list[tuple[float, int]], steps: int = 1000, error: type[BaseException] | None = None
) -> list[int]:
    """Return the steps of the lines that are printed for reports at (seconds, step) without a terminal."""
    stream, clock = io.StringIO(), Clock()
    try:
        with Ticker("pretrain", steps, 0, Console(file=stream, width=120), clock) as ticker:
            for seconds, step in reports:
                clock.seconds = seconds
                ticker.step(step)
                ticker.report(step, "loss 1.000", 60.0)
            if error is not None:
                raise error
    except KeyboardInterrupt:
        pass
    lines = stream.getvalue().splitlines()
    assert all(line.endswith("  loss 1.000  1:00 left") for line in lines)
    return [int(line.partition("/")[0]) for line in lines]


def test_without_a_terminal_a_line_is_printed_once_a_minute() -> None:
    every_second = [(float(second), 10 + second) for second in range(181)]
    assert shown(every_second) == [10, 70, 130, 190]
    assert shown([(0.0, 1), (59.9, 2), (60.0, 3), (119.9, 4), (120.1, 5)]) == [1, 3, 5]
    assert shown([(0.0, 1), (500.0, 2), (1000.0, 3)]) == [1, 2, 3]


def test_first_and_last_report_are_always_printed() -> None:
    assert shown([(5.0, 3)]) == [3]
    assert shown([(0.0, 1), (1.0, 2), (2.0, 1000)]) == [1, 1000]
    assert shown([(0.0, 1000)]) == [1000]


@pytest.mark.parametrize("error", [None, KeyboardInterrupt])
def test_a_run_that_stops_early_prints_the_report_held_back(error: type[BaseException] | None) -> None:
    assert shown([(0.0, 1), (1.0, 2), (2.0, 3)], error=error) == [1, 3]


def test_the_note_holds_every_number_and_fits_a_line() -> None:
    text = note(ROW)
    assert text == "loss 6.908  accuracy 12.3%  lr 0.0012  grad 1.23  12,346 images/s  waiting 7%  67.9 GB"
    stream = io.StringIO()
    ticker = Ticker("pretrain", 300_000, 0, Console(file=stream, width=80))
    ticker.report(299_999, text, 100_000.0)
    (line,) = stream.getvalue().splitlines()
    assert line == f"299999/300000  {text}  27:46:40 left"
    assert len(line) <= 120


def test_the_note_leaves_out_what_a_row_lacks() -> None:
    assert note({}) == ""
    assert note({"step": 1, "loss": "", "accuracy": None, "lr": 1e-5}) == "lr 1e-05"
    row = {"train_loss": "0.5", "train_accuracy": 1, "test_accuracy": 0.25, "memory_mb": 640, "grad_norm": 0}
    assert note(row) == "loss 0.500  accuracy 100.0%  test 25.0%  grad 0  640 MB"
    assert note({"loss": float("nan"), "grad_norm": float("inf")}) == "loss nan  grad inf"


@pytest.mark.parametrize("width", [60, 80, 200])
def test_on_a_terminal_the_numbers_leave_room_for_the_bar(width: int) -> None:
    stream = io.StringIO()
    with Ticker("pretrain", 10_000, 0, Console(file=stream, force_terminal=True, width=width)) as ticker:
        ticker.step(5000)
        ticker.report(5000, note(ROW), 60.0)
    last = stream.getvalue().rpartition("pretrain")[2]
    assert "━━━" in last
    assert "50%" in last
    assert "left" in last
    assert "loss 6.908  accuracy 12.3%" in last
    assert ("67.9 GB" in last) == (width == 200)
