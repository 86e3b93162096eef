"""`lab audit runs` or `python -m lab.audit table.csv`: asks of a comparison what a referee would ask.

Ends with 0 where no rule found a fault, else 1.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from lab.errors import LabError, UsageError


def main(argv: list[str] | None = None) -> int:
    """Runs the command with these arguments; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="lab audit",
        description="Audits the comparison that records allow: seeds, effort, data, machines, what is missing.",
        epilog="A CSV table from elsewhere holds one run a line; lab/audit/table.py describes its columns.",
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[Path("runs")], help="folders of run folders, or one .csv"
    )
    parser.add_argument("--sweep", help="only the runs of this sweep, with those that are missing")
    chosen = parser.parse_args(argv)
    try:
        return _audit(chosen.runs, chosen.sweep)
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def _audit(paths: list[Path], sweep: str | None) -> int:
    from lab.audit.evidence import Evidence, judged
    from lab.audit.rules import audit
    from lab.audit.section import MARKS, banner
    from lab.audit.table import read_table
    from lab.report.load import load_records, need_runs
    from lab.report.sweeps import planned_runs, sweep_runs

    if any(path.suffix.lower() == ".csv" for path in paths):
        if len(paths) > 1 or sweep is not None:
            raise UsageError("a CSV table is audited by itself; name it alone")
        evidence = Evidence(read_table(paths[0]))
    else:
        if sweep is None:
            need_runs(paths)
        records = load_records(paths, expected=None if sweep is None else sweep_runs(paths, sweep))
        evidence = Evidence(records, planned_runs(paths) if sweep is None else None)
    findings = audit(evidence)
    shown = banner(evidence, findings)
    for comparison in judged(evidence, findings):
        print(textwrap.fill(comparison.sentence, 100))
    print(f"\n{shown.words}\n")
    for finding in findings:
        head = f"{MARKS[finding.verdict]:<15}{finding.title:<20}"
        print(textwrap.fill(finding.sentence, 100, initial_indent=head, subsequent_indent=" " * 35))
    for run, note in evidence.records.notes:
        print(f"note: run {run}: {note}")
    return int(shown.kind == "fail")


if __name__ == "__main__":
    sys.exit(main())
