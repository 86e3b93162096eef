"""`lab paper reports/paper/runs --out reports/paper`: the paper's results beside those of records."""

from __future__ import annotations

import argparse
from pathlib import Path

KEPT, MINE = Path("reports/paper"), Path("reports/mine/paper")


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments ask; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab paper", description="The paper's results beside those of records.")
    parser.add_argument("runs", nargs="*", type=Path, help=f"folders of run folders ({KEPT / 'runs'})")
    parser.add_argument("--out", type=Path, help=f"folder to write to ({MINE}; of the runs in {KEPT}, {KEPT})")
    parser.add_argument(
        "--look",
        action="store_true",
        help="instead, keep of each trained run (RUNS are their folders) what the page's pictures show",
    )
    given = parser.parse_args(argv)
    runs = given.runs or [KEPT / "runs"]
    if given.look:
        from lab.paper.look import look

        for folder in runs:
            print(look(folder))
        return 0
    from lab.paper.page import make_page

    # a page of other runs does not take the place of the one that was committed with its records, unless asked to
    kept = [folder.absolute() for folder in runs] == [(KEPT / "runs").absolute()]
    print(make_page(runs, given.out or (KEPT if kept else MINE)))
    return 0
