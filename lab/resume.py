"""`lab resume SWEEP`: make what is missing of a sweep, from its plan alone.

Runs that ended ok or diverged stay as they are; those that failed, ran out of time or memory, or never ended are made,
from their checkpoints where they have one, and their old records are kept beside the new ones.
"""

from __future__ import annotations

import argparse
import time

from lab.sweep.make import make_runs
from lab.sweep.plan import find_plan
from lab.sweep.screen import Screen
from lab.sweep.summary import sum_up


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit status: 0 where every run of the sweep is ok, else 1."""
    parser = argparse.ArgumentParser(prog="lab resume", description="Makes what is missing of a sweep.")
    parser.add_argument("sweep", help="its folder under runs/sweeps, or that folder's name")
    parser.add_argument("--runs", default="runs", help="the folder that runs are kept in (runs)")
    parser.add_argument(
        "--rerun", choices=["stale"], help="stale: also make anew what another version of the code made"
    )
    parser.add_argument("--retries", type=int, help="tries more for a run whose process is killed, 0 to 3")
    parser.add_argument("--timeout", type=float, help="seconds after which a run is stopped")
    parser.add_argument("--imports", default="", help="modules of your own that the sweep may run: my_parts,others")
    parser.add_argument("--no-progress", dest="progress", action="store_false", help="no line on how far a run is")
    parser.add_argument(
        "--allow-env-change",
        action="store_true",
        help="go on from checkpoints of another build, though not bit for bit",
    )
    chosen = parser.parse_args(argv)
    plan = find_plan(chosen.sweep, chosen.runs)
    changes = {"rerun": chosen.rerun, "allow_env_change": chosen.allow_env_change, "progress": chosen.progress}
    changes |= {key: given for key in ("retries", "timeout") if (given := getattr(chosen, key)) is not None}
    imports = [module for module in chosen.imports.split(",") if module]
    first = {run.run_id: number for number, run in reversed(list(enumerate(plan.runs)))}
    screen = Screen(progress=chosen.progress)
    outcomes = make_runs(plan, sorted(first.values()), screen, imports=imports, since=time.time(), **changes)
    return sum_up(plan, stopped=any(outcome.status == "stopped" for outcome in outcomes))
