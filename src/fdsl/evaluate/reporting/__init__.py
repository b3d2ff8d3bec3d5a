"""Pages: numbers and pictures of runs, each page one HTML file that needs no other.

config.py      what a report of runs is told
entries.py     from folders to trainings and results
forms.py       whether their files have the form that the page needs
judging.py     which of them may be compared
tables.py, charts.py, answers.py, outcomes.py, examples.py, seeing.py     what the page shows
writing.py     the page of runs
demo.py        the page of a demo
page.py        what both share; templates/ has their words
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fdsl.evaluate.reporting.config import ReportConfig

if TYPE_CHECKING:
    from fdsl.evaluate.reporting.writing import report

__all__ = ["ReportConfig", "report"]


def __getattr__(name: str) -> Any:
    """Load what writes pages, and with it torch and Matplotlib, when it is first asked for."""
    if name != "report":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from fdsl.evaluate.reporting.writing import report

    return report
