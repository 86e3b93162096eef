"""`lab paper reports/paper/runs --out reports/paper`: the paper's results beside those of records."""

from __future__ import annotations

import argparse
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Do what the arguments ask; returns the exit status."""
    parser = argparse.ArgumentParser(prog="lab paper", description="The paper's results beside those of records.")
    parser.add_argument("runs", nargs="*", type=Path, default=[Path("reports/paper/runs")],
                        help="folders of run folders (reports/paper/runs)")  # fmt: skip
    parser.add_argument("--out", type=Path, default=Path("reports/paper"), help="folder to write to (reports/paper)")
    parser.add_argument(
        "--look",
        action="store_true",
        help="instead, keep of each trained run (RUNS are their folders) what the page's pictures show",
    )
    given = parser.parse_args(argv)
    if given.look:
        from lab.paper.look import look

        for folder in given.runs:
            print(look(folder))
        return 0
    from lab.paper.page import make_page

    print(make_page(given.runs, given.out))
    return 0
