"""`lab watch SWEEP`: how far a sweep is, until it has ended or Ctrl-C is pressed; the sweep does not notice."""

from __future__ import annotations

import argparse
import math
import sys
import time

from lab.errors import LabError, UsageError
from lab.sweep.plan import find_plan

_HEAD = 5  # lines of a terminal that are not rows of runs
_WIDTH = 120  # letters of a line where there is no terminal


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns 0 where all runs have ended ok or some have not ended, else 1."""
    parser = argparse.ArgumentParser(
        prog="lab watch", description="Shows how far a sweep is, in the terminal and as a page."
    )
    parser.add_argument("sweep", help="its folder under runs/sweeps, or that folder's name")
    parser.add_argument("--runs", default="runs", help="the folder that runs are kept in (runs)")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks (5)")
    parser.add_argument("--once", action="store_true", help="look once and end")
    parser.add_argument("--no-page", dest="page", action="store_false", help="leave the sweep's report as it is")
    chosen = parser.parse_args(argv)
    if not (math.isfinite(chosen.every) and 0.5 <= chosen.every <= 3600):
        raise UsageError(f"--every {chosen.every:g} is no time between two looks; give 0.5 to 3600 seconds")
    plan = find_plan(chosen.sweep, chosen.runs)

    from rich.console import Console
    from rich.live import Live

    from lab.watch.look import look
    from lab.watch.page import Page
    from lab.watch.view import view

    console = Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)
    page = Page(plan, max(chosen.every, 10.0)) if chosen.page else None
    rows = max(5, console.height - _HEAD) if console.is_terminal else len(plan.runs)

    def draw() -> str:
        if page is None:
            return ""
        try:
            return f"page: {page.path}" if page.update(seen) else ""
        except LabError as error:  # looking goes on where the page's disk is full
            return f"no page: {error}"

    seen = look(plan)
    if chosen.once or not console.is_terminal:
        # A file or a pipe gets one picture instead of a film.
        console.print(view(plan.name, seen, rows))
        if words := draw():
            console.print(words, soft_wrap=True, markup=False)
    else:
        try:
            with Live(view(plan.name, seen, rows), console=console, auto_refresh=False) as live:
                while True:
                    if words := draw():
                        live.console.print(words, soft_wrap=True, markup=False)
                    if all(run.state == "ended" for run in seen):
                        break
                    time.sleep(chosen.every)
                    seen = look(plan)
                    live.update(view(plan.name, seen, rows), refresh=True)
        except KeyboardInterrupt:
            console.print("no longer watched; the sweep goes on")
    return int(any(run.state == "ended" and run.status != "ok" for run in seen))
