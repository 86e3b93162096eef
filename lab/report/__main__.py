"""`python -m lab.report runs --out reports/mine`: draws a report from the records of runs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lab.errors import LabError, UsageError


def main(argv: list[str] | None = None) -> int:
    """Runs the command with these arguments; returns its exit status: 0, or that of a LabError."""
    parser = argparse.ArgumentParser(prog="python -m lab.report", description="Draws a report of runs.")
    parser.add_argument("runs", nargs="*", type=Path, default=[Path("runs")], help="folders of run folders (runs)")
    parser.add_argument("--out", type=Path, default=Path("reports/mine"), help="folder to write to (reports/mine)")
    parser.add_argument("--sweep", help="only the runs of this sweep, with those that are missing")
    parser.add_argument("--ids", type=Path, help="only the runs named in this file, one id a line")
    parser.add_argument("--title", help="title of the page")
    chosen = parser.parse_args(argv)
    try:
        if chosen.sweep is not None and chosen.ids is not None:
            raise UsageError("--sweep and --ids exclude each other; name one of them")
        from lab.report import make_report
        from lab.report.load import need_runs

        if chosen.sweep is None and chosen.ids is None:
            need_runs(chosen.runs)
        ids = _ids(chosen.ids) if chosen.ids is not None else None
        page = make_report(chosen.runs, chosen.out, run_ids=ids, sweep=chosen.sweep, title=chosen.title)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(page)
    return 0


def _ids(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{str(path)!r} cannot be read as a list of run ids ({error})") from None
    return [line.strip() for line in lines if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
