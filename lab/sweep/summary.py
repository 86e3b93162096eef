"""The end of a sweep: a table, how many runs ended how, and the report."""

from __future__ import annotations

import sys
from typing import TextIO

from lab.errors import LabError
from lab.sweep.plan import Plan


def sum_up(plan: Plan, stopped: bool = False, stream: TextIO | None = None) -> int:
    """Print the table and make the report. Returns the sweep's exit status: 0 where every run ended ok, else 1."""
    from lab.report import load_records, make_report, summary_text

    out = stream or sys.stdout
    expected = plan.expected()
    records = load_records(plan.runs_folder, expected=expected)
    print(f"\n{summary_text(records.runs)}", file=out)
    if stopped:
        print("stopped before its end; the same command goes on where it stopped", file=out)
    status = 0 if set(records.runs["status"]) <= {"ok"} else 1
    try:
        print(f"report: {make_report(plan.runs_folder, plan.folder / 'report', expected=expected)}", file=out)
    except LabError as error:  # the runs are safe, and `lab report` can be asked again
        print(f"no report: {error}", file=sys.stderr)
        return max(status, 1)
    return status
