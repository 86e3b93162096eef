"""`lab export runs --to tensorboard --out logs`: shows runs in another tracker."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Iterable
from pathlib import Path

from lab.errors import LabError
from lab.report.text import counted

# tracker -> where it is written if nothing else is said
TRACKERS = {"tensorboard": "logs", "mlflow": "mlruns"}


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments ask; returns 0. Raises UsageError for a folder of runs or an extra that is not there."""
    parser = argparse.ArgumentParser(prog="lab export", description="Writes records as another tracker's files.")
    parser.add_argument("runs", nargs="*", type=Path, default=[Path("runs")], help="folders of run folders (runs)")
    parser.add_argument("--to", choices=TRACKERS, required=True, help="the tracker to write for")
    parser.add_argument("--out", help="folder to write to, or a server's address for mlflow (logs, mlruns)")
    given = parser.parse_args(argv)
    from lab.export.values import exported_runs

    out = given.out or TRACKERS[given.to]
    tracker = importlib.import_module(f"lab.export.{given.to}")
    skipped: list[str] = []
    written: int = tracker.write(exported_runs(given.runs, skipped), out)
    print(f"{counted(written, 'run')} written to {out}; look at them by: {tracker.look(out)}")
    _tell(skipped)
    return 0


def _tell(skipped: Iterable[str]) -> None:
    for reason in skipped:
        print(f"left out: {reason}", file=sys.stderr)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except LabError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
