"""`lab trials runs/sweeps/NAME --out tuning.csv`: keeps what a search tried as one small table.

See `lab.report.tuning` for its columns. A report on the runs in a folder beside that file shows it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from lab.errors import UsageError
from lab.record import storage
from lab.report.text import counted


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments ask; returns 0. Raises UsageError for a folder without readable records, and where
    `--out` is a file of another kind."""
    parser = argparse.ArgumentParser(prog="lab trials", description="Keeps what searches tried as one small table.")
    parser.add_argument("runs", nargs="+", type=Path,
                        help="folders of searches (runs/sweeps/NAME), or of the trials' run folders")  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="the table to write, beside a report's folder of runs")
    given = parser.parse_args(argv)
    from lab.report import tuning

    if given.out.exists():
        try:
            tuning.read(given.out)
        except UsageError:
            raise UsageError(f"{str(given.out)!r} is there and is no table of trials; name another --out") from None
    trials = tuning.collect(given.runs)
    storage.make_folder(given.out.parent)
    storage.write_atomic(given.out, tuning.write(trials).encode())
    searches = len({trial.search for trial in trials})
    print(f"{counted(len(trials), 'trial')} of {counted(searches, 'search', 'searches')}: {given.out}")
    return 0
