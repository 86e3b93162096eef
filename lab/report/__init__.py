"""Reports: from the records of runs to one page with figures, tables and what they do not show.

    from lab.report import make_report
    make_report(Path("runs"), Path("reports/mine"))

Nothing here trains. Importing this package is light: pandas and matplotlib come when a report is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from lab.report.load import Records

__all__ = ["load_records", "make_report", "summary_text"]


def make_report(
    runs: Path | Sequence[Path],
    out: Path,
    *,
    run_ids: Sequence[str] | None = None,
    expected: Sequence[Mapping[str, Any]] | None = None,
    sweep: str | None = None,
    title: str | None = None,
    reload: float | None = None,
) -> Path:
    """Draws a report of the runs under `runs` into `out`; returns the path of index.html. See `render.make_report`."""
    from lab.report import render

    return render.make_report(runs, out, run_ids=run_ids, expected=expected, sweep=sweep, title=title, reload=reload)


def load_records(
    runs: Path | Sequence[Path],
    *,
    run_ids: Sequence[str] | None = None,
    expected: Sequence[Mapping[str, Any]] | None = None,
) -> Records:
    """Reads run folders into pandas frames. See `load` for their columns."""
    from lab.report import load

    return load.load_records(runs, run_ids=run_ids, expected=expected)


def summary_text(frame: pd.DataFrame) -> str:
    """A small aligned table of `load_records(...).runs` for a terminal. See `terminal.summary_text`."""
    from lab.report import terminal

    return terminal.summary_text(frame)
