"""Steps side by side: each subject in a process of its own, one turn after the other, again and again.

Times are per step, batches included. Turns of all subjects alternate, so that what slows the machine for a while slows
all of them; the order moves on by one each round. Processes are started anew `repeats` times, since where a process's
memory lies can shift all of its times. A ratio is that of neighbouring turns.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from lab import __version__
from lab.bench.side import Side
from lab.bench.spread import Spread, paired
from lab.bench.work import Entry, Task, Work, subjects

OURS = "lab"
USUAL = ("torch", "torch-plain")  # how most users of PyTorch would write it
_SETTLE = 0.25  # seconds between turns: idle threads of the side before stop spinning


@dataclass(frozen=True)
class Plan:
    """How often what is measured."""

    steps: int = 20
    warm_up: int = 3
    rounds: int = 5
    repeats: int = 3
    only: tuple[str, ...] = ()
    memory: bool = True


def compare(works: Sequence[Work], plan: Plan, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All works one after the other; returns what speed.json holds."""
    return measured("speed", [(work, subjects(work, plan.only)) for work in works], plan, tell)


def measured(
    kind: str, asked: Sequence[tuple[Task, Sequence[Entry]]], plan: Plan, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Each work by its entries, one work after the other; returns what a JSON file of `kind` holds."""
    started = datetime.now(UTC)
    load = _load()
    cases = [_case(work, entries, plan, tell) for work, entries in asked]
    told = [s["facts"] for case in cases for s in case["subjects"]]
    machine: dict[str, Any] = next((facts["environment"] for facts in told if "environment" in facts), {})
    versions: dict[str, str] = {"lab": __version__}
    for facts in told:
        versions |= facts.get("versions", {})
    return {
        "schema": 1,
        "kind": kind,
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine, "load_average": load} if machine else {},
        "versions": versions,
        "plan": {"steps": plan.steps, "warm_up": plan.warm_up, "rounds": plan.rounds, "repeats": plan.repeats},
        "cases": cases,
    }


def _case(work: Task, entries: Sequence[Entry], plan: Plan, tell: Callable[[str], None]) -> dict[str, Any]:
    turns: dict[str, list[list[float]]] = {entry.name: [] for entry in entries}
    facts: dict[str, dict[str, Any]] = {entry.name: {} for entry in entries}
    failures: dict[str, str] = {}
    for repeat in range(plan.repeats):
        with ExitStack() as stack:
            sides = {e.name: stack.enter_context(Side(e, work)) for e in entries if e.name not in failures}
            for name, side in sides.items():  # what is compiled is compiled now, and all processes are up
                tell(f"{work.family}  {work.label}  repeat {repeat + 1}/{plan.repeats}: starting {name}")
                side.turn(1, plan.warm_up)
            for turn in range(plan.rounds):
                tell(f"{work.family}  {work.label}  repeat {repeat + 1}/{plan.repeats}  round {turn + 1}/{plan.rounds}")
                for entry in _moved(entries, turn):
                    time.sleep(_SETTLE)
                    side_or_none = sides.get(entry.name)
                    turns[entry.name].append(side_or_none.turn(plan.steps, plan.warm_up) if side_or_none else [])
            for name, side in sides.items():
                told = side.facts(memory=plan.memory and repeat == 0)
                facts[name] = told | {k: v for k, v in facts[name].items() if k == "memory"}
                if side.failure:
                    failures[name] = side.failure
                    tell(f"{work.family}  {work.label}  {name}: {side.failure}")
    return _summed_up(work, entries, turns, facts, failures)


def _moved(entries: Sequence[Entry], by: int) -> list[Entry]:
    by %= max(1, len(entries))
    return [*entries[by:], *entries[:by]]


def _summed_up(
    work: Task,
    entries: Sequence[Entry],
    turns: dict[str, list[list[float]]],
    facts: dict[str, dict[str, Any]],
    failures: dict[str, str],
) -> dict[str, Any]:
    """A case as JSON: times as measured, and what follows from them."""
    steps = {name: [seconds for turn in found for seconds in turn] for name, found in turns.items()}
    spreads = {name: Spread.of(found) for name, found in steps.items() if found and name not in failures}
    flops = facts.get(OURS, {}).get("cost", {}).get("flops_per_step")
    rates = {e.name: facts[e.name]["flops"] / spreads[e.name].median for e in entries if e.floor and e.name in spreads}
    floor = flops / max(rates.values()) if rates and flops else None
    found = []
    for entry in entries:
        spread, training = spreads.get(entry.name), entry.name in spreads and not entry.floor
        ratio = paired(turns[entry.name], turns[OURS]) if training and OURS in spreads and entry.name != OURS else None
        found.append({
            "name": entry.name,
            "label": entry.label,
            "floor": entry.floor,
            "status": "ok" if spread else "failed",
            "reason": failures.get(entry.name),
            "step_seconds": spread.as_dict() if spread else None,
            "ratio": ratio.as_dict() if ratio else None,
            "share_of_floor": floor / spread.median if floor and spread else None,
            "samples_per_second": work.batch_size / spread.median if training and spread else None,
            "turns": [[round(seconds, 7) for seconds in turn] for turn in turns[entry.name]],
            "facts": facts[entry.name],
        })  # fmt: skip
    rivals = [e.name for e in entries if e.name in spreads and not e.floor and e.name != OURS]
    return {
        "work": work.as_dict(),
        "label": work.label,
        "flops_per_step": flops,
        "gemm_flops_per_second": rates,
        "floor_seconds": floor,
        "best_rival": min(rivals, key=lambda name: spreads[name].median, default=None),
        "subjects": found,
    }


def _load() -> float | None:
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None
