"""`lab tune`: look for good options with Optuna. Trials are ordinary runs, and the study is rebuilt from their records.

So nothing is kept beside runs and a plan: stopped or killed, the same command goes on with what is there, and `lab
report` shows a search as any sweep. What is judged are the validation rows; the test rows decide nothing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from lab.config import RunConfig, parse
from lab.errors import UsageError
from lab.record.generations import merit
from lab.record.record import RunRecord
from lab.record.store import Store
from lab.sweep.launch import launch, name_run
from lab.sweep.plan import Plan, Planned, make_plan, read_plan
from lab.sweep.screen import Screen
from lab.sweep.summary import sum_up

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(:log)?")


def main(argv: list[str]) -> int:
    """Do what the arguments ask. Returns the exit status: 0 where every run of the search is ok, else 1."""
    parser = argparse.ArgumentParser(prog="lab tune", description="Looks for good options, by the validation rows.")
    parser.add_argument("options", nargs="*", help="KEY=VALUE and GROUP=NAME, as for a run")
    parser.add_argument(
        "--search", nargs="+", required=True, metavar="KEY=RANGE",
        help="what to vary: optimizer.learning_rate=1e-4..1e-1:log, model.width=64..512, trainer.batch_size=50,100",
    )  # fmt: skip
    parser.add_argument("--trials", type=int, default=20, help="runs to make in all (20)")
    chosen = parser.parse_args(argv)
    if chosen.trials < 1:
        raise UsageError(f"--trials {chosen.trials} makes no run; give 1 or more")
    space = dict(_distribution(text) for text in chosen.search)
    return search(chosen.options, space, chosen.trials)


def search(options: list[str], space: dict[str, Any], trials: int) -> int:
    """Make trials until there are so many with a record; returns the exit status."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    first = _config(options, {})
    screen, since = Screen(progress=first.progress), time.time()
    plan = _plan(options, first, space)
    study = optuna.create_study(direction="maximize")
    for run in plan.runs:
        study.add_trial(_trial(run, plan, space))
    number, stopped = 0, False
    while number < trials and not stopped:
        if number >= len(plan.runs):
            # A sampler of its own for each trial: what is asked depends on the results so far, and not on when or
            # how often the search was stopped.
            study.sampler = optuna.samplers.TPESampler(seed=first.seed + number)
            plan = _with(plan, options, study.ask(space).params)
        config = _config(options, dict(pair.split("=", 1) for pair in plan.runs[number].overrides))
        place, more = f"trial {number + 1}/{trials}", " ".join(plan.runs[number].overrides)
        stopped = launch(config, screen, place=place, more=more, keep=True, since=since).status == "stopped"
        if number == len(study.trials) - 1 and study.trials[number].state == optuna.trial.TrialState.RUNNING:
            value = _value(plan, plan.runs[number])
            state = optuna.trial.TrialState.COMPLETE if value is not None else optuna.trial.TrialState.FAIL
            study.tell(number, value, state=state)
        number += 1
    status = sum_up(plan, stopped)
    found = [(value, run) for run in plan.runs if (value := _value(plan, run)) is not None]
    if found:
        _, best = max(found, key=lambda pair: pair[0])
        print(f"best by the validation rows: {' '.join(best.overrides)}  ({best.run_id})")
    return status


def _config(options: list[str], chosen: dict[str, Any]) -> RunConfig:
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra

    from lab.app import config_folder
    from lab.guard import guarded
    from lab.overrides import explained
    from lab.sweep.hooks import plain

    overrides = [*options, *(f"{key}={value}" for key, value in chosen.items())]
    GlobalHydra.instance().clear()
    folder = config_folder()
    with (
        explained(overrides, folder),
        guarded(overrides),
        initialize_config_dir(str(folder), version_base="1.3"),
    ):
        return parse(plain(compose("config", overrides=overrides)))


def _distribution(text: str) -> tuple[str, Any]:
    """A KEY=RANGE as Optuna's distribution: whole numbers, numbers, or a choice. Raises UsageError."""
    try:
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    except ImportError as error:
        raise UsageError("lab tune needs Optuna; install it with: pip install 'ff-lab[sweep]'") from error
    key, _, values = text.partition("=")
    if found := _RANGE.fullmatch(values):
        low, high, log = found[1], found[2], found[3] is not None
        whole = re.fullmatch(r"[-+]?\d+", low) and re.fullmatch(r"[-+]?\d+", high)
        try:
            return key, IntDistribution(int(low), int(high), log) if whole else FloatDistribution(
                float(low), float(high), log
            )
        except ValueError as error:
            raise UsageError(f"--search {text}: {error}") from None
    choices = [value for value in values.split(",") if value]
    if not key or len(choices) < 2:
        raise UsageError(f"--search {text!r} is no range; write KEY=LOW..HIGH, KEY=LOW..HIGH:log or KEY=A,B,C")
    return key, CategoricalDistribution(choices)


def _plan(options: list[str], first: RunConfig, space: dict[str, Any]) -> Plan:
    """The plan of this search so far; its folder is named by what is searched, not by the runs that it grows by."""
    made = make_plan(first.name, first.runs, [])
    words = json.dumps([name_run(first), sorted((key, repr(kind)) for key, kind in space.items())])
    folder = Path(first.runs, "sweeps", f"{first.name}-{hashlib.sha256(words.encode()).hexdigest()[:8]}")
    if not (folder / "sweep.json").exists():
        return replace(made, place=folder)
    return replace(read_plan(folder), runs_folder=made.runs_folder, place=folder)


def _with(plan: Plan, options: list[str], chosen: dict[str, Any]) -> Plan:
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
