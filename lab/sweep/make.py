"""Makes the runs of a plan one after another; those that another process makes meanwhile come last."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lab.errors import LabError
from lab.record.store import Store
from lab.sweep.launch import Outcome, launch, refused
from lab.sweep.plan import Plan
from lab.sweep.screen import Screen


def make_runs(
    plan: Plan,
    numbers: Iterable[int],
    screen: Screen,
    *,
    imports: Sequence[str] = (),
    since: float | None = None,
    **changes: Any,
) -> list[Outcome]:
    """Make the runs of these numbers, counted from 0; ends early where this process is asked to stop.

    imports, changes: see `Plan.config`. since: when this sweep began; see `launch`.
    """
    outcomes: list[Outcome] = []
    later: list[int] = []
    for wait, turn in ((False, list(numbers)), (True, later)):
        for number in turn:
            outcome = _make(plan, number, screen, wait, since, imports, changes)
            if outcome.status == "busy":
                later.append(number)
                continue
            outcomes.append(outcome)
            if outcome.status == "stopped":
                return outcomes
    return outcomes


def without_record(plan: Plan) -> list[int]:
    """The numbers of the runs that have no record, each run once."""
    store, numbers = Store(plan.runs_folder), {run.run_id: i for i, run in reversed(list(enumerate(plan.runs)))}
    return sorted(i for name, i in numbers.items() if not store.run(name).record_path.exists())


def _make(
    plan: Plan,
    number: int,
    screen: Screen,
    wait: bool,
    since: float | None,
    imports: Sequence[str],
    changes: dict[str, Any],
) -> Outcome:
    place = f"run {number + 1}/{len(plan.runs)}"
    try:
        config = plan.config(number, imports, **changes)
        more = plan.differences(number)
        return launch(config, screen, place=place, more=more, keep=True, wait=wait, since=since)
    except LabError as error:
        screen.line(f"{place}  refused  {error}")
        return refused(error, plan.runs[number].run_id)
