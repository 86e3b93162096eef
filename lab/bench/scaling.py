"""How the time of a step grows: with samples, with depth, with parameters; each measured point in a process of its own.

Points are visited in turn, `repeats` times over, so that what slows the machine for a while touches all of them. A
line is fitted by least squares to the medians.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from statistics import median
from typing import Any

from lab import __version__
from lab.bench.alone import Alone
from lab.bench.side import Side
from lab.bench.spread import Spread, exponent, line
from lab.bench.work import FAMILIES, SUBJECTS, Work

_SETTLE = 0.25  # seconds between processes


@dataclass(frozen=True)
class Plan:
    """The values of each axis, around a base of `depth` x `width`, and how often each point is measured."""

    depth: int = 4
    width: int = 1000
    depths: Sequence[int] = (2, 4, 6, 8, 12)
    widths: Sequence[int] = (500, 1000, 1500, 2000, 3000)
    samples: Sequence[int] = (2000, 4000, 8000, 16000)
    batch: int = 100
    threads: int = 2
    steps: int = 20
    warm_up: int = 3
    repeats: int = 3
    attempts: int = 6
    data: str = "mnist"


@dataclass(frozen=True)
class Point:
    """One value on an axis: the work that is timed, and for how many steps."""

    axis: str
    value: int
    work: Work
    steps: int


def points(plan: Plan) -> list[Point]:
    """Every point of every axis, for both families."""
    found = []
    for family in FAMILIES:
        network = {"name": "mlp", "depth": plan.depth, "width": plan.width}
        base = Work(family, network, plan.batch, plan.threads, data=plan.data)
        for count in plan.samples:
            found.append(Point("samples", count, replace(base, rows=count), max(1, count // plan.batch)))
        for depth in plan.depths:
            work = replace(base, network={**base.network, "depth": depth})
            found.append(Point("depth", depth, work, plan.steps))
        for width in plan.widths:
            work = replace(base, network={**base.network, "width": width})
            found.append(Point("parameters", width, work, plan.steps))
    return found


def grow(plan: Plan, tell: Callable[[str], None] = lambda text: None) -> dict[str, Any]:
    """All points; returns what scaling.json holds: seconds of an epoch for samples, of a step for the other axes."""
    started, alone = datetime.now(UTC), Alone(plan.attempts)
    wanted = points(plan)
    seconds: list[list[float]] = [[] for _ in wanted]
    facts: list[dict[str, Any]] = [{} for _ in wanted]
    failures: dict[int, str] = {}
    for repeat in range(plan.repeats):
        for i, point in enumerate(wanted):
            if i in failures:
                continue
            tell(f"repeat {repeat + 1}/{plan.repeats}  {point.work.family}  {point.axis} {point.value}")
            time.sleep(_SETTLE)
            entry = next(e for e in SUBJECTS if e.family == point.work.family and e.name == "lab")
            with Side(entry, point.work) as side:
                steps = alone.turn(partial(side.turn, point.steps, plan.warm_up))
                facts[i] = side.facts(memory=False)
                if side.failure:
                    failures[i] = side.failure
                    tell(f"{point.work.family}  {point.axis} {point.value}: {side.failure}")
                else:
                    seconds[i].append(sum(steps) if point.axis == "samples" else median(steps))
    measured = [
        {
            "family": point.work.family,
            "axis": point.axis,
            "x": facts[i]["network"]["parameters"] if point.axis == "parameters" and facts[i] else point.value,
            "label": point.work.label,
            "status": "failed" if i in failures else "ok",
            "reason": failures.get(i),
            "seconds": Spread.of(seconds[i]).as_dict() if seconds[i] and i not in failures else None,
            "flops_per_step": facts[i]["cost"]["flops_per_step"] if facts[i] else None,
        }
        for i, point in enumerate(wanted)
    ]
    machine: dict[str, Any] = next((told["environment"] for told in facts if told), {})
    return {
        "schema": 1,
        "kind": "scaling",
        "started": started.isoformat(timespec="seconds"),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {**machine, "others": alone.most, "anew": alone.anew} if machine else {},
        "versions": {"lab": __version__},
        "plan": {"base": f"mlp {plan.depth}x{plan.width}", "batch": plan.batch, "steps": plan.steps,
                 "warm_up": plan.warm_up, "repeats": plan.repeats},
        "points": measured,
        "fits": fits(measured),
    }  # fmt: skip


def fits(measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """A straight line and an exponent for each family and axis with at least two values."""
    found = []
    for family in FAMILIES:
        for axis in ("samples", "depth", "parameters"):
            here = [p for p in measured if (p["family"], p["axis"], p["status"]) == (family, axis, "ok")]
            x, y = [float(p["x"]) for p in here], [float(p["seconds"]["median"]) for p in here]
            if len(set(x)) > 1:
                found.append({"family": family, "axis": axis, **line(x, y).as_dict(), "exponent": exponent(x, y)})
    return found
