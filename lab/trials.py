"""`lab trials runs/tune --out reports/mine/tuning.csv`: keeps what a search tried as one small table.

See `lab.report.tuning` for its columns. A report on the runs in the folder beside that file shows it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.record import storage
from lab.report.text import counted


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments ask; returns 0. Raises UsageError for a folder without readable records."""
    parser = argparse.ArgumentParser(prog="lab trials", description="Keeps what searches tried as one small table.")
    parser.add_argument("runs", nargs="+", type=Path, help="folders of the trials' run folders")
    parser.add_argument("--out", type=Path, required=True, help="the table to write, beside a report's folder of runs")
    given = parser.parse_args(argv)
    from lab.report import tuning

    trials = tuning.collect(given.runs)
    storage.make_folder(given.out.parent)
    storage.write_atomic(given.out, tuning.write(trials).encode())
    searches = len({trial.search for trial in trials})
    print(f"{counted(len(trials), 'trial')} of {counted(searches, 'search', 'searches')}: {given.out}")
    return 0
