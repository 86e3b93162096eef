"""What is paid for accuracy: Pareto fronts, and profiles of what it takes to come to a target.

A series is on the front of its data set and network if no other is as good in all of error, memory and operations and
better in one. A performance profile (Dolan and More 2002) is the share of tasks on which a side comes to the target
for at most tau times what the best side paid there; a miss costs infinitely much, as in the scores of Dahl et al. 2023,
"Benchmarking neural network training algorithms". A task is a data set and a seed.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import pandas as pd

from lab.report.load import Records
from lab.report.metrics import METRICS
from lab.report.numbers import fixed, significant
from lab.report.table import DASH, Cell, Column, Table

COSTS = ("test_error", "memory_activations", "train_flops", "train_seconds", "energy_joules")
FACTORS = (1.0, 1.5, 2.0, 4.0, 8.0)
Name = TypeVar("Name", bound=Hashable)


def on_front(points: Mapping[Name, Sequence[float]]) -> set[Name]:
    """The names of the points that no other dominates. Less is better; a coordinate unknown to any counts for none."""
    size = len(next(iter(points.values()), ()))
    known = [i for i in range(size) if not any(math.isnan(p[i]) for p in points.values())]
    kept = {name: [p[i] for i in known] for name, p in points.items()}
    return {
        name
        for name, own in kept.items()
        if not any(
            other != name and all(a <= b for a, b in zip(p, own, strict=True)) and p != own for other, p in kept.items()
        )
    }


def profile(costs: Mapping[str, Mapping[str, float]], factors: Sequence[float] = FACTORS) -> dict[str, list[float]]:
    """By side, the share of tasks that it solves within each factor of the best; `costs` are side -> task -> cost.

    Only tasks that every side was given count; one that nobody solved is solved by none.
    """
    shared = set.intersection(*(set(own) for own in costs.values())) if costs else set()
    best = {task: min(own[task] for own in costs.values()) for task in shared}

    def share(own: Mapping[str, float], factor: float) -> float:
        return float(np.mean([math.isfinite(own[t]) and own[t] <= factor * best[t] for t in shared]))

    return {side: [share(own, factor) for factor in factors] for side, own in costs.items() if shared}


def fronts(records: Records) -> Table:
    """One row a series: mean error and what it cost, and whether another one has it for less."""
    runs, rows = records.counted[records.counted["task"] == "classification"], []
    for (data, network), here in runs.groupby(["data", "network"], sort=False):
        points = {
            str(series): [float(group[c].mean()) if group[c].notna().all() else math.nan for c in COSTS]
            for series, group in here.groupby("series", sort=False)
        }
        front = on_front(points)
        for series, point in points.items():
            if len(points) > 1:
                rows.append((
                    Cell(series), Cell(str(network)), Cell(str(data)), *map(_cost, COSTS, point),
                    Cell("yes" if series in front else "no"),
                ))  # fmt: skip
    keep = [i for i in range(len(COSTS)) if any(row[3 + i].text != DASH for row in rows)]
    heads = ["test error", "activations", "operations of training", "training time", "energy"]
    units = ["%", "MiB", "Tflop", "s", "J"]
    columns = (Column("trainer"), Column("network"), Column("data"),
               *(Column(heads[i], True, units[i]) for i in keep), Column("on the front"))  # fmt: skip
    caption = (
        "Means over seeds. On the Pareto front is a trainer that no other one of the same network and data set matches "
        "in every column while it is better in one. Operations are those of matrix products, which no machine changes."
    )
    return Table("pareto", "What is paid for accuracy", caption, columns,
                 tuple((*row[:3], *(row[3 + i] for i in keep), row[-1]) for row in rows))  # fmt: skip


def targets(records: Records) -> Table:
    """One row for each series that was given a target: how often it came there, at what cost, and its profile."""
    runs = records.counted[records.counted["target"].notna()]
    shares: dict[tuple[str, str], list[float]] = {}
    for network in dict.fromkeys(runs["network"]):
        here = runs[runs["network"] == network]
        costs = {
            str(series): {f"{r['data']} {r['seed']}": r["target_flops"] for r in group.to_dict("records")}
            for series, group in here.groupby("series", sort=False)
        }
        if len(costs) > 1:  # one alone is always the best
            shares |= {(str(network), side): found for side, found in profile(costs).items()}
    rows = []
    for (data, network, series), group in runs.groupby(["data", "network", "series"], sort=False):
        reached = group["target_epochs"].notna()
        memory = group.loc[reached, "memory_activations"].mean() if reached.any() else math.nan
        rows.append((
            Cell(str(series)), Cell(str(network)), Cell(str(data)),
            Cell(fixed(100 * group["target"].iloc[0], 1)),
            Cell(f"{int(reached.sum())} of {len(group)}", float(reached.mean())),
            _median(group["target_epochs"].fillna(math.inf), "target_epochs"),
            _median(group["target_flops"] / 1e12, ""),
            _median(group["target_seconds"].where(reached, math.inf), "target_seconds", group["train_seconds"]),
            _median(group["target_joules"], "target_joules"),
            Cell(METRICS["memory_activations"].show(memory), memory),
            *(Cell(DASH if math.isnan(share) else fixed(100 * share, 0), share)
              for share in shares.get((str(network), str(series)), [math.nan] * len(FACTORS))),
        ))  # fmt: skip
    columns = (Column("trainer"), Column("network"), Column("data"), Column("target", True, "%"),
               Column("reached", True), Column("epochs to target", True), Column("operations to target", True, "Tflop"),
               Column("time to target", True, "s"), Column("energy to target", True, "J"),
               Column("activations of those that reached it", True, "MiB"),
               *(Column(f"within {factor:g} times the best", True, "%") for factor in FACTORS))  # fmt: skip
    empty = [i for i, c in enumerate(columns) if c.numeric and all(row[i].text == DASH for row in rows)]
    rows = [tuple(cell for i, cell in enumerate(row) if i not in empty) for row in rows]
    caption = (
        "Targets are validation accuracies set before training; medians over seeds, a miss being infinite. Then "
        "the share of tasks (data set and seed) on which the trainer comes to the target for at most so many times the "
        "operations of the best trainer of that network: a performance profile."
    )
    kept = tuple(column for i, column in enumerate(columns) if i not in empty)
    return Table("targets", "To the target", caption, kept, tuple(rows))


def _cost(name: str, value: float) -> Cell:
    if not math.isfinite(value):
        return Cell(DASH)
    if name == "train_flops":
        return Cell(significant(value / 1e12), value)
    return Cell(METRICS[name].show(value), value)


def _median(values: pd.Series, key: str, measured: pd.Series | None = None) -> Cell:
    """The median with misses as infinite; nothing where it was not measured."""
    if values.isna().all() or (measured is not None and measured.isna().all()):
        return Cell(DASH)
    middle = float(values.median())
    if math.isinf(middle):
        return Cell("never", middle)
    return Cell(METRICS[key].show(middle) if key else significant(middle), middle)
