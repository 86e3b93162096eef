"""`lab tune`: look for good options with Optuna. Trials are ordinary runs, and the study is rebuilt from their records.

So nothing is kept beside runs and a plan: stopped or killed, the same command goes on with what is there, and `lab
report` shows a search as any sweep. What is judged are the validation rows; the test rows are not opened, unless
test=opened is asked for.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from lab.config import RunConfig
from lab.errors import UsageError, extra
from lab.protocol import Protocol, Range, Side, Task, parse_range, read_protocol
from lab.record.generations import merit
from lab.record.record import RunRecord
from lab.record.store import Store
from lab.sweep.compose import composed
from lab.sweep.launch import launch, name_run
from lab.sweep.plan import Plan, Planned, make_plan, read_plan
from lab.sweep.screen import Screen, score
from lab.sweep.summary import sum_up

Sampler = Literal["random", "tpe"]


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit status: 0 where every run of the search is ok, else 1."""
    parser = argparse.ArgumentParser(prog="lab tune", description="Looks for good options, by the validation rows.")
    parser.add_argument("options", nargs="*", help="KEY=VALUE and GROUP=NAME, as for a run")
    parser.add_argument(
        "--search", nargs="+", metavar="KEY=RANGE",
        help="what to vary: optimizer.learning_rate=1e-4..1e-1:log, model.width=64..512, trainer.batch_size=50,100",
    )  # fmt: skip
    parser.add_argument("--trials", type=int, default=20, help="runs to make in all (20)")
    parser.add_argument("--sampler", choices=["tpe", "random"], default="tpe", help="how settings are drawn (tpe)")
    parser.add_argument("--protocol", help="one study of a comparison: a name in conf/protocol, or a .yaml file")
    parser.add_argument("--side", help="which side of the protocol")
    parser.add_argument("--data", help="on which of its data sets")
    chosen = parser.parse_intermixed_args(argv)  # options may stand behind --trials 30 too
    if chosen.protocol is not None:
        study = _by_protocol(chosen)
    elif chosen.search is None:
        raise UsageError("lab tune needs --search KEY=RANGE, or --protocol with --side and --data")
    elif chosen.trials < 1:
        raise UsageError(f"--trials {chosen.trials} makes no run; give 1 or more")
    else:
        space = [parse_range(text) for text in chosen.search]
        study = search(["test=closed", *chosen.options], space, chosen.trials, sampler=chosen.sampler)
    status = sum_up(study.plan, study.stopped)
    if (best := study.best) is not None:
        print(f"best by the validation rows ({study.figure}): {' '.join(best.overrides)}  ({best.run_id})")
        table = Path(os.path.relpath(study.plan.runs_folder.absolute().parent)) / "tuning.csv"
        print(f"what was tried, as a table for reports: lab trials {study.plan.folder} --out {table}")
    return status


def _by_protocol(chosen: argparse.Namespace) -> Study:
    from lab.app import config_folder

    if chosen.search is not None:
        raise UsageError("a protocol says what is searched; leave out --search, or --protocol")
    protocol = read_protocol(chosen.protocol, config_folder())
    tasks = {task.name: task for task in protocol.data}
    if chosen.data not in tasks or chosen.side is None:
        sides = ", ".join(side.name for side in protocol.sides)
        raise UsageError(f"name one study of {protocol.name}: --side {sides} --data {', '.join(tasks)}")
    task, side = tasks[chosen.data], protocol.side(chosen.side)
    if side not in protocol.sides_on(task):
        there = ", ".join(each.name for each in protocol.sides_on(task))
        raise UsageError(f"{side.name} takes no part in {task.name}; --side is one of {there}")
    return by_protocol(protocol, task, side, chosen.options)


def by_protocol(protocol: Protocol, task: Task, side: Side, more: Sequence[str] = ()) -> Study:
    """The study of one side on one data set; `more` says where and how (runs=..., progress=...)."""
    options = [*protocol.trial(task, side), f"name={task.name}-{side.name}", *more]
    return search(options, protocol.space(side), protocol.tuning.trials, sampler=protocol.tuning.sampler)


@dataclass(frozen=True)
class Study:
    """A search as far as it has come."""

    plan: Plan
    stopped: bool = False

    @property
    def figure(self) -> str:
        """What the best trial's validation rows gave, in words."""
        best = self.best
        record = Store(self.plan.runs_folder).run(best.run_id).record() if best is not None else None
        return score(record.final.get("valid"), "valid") if record is not None else ""

    @property
    def best(self) -> Planned | None:
        """The trial with the best validation figure, the first of equals; None where no trial ended ok."""
        found = [(value, run) for run in self.plan.runs if (value := _value(self.plan, run)) is not None]
        return max(found, key=lambda pair: pair[0])[1] if found else None


def search(options: Sequence[str], space: Sequence[Range], trials: int, *, sampler: Sampler = "tpe") -> Study:
    """Make trials until there are so many with a record, or until it is stopped."""
    known = {each.key: _distribution(each) for each in space}
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first = composed(options)
    screen, since = Screen(progress=first.progress), time.time()
    plan = _plan(first, known, sampler)
    study = optuna.create_study(direction="maximize")
    for run in plan.runs:
        study.add_trial(_trial(run, plan, known))
    number, stopped = 0, False
    while number < trials and not stopped:
        if number >= len(plan.runs):
            # A sampler of its own for each trial: what is asked depends on the results so far, and not on when or
            # how often the search was stopped.
            kind = optuna.samplers.RandomSampler if sampler == "random" else optuna.samplers.TPESampler
            study.sampler = kind(seed=first.seed + number)
            plan = _with(plan, options, study.ask(known).params)
        config = _config(options, dict(pair.split("=", 1) for pair in plan.runs[number].overrides))
        place, more = f"trial {number + 1}/{trials}", " ".join(plan.runs[number].overrides)
        stopped = launch(config, screen, place=place, more=more, keep=True, since=since).status == "stopped"
        if number == len(study.trials) - 1 and study.trials[number].state == optuna.trial.TrialState.RUNNING:
            value = _value(plan, plan.runs[number])
            state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.FAIL
            study.tell(number, value, state=state)
        number += 1
    return Study(plan, stopped)


def _config(options: Sequence[str], chosen: dict[str, Any]) -> RunConfig:
    return composed([*options, *(f"{key}={value}" for key, value in chosen.items())])


def need_optuna() -> None:
    """UsageError where Optuna is not installed, before any work."""
    try:
        import optuna  # noqa: F401
    except ImportError as error:
        raise UsageError(f"Optuna, which draws settings, is not installed; {extra('sweep')}") from error


def _distribution(given: Range) -> Any:
    """A range as Optuna's distribution: whole numbers, numbers, or a choice. Raises UsageError."""
    need_optuna()
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if given.choices:
        return CategoricalDistribution(given.choices)
    if given.whole:
        return IntDistribution(int(given.low), int(given.high), given.log)
    return FloatDistribution(given.low, given.high, given.log)


def _plan(first: RunConfig, space: dict[str, Any], sampler: Sampler) -> Plan:
    """The plan of this search so far; its folder is named by what is searched, not by the runs that it grows by."""
    made = make_plan(first.name, first.runs, [])
    words = json.dumps([name_run(first), sorted((key, repr(kind)) for key, kind in space.items())])
    words += "" if sampler == "tpe" else sampler
    folder = Path(first.runs, "sweeps", f"{first.name}-{hashlib.sha256(words.encode()).hexdigest()[:8]}")
    if not (folder / "sweep.json").exists():
        return replace(made, place=folder)
    return replace(read_plan(folder), runs_folder=made.runs_folder, place=folder)


def _with(plan: Plan, options: Sequence[str], chosen: dict[str, Any]) -> Plan:
    """The plan with one run more, written down before that run starts."""
    config = _config(options, chosen)
    run = Planned(
        name_run(config), config.resolved(), config.how(), tuple(f"{key}={value}" for key, value in chosen.items())
    )
    longer = replace(plan, runs=(*plan.runs, run))
    longer.write()
    return longer


def _value(plan: Plan, run: Planned) -> float | None:
    record: RunRecord | None = Store(plan.runs_folder).run(run.run_id).record()
    return merit(record.final.get("valid", {})) if record is not None and record.status == "ok" else None


def _trial(run: Planned, plan: Plan, space: dict[str, Any]) -> Any:
    """A trial of an earlier time as Optuna knows it."""
    import optuna

    value, params = _value(plan, run), {}
    for pair in run.overrides:
        key, _, text = pair.partition("=")
        read = {"IntDistribution": int, "FloatDistribution": float}.get(type(space[key]).__name__, str)
        params[key] = read(text)
    state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.FAIL
    return optuna.trial.create_trial(params=params, distributions=space, value=value, state=state)
