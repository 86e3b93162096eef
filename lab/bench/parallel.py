"""One piece of work in one process and in several: layer-parallel forward-forward beside parallel backpropagation.

Turns of all ways alternate, as in `lab.bench.speed`; a speed-up is the time of one process with one thread over that of
the other way, turn by turn. `lab.bench.parallel_model` says from the blocks' own times what more workers would give.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from lab import __version__
from lab.bench.alone import Alone
from lab.bench.parallel_model import predictions
from lab.bench.side import Side
from lab.bench.spread import Spread, paired
from lab.bench.work import FAMILIES, PARALLEL, Entry, Work
from lab.parallel import shared_array

_SETTLE = 0.25  # seconds between turns
_BASE = "serial-1"
_COPIED = 32 * 2**20  # bytes of the copy that is timed: more than caches hold


@dataclass(frozen=True)
class Plan:
    """How often what is measured, and what the model predicts for.

    warm_up  steps before those that count: more than a pipeline has under way, which go fast after a pause
    attempts  at a turn that is disturbed
    depths   of networks as wide as those measured, for the model alone
    """

    steps: int = 8
    warm_up: int = 8
    rounds: int = 3
    attempts: int = 6
    devices: Sequence[int] = (2, 4, 8)
    depths: Sequence[int] = (4, 8, 16)


@dataclass(frozen=True)
class Way:
    """A subject, by the name it has here: serial work is measured with one thread and with all."""

    name: str
    label: str
    entry: Entry
    work: Work


def ways(work: Work) -> list[Way]:
    """The ways to do the work; `work.threads` is what each may use in all."""
    found = []
    for entry in PARALLEL:
        if entry.family != work.family or entry.name == "block-times":
            continue
        if entry.name == "serial":
            for threads in sorted({1, work.threads}):
                label = f"one process, {threads} thread{'s' if threads > 1 else ''}"
                found.append(Way(f"serial-{threads}", label, entry, replace(work, threads=threads)))
        else:
            found.append(Way(entry.name, f"{entry.label}, 2 processes", entry, work))
    return found


def race(works: Sequence[Work], plan: Plan, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All works one after the other, then the model; returns what parallel.json holds."""
    started, alone = datetime.now(UTC), Alone(plan.attempts)
    speed = copy_speed()
    cases = [_case(work, plan, alone, tell) for work in works]
    blocks = [_places(work, plan, alone, tell) for work in works if work.family == "forward_forward"]
    machine: dict[str, Any] = next((s["facts"]["environment"] for c in cases for s in c["subjects"] if s["facts"]), {})
    return {
        "schema": 1,
        "kind": "parallel",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine, "others": alone.most, "anew": alone.anew} if machine else {},
        "versions": {"lab": __version__},
        "plan": {"steps": plan.steps, "warm_up": plan.warm_up, "rounds": plan.rounds},
        "copy_bytes_per_second": speed,
        "cases": cases,
        "blocks": blocks,
        "predictions": predictions(cases, blocks, speed, plan.devices, plan.depths),
    }


def _case(work: Work, plan: Plan, alone: Alone, tell: Callable[[str], None]) -> dict[str, Any]:
    entered = ways(work)
    turns: dict[str, list[list[float]]] = {way.name: [] for way in entered}
    facts: dict[str, dict[str, Any]] = {}
    failures: dict[str, str] = {}
    with ExitStack() as stack:
        tell(f"{work.family}  {work.label}: starting {len(entered)} ways")
        sides = {way.name: stack.enter_context(Side(way.entry, way.work)) for way in entered}
        for turn in range(plan.rounds):
            tell(f"{work.family}  {work.label}  round {turn + 1}/{plan.rounds}")
            by = turn % len(entered)
            for way in [*entered[by:], *entered[:by]]:
                time.sleep(_SETTLE)
                side = sides[way.name]
                turns[way.name].append(alone.turn(partial(side.turn, plan.steps, plan.warm_up)))
        for name, side in sides.items():
            facts[name] = side.facts(memory=False)
            if side.failure:
                failures[name] = side.failure
    subjects = []
    for way in entered:
        steps = [seconds for turn in turns[way.name] for seconds in turn]
        ok = bool(steps) and way.name not in failures
        gain = paired(turns[_BASE], turns[way.name]) if ok and way.name != _BASE else None
        subjects.append({
            "name": way.name, "label": way.label, "threads": way.work.threads, "status": "ok" if ok else "failed",
            "reason": failures.get(way.name), "step_seconds": Spread.of(steps).as_dict() if ok else None,
            "speed_up": gain.as_dict() if gain else None,
            "turns": [[round(seconds, 7) for seconds in turn] for turn in turns[way.name]], "facts": facts[way.name],
        })  # fmt: skip
    return {"work": work.as_dict(), "label": work.label, "subjects": subjects}


def _places(work: Work, plan: Plan, alone: Alone, tell: Callable[[str], None]) -> dict[str, Any]:
    """The seconds of each block and of the head, with one thread."""
    tell(f"{work.family}  {work.label}: block by block")
    entry = next(e for e in PARALLEL if e.name == "block-times")
    with Side(entry, replace(work, threads=1)) as side:
        alone.turn(partial(side.turn, plan.steps * plan.rounds, plan.warm_up))
        facts = side.facts(memory=False)
    return {"label": work.label, "reason": side.failure or None, "places": facts.get("places", {}),
            "network": dict(work.network), "batch_size": work.batch_size}  # fmt: skip


def copy_speed() -> float:
    """Bytes a second that one process writes into shared memory: the median of several copies."""
    source, target = np.ones(_COPIED, np.uint8), shared_array((_COPIED,), np.uint8)
    found = []
    for _ in range(8):
        began = time.perf_counter()
        target[...] = source
        found.append(time.perf_counter() - began)
    return _COPIED / median(found[1:])  # the first copy also makes the pages


def usual(sizes: Sequence[tuple[int, int]], batch: int, threads: int, **more: Any) -> list[Work]:
    """The works of networks of these depths and widths, for both families."""
    return [
        Work(family, {"name": "mlp", "depth": depth, "width": width}, batch, threads, **more)
        for family in FAMILIES
        for depth, width in sizes
    ]
