"""Jobs that a launcher lost are handed to the launcher again.

A launcher that runs jobs in other processes loses some: a worker of joblib's that is killed takes the others with it,
a node of Slurm's fails, a job is preempted once too often. What has no record after that is missing, and is asked for
again through the same launcher, so that a cluster's work stays off the machine that the command was given on.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

TRIES = 3
HERE = ("JoblibLauncher", "LocalLauncher")  # launchers of this machine


@dataclass
class Launched:
    """How it went: `gave_up` where a launcher of other machines left runs undone; they are not made on this one."""

    gave_up: bool = False


@contextmanager
def relaunching() -> Iterator[Launched]:
    """Inside, Hydra's own sweeper launches jobs up to three times more whose runs have no record.

    A launcher's error is told in a line and does not end the sweep; only plugins may be sweepers, hence the patch.
    """
    from hydra.core.plugins import Plugins

    Plugins.instance()  # loads its modules anew: a class imported before would not be the one in use
    from hydra._internal.core_plugins.basic_launcher import BasicLauncher
    from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

    sweep, launched = BasicSweeper.sweep, Launched()

    def swept(sweeper: Any, arguments: list[str]) -> Any:
        if type(sweeper.launcher) is BasicLauncher:  # jobs in this process: what ends them ends the sweep
            return sweep(sweeper, arguments)
        with _waiting():
            returns = _tried(lambda: sweep(sweeper, arguments))
            done = _again(sweeper.launcher, Path(sweeper.config.hydra.sweep.dir))
            launched.gave_up = not done and type(sweeper.launcher).__name__ not in HERE
        return returns

    with mock.patch.object(BasicSweeper, "sweep", swept):
        yield launched


def _again(launcher: Any, folder: Path) -> bool:
    """Whether every run of the plan has a record in the end."""
    from lab.sweep.make import without_record
    from lab.sweep.plan import read_plan

    if not (folder / "sweep.json").exists():
        return True
    plan = read_plan(folder)
    for left in range(TRIES, 0, -1):
        missing = without_record(plan)
        if not missing:
            return True
        times = f"{left} more {'try' if left == 1 else 'tries'}"
        print(f"{len(missing)} of {len(plan.runs)} runs have no record; launching them again ({times})", flush=True)
        jobs = [list(plan.runs[number].overrides) for number in missing]
        _tried(functools.partial(launcher.launch, jobs, initial_job_idx=len(plan.runs)))
    return not without_record(plan)


def _tried(launch: Callable[[], Any]) -> Any:
    try:
        return launch()
    except Exception as error:  # whatever an engine raises: the runs' records say what there is to do
        text = (str(error).strip().splitlines() or [""])[0]
        print(f"the launcher lost a job ({type(error).__name__}: {text[:300]})", file=sys.stderr, flush=True)
        return None


@contextmanager
def _waiting() -> Iterator[None]:
    """Have submitit wait for all jobs of an array: by itself it would leave them alone at the first one that died."""
    try:
        from submitit.core.core import Job
        from submitit.core.utils import UncompletedJobError
    except ImportError:
        yield
        return
    from hydra.core.utils import JobReturn, JobStatus

    results = Job.results

    def waited(job: Any) -> Any:
        try:
            return results(job)
        except UncompletedJobError:
            return [JobReturn(_return_value=None, status=JobStatus.COMPLETED)]

    with mock.patch.object(Job, "results", waited):
        yield
