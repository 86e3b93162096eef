"""The summary as aligned text, for the end of a sweep."""

from __future__ import annotations

import unicodedata

import pandas as pd

from lab.report.limits import status_text
from lab.report.load import Records
from lab.report.tables import summary
from lab.report.text import short_id

SHOWN = ("trainer", "network", "data", "seeds", "test error, %", "test RMSE", "training time, s", "samples a second",
         "peak memory, MiB")  # fmt: skip


def summary_text(frame: pd.DataFrame) -> str:
    """Returns a small table of the runs frame (`load_records(...).runs`), how many runs ended how, and why not ok."""
    empty = frame.head(0)
    records = Records(frame, empty, empty, empty, empty)
    table = summary(records)
    chosen = [i for i, c in enumerate(table.columns) if c.heading in SHOWN]
    lines = []
    if table.rows:
        grid = [[table.columns[i].heading for i in chosen], *([row[i].text for i in chosen] for row in table.rows)]
        widths = [max(_width(row[j]) for row in grid) for j in range(len(chosen))]
        numeric = [table.columns[i].numeric for i in chosen]
        for row in grid:
            lines.append("  ".join(map(_pad, row, widths, numeric)).rstrip())
        lines.insert(1, "  ".join("-" * w for w in widths))
    lines.append(status_text(records))
    for run in frame[frame["status"] != "ok"].to_dict("records"):
        name, status = short_id(run["run_id"]), run["status"].replace("_", " ")
        lines.append(f"  {name} {status}: {run['reason'] or 'no reason given'}")
    return "\n".join(lines)


def _width(text: str) -> int:
    """Columns that a terminal needs: wide letters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
