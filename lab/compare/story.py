"""compare(protocol, folder): the whole course of a comparison, each step of which can be stopped and gone on with."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from lab.compare.ledger import Made, Studied, open_ledger
from lab.errors import Busy, UsageError
from lab.protocol import Protocol, Side, Task
from lab.sweep.compose import composed
from lab.sweep.launch import Outcome
from lab.sweep.make import make_runs
from lab.sweep.plan import Plan, make_plan
from lab.sweep.screen import Screen
from lab.tune import Study, by_protocol, need_optuna

Until = Literal["tuning", "runs", "report"]
Chosen = dict[tuple[str, str], tuple[str, ...]]


def compare(protocol: Protocol, out: Path, *, until: Until = "report", progress: bool = True) -> int:
    """Studies, runs, report; returns the exit status.

    Raises UsageError, before any work, where a side's options or the folder do not do, and where no trial of a side
    ended well.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; name a folder with --out")
    need_optuna()
    how = [f"progress={str(progress).lower()}"]
    ledger = open_ledger(protocol, out)
    for task, side in _pairs(protocol, baselines=True):  # refused before anything is made
        composed(protocol.final(task, side, (), protocol.runs.seeds[0]))
    studies: list[Studied] = []
    for task, side in _pairs(protocol):
        print(f"\n{side.name} on {task.name}: {protocol.tuning.trials} trials")
        study = by_protocol(protocol, task, side, [f"runs={out / 'trials'}", *how])
        if study.stopped:
            return _stopped()
        studies.append(_studied(study, task, side))
        ledger = ledger.with_studies(studies)
    if until == "tuning":
        return 0
    chosen: Chosen = {(study.data, study.side): study.chosen for study in studies}
    made, plan = _runs(protocol, chosen, out / "runs", how)
    ledger = ledger.with_runs(made)
    outcomes = _make(plan, progress)
    if protocol.runs.sizes and not _ended(outcomes):
        smaller, small_plan = _sizes(protocol, chosen, out / "sizes", how)
        ledger = ledger.with_runs([*made, *smaller])
        outcomes += _make(small_plan, progress)
    if _ended(outcomes):
        return _stopped()
    if until == "report":
        from lab.report import make_report

        print(f"report: {make_report(out / 'runs', out)}")
    return 0 if all(outcome.status == "ok" for outcome in outcomes) else 1


def _pairs(protocol: Protocol, *, baselines: bool = False) -> list[tuple[Task, Side]]:
    """Every task with each side that takes part in it, and with its baselines if asked for."""
    return [
        (task, side)
        for task in protocol.data
        for side in (*protocol.sides_on(task), *(protocol.baselines_on(task) if baselines else ()))
    ]


def _studied(study: Study, task: Task, side: Side) -> Studied:
    best = study.best
    if best is None:
        raise UsageError(
            f"no trial of {side.name} on {task.name} ended well, so there is no best one; see {study.plan.runs_folder}"
        )
    trials = tuple(run.run_id for run in study.plan.runs)
    return Studied(task.name, side.name, trials, best.run_id, best.overrides)


def _runs(protocol: Protocol, chosen: Chosen, folder: Path, how: list[str]) -> tuple[list[Made], Plan]:
    """Every side on every data set with every seed: a seed is complete before the next one begins."""
    places = [
        (task, side, seed, None)
        for number, seed in enumerate(protocol.runs.seeds)
        for task in protocol.data
        for side in (*protocol.sides_on(task), *protocol.baselines_by(task, number))
    ]
    return _planned(protocol, chosen, places, folder, how)


def _sizes(protocol: Protocol, chosen: Chosen, folder: Path, how: list[str]) -> tuple[list[Made], Plan]:
    """Every side on fewer training rows, with the setting that was chosen on as many as its trials had."""
    places = [
        (task, side, seed, rows)
        for seed in protocol.runs.seeds[: protocol.runs.size_seeds]
        for rows in protocol.runs.sizes
        for task, side in _pairs(protocol)
    ]
    return _planned(protocol, chosen, places, folder, how)


def _planned(
    protocol: Protocol, chosen: Chosen, places: Sequence[tuple[Task, Side, int, int | None]], folder: Path,
    how: list[str],
) -> tuple[list[Made], Plan]:  # fmt: skip
    jobs = []
    for task, side, seed, rows in places:
        options = protocol.final(task, side, chosen.get((task.name, side.like or side.name), ()), seed, rows)
        config = composed([*options, f"runs={folder}", f"name={protocol.name}", *how])
        jobs.append((config, options))
    plan = make_plan(protocol.name, str(folder), jobs)
    plan.write()
    made = [
        Made(run.run_id, task.name, side.name, seed, rows)
        for run, (task, side, seed, rows) in zip(plan.runs, places, strict=True)
    ]
    return made, plan


def _make(plan: Plan, progress: bool) -> list[Outcome]:
    return make_runs(plan, range(len(plan.runs)), Screen(progress=progress), since=time.time())


def _ended(outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.status == "stopped" for outcome in outcomes)


def _stopped() -> int:
    print("stopped before its end; the same command goes on where it stopped")
    return Busy.exit_code
