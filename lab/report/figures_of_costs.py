"""The figure of what is paid for accuracy: test error against time (or operations), activation memory and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pandas as pd

from lab.report.anchors import mean_link, run_link
from lab.report.figure import Figure, Look, few, not_drawn
from lab.report.fronts import on_front
from lab.report.metrics import FRACTION, METRICS, PRIMARY, Metric
from lab.report.numbers import significant
from lab.report.panel import Panel
from lab.report.points_panel import Point, points_panel
from lab.report.statistics import mean_interval
from lab.report.text import listed

TIME, MEMORY, ENERGY = "train_seconds", "memory_activations", "energy_joules"
OPERATIONS = "train_flops"


@dataclass(frozen=True)
class Cost:
    """A column of `runs` as an axis: stored numbers times `scale` are in `unit`."""

    key: str
    label: str
    scale: float
    unit: str

    @property
    def heading(self) -> str:
        """Label and unit, as an axis says them."""
        return f"{self.label}, {self.unit} (log scale)"


COSTS = (
    Cost(TIME, "training time", 1.0, "s"),
    Cost(OPERATIONS, "operations of training", 1e-12, "Tflop"),
    Cost(MEMORY, "activation memory", METRICS[MEMORY].unit.scale, METRICS[MEMORY].unit.symbol),
    Cost(ENERGY, "energy of training", 1.0, "J"),
)


def pareto(look: Look) -> list[Figure]:
    """A panel for each data set and cost; none where no data set has two means to weigh against each other."""
    runs = look.runs
    timed = not look.doubt and runs[TIME].notna().any()
    costs = [c for c in COSTS if c.key != (OPERATIONS if timed else TIME) and (timed or c.key != ENERGY)]
    panels: list[Panel] = []
    lacking: set[str] = set()
    drawn: set[str] = set()
    stacks: set[int] = set()
    for data, here in runs.groupby("data", sort=False):
        metric = PRIMARY[here["task"].iloc[0]]
        metric = METRICS["test_error"] if metric.unit is FRACTION else metric
        found = [(cost, _points(look, here, cost, metric)) for cost in costs]
        found = [(cost, points) for cost, points in found if len(points) > 1]
        stacks |= {len(found)} - {0}
        beside = [point for _, points in found for point in points.values()]
        for cost, points in found:
            lacking |= {f"{s}, {n} on {data} ({cost.label})" for n, s in _pairs(here) - set(points)}
            drawn |= {series for _, series in points}
            panels.append(_panel(f"pareto-{len(panels)}", str(data), cost, metric, points, beside))
    if not panels:
        return []
    caption = (
        f"Large marks: {look.mean}{', with 95 % t intervals' if look.spread else ''}. "
        f"{'Small marks: single runs; each leads to its row below. ' if look.spread else ''}"
        "Lower and further left is better. The line is the Pareto front of a panel: what lies on it (filled) has no "
        "other mark that is at least as good in both and better in one."
    )
    notes = (*((f"{look.doubt} Operations of matrix products, which no machine changes, stand for time.",)
               if look.doubt else ()), *not_drawn(sorted(lacking)))  # fmt: skip
    return [
        Figure(
            "pareto", "What is paid for accuracy", caption, tuple(panels), look.legend("pareto", drawn), notes=notes,
            stack=stacks.pop() if len(stacks) == 1 else 1,
        )
    ]  # fmt: skip


def _pairs(runs: pd.DataFrame) -> set[tuple[str, str]]:
    return {(str(n), str(s)) for n, s in zip(runs["network"], runs["series"], strict=True)}


def _points(look: Look, runs: pd.DataFrame, cost: Cost, metric: Metric) -> dict[tuple[str, str], Point]:
    """The marks of one panel by network and series: of what every run recorded with a cost above zero."""
    groups = {(str(n), str(s)): rows for (n, s), rows in runs.groupby(["network", "series"], sort=False)}
    known = {who: rows for who, rows in groups.items() if (rows[cost.key] > 0).all() and rows[metric.key].notna().all()}
    front = on_front({who: (rows[cost.key].mean(), rows[metric.key].mean()) for who, rows in known.items()})
    several = runs["network"].nunique() > 1
    found = {}
    for (network, series), rows in known.items():
        many = mean_link(rows, _said(rows[cost.key].mean(), rows[metric.key].mean(), cost, metric))
        singles = tuple(
            (float(r[cost.key]) * cost.scale, float(r[metric.key]) * metric.unit.scale,
             run_link(r, _said(r[cost.key], r[metric.key], cost, metric)) if look.listed else many)
            for r in few(rows, metric.key).to_dict("records")
        )  # fmt: skip
        x, y = mean_interval([*(rows[cost.key] * cost.scale)]), mean_interval([*(rows[metric.key] * metric.unit.scale)])
        alone = len(singles) == 1
        found[network, series] = Point(
            network if several else "", *look.styles[series], x, y, (network, series) in front,
            singles[0][2] if alone else many, () if alone else singles,
        )  # fmt: skip
    return found


def _panel(
    prefix: str, data: str, cost: Cost, metric: Metric, points: dict[tuple[str, str], Point], beside: list[Point]
) -> Panel:  # fmt: skip
    networks = {network for network, _ in points}
    front = [f"{s}, {n}" if len(networks) > 1 else s for (n, s), point in points.items() if point.front]
    said = "; ".join(point.link.title for point in points.values())
    alt = f"{data}, {metric.heading} against {cost.label}. On the front: {listed(front)}. {said}."
    return points_panel(
        prefix, data, f"{metric.heading} against {cost.label}", list(points.values()), alt, label=cost.heading,
        beside=beside,
    )  # fmt: skip


def _said(cost_value: float, value: float, cost: Cost, metric: Metric) -> str:
    paid = significant(cost_value * cost.scale) if math.isfinite(cost_value) else "unknown"
    return f"{metric.label} {metric.show(value)}{' %' if metric.unit is FRACTION else ''}, {paid} {cost.unit}"
