"""Two tables of a report: how sure each comparison is, and trainers over several data sets at once."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np

from lab.report.across import improvement, interquartile_interval, interquartile_mean, profile
from lab.report.compare import Comparison
from lab.report.load import Records
from lab.report.metrics import FRACTION, PRIMARY, Metric
from lab.report.numbers import fixed, significant
from lab.report.table import DASH, Cell, Column, Table

WITHIN = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)  # errors of the performance profile


def significance(comparisons: list[Comparison]) -> Table:
    """One row for each comparison that has paired seeds."""
    rows: list[tuple[Cell, ...]] = []
    for c in (c for c in comparisons if c.difference.interval.n):
        ends = [v * c.metric.unit.scale for v in c.over_rows]
        rows.append((
            Cell(c.data), Cell(c.network), Cell(c.first), Cell(c.second),
            Cell(str(c.difference.interval.n), c.difference.interval.n), _p(c.p), _p(c.smallest_p), _p(c.corrected_p),
            Cell(significant(abs(c.effect), 2) if math.isfinite(c.effect) else DASH, abs(c.effect)),
            _size(c.detectable, c.metric),
            Cell(f"{fixed(ends[0], 2)} to {fixed(ends[1], 2)}" if math.isfinite(sum(ends)) else DASH, ends[0]),
            _p(c.rows_p),
        ))  # fmt: skip
    names = ("paired seeds", "p by sign flips", "smallest p of so many seeds", "p after Holm", "effect size",
             "smallest difference seen", "95 % interval over test rows", "largest p by McNemar")  # fmt: skip
    caption = (
        "p is the share of all choices of signs for the seeds' differences that come out as far from zero: with fewer "
        "than 6 seeds it cannot fall below 5 %. Holm's correction is for all comparisons here. Effect size: mean over "
        "deviation of the differences. Smallest difference seen: what a t test of so many seeds would have found with "
        "80 % power. The interval over test rows is what other test images would change: row by row where runs "
        "recorded which they answered rightly, else as if each trainer had its own. McNemar's test is one a seed."
    )
    columns: tuple[Column, ...] = (
        *map(Column, ("data", "network", "better", "compared with")),
        *(Column(n, True) for n in names),
    )
    if all(row[-1].text == DASH for row in rows):  # no run recorded its answers
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    return Table("significance", "How sure the comparisons are", caption, columns, tuple(rows))


def across(records: Records) -> Table:
    """One row for each trainer that has accuracies on every data set and network; no row where that is one data set."""
    runs = records.counted
    runs = runs[runs["task"] == "classification"]
    key = PRIMARY["classification"].key
    scores: dict[str, dict[str, list[float]]] = {}
    for (data, network, series), group in runs.groupby(["data", "network", "series"], sort=False):
        scores.setdefault(str(series), {})[f"{network} on {data}"] = list(group[key])
    held = Counter(task for found in scores.values() for task in found)
    tasks = {task for task, n in held.items() if n > 1}  # what one trainer alone was run on compares nothing
    scores = {series: {t: v for t, v in found.items() if t in tasks} for series, found in scores.items()}
    whole = {series: found for series, found in scores.items() if tasks and set(found) == tasks}
    rows = []
    if runs["data"].nunique() > 1 and len(whole) > 1:
        rows = [_across(series, whole) for series in whole]
    shares = [Column(f"error within {limit:.0%}".replace("%", " %"), True, "%") for limit in WITHIN]
    columns = (Column("trainer"), Column("runs", True), Column("interquartile mean of accuracy", True, "%"),
               Column("95 % interval", True, "%"), Column("improvement", True, "%"), *shares)  # fmt: skip
    caption = (
        f"Over {len(tasks)} pairs of network and data set. The interquartile mean leaves out the lowest and the "
        f"highest quarter of runs. Improvement: the probability that a run beats one of {next(iter(whole), 'none')} on "
        "the same task. Then the share of runs whose test error is within so much."
    )
    return Table("across", "Over all data sets", caption, columns, tuple(rows))


def _across(series: str, whole: dict[str, dict[str, list[float]]]) -> tuple[Cell, ...]:
    scores, first = whole[series], next(iter(whole))
    values = np.concatenate([np.asarray(v) for v in scores.values()])
    low, high = interquartile_interval(scores)
    better = improvement(scores, whole[first])
    middle = interquartile_mean(values)
    return (
        Cell(series), Cell(str(values.size), values.size), Cell(_percent(middle), middle),
        Cell(f"{_percent(low)} to {_percent(high)}", low),
        Cell(DASH) if series == first else Cell(fixed(100 * better, 0), better),
        *(Cell(fixed(100 * share, 0), share) for share in profile(scores, [1 - limit for limit in WITHIN])),
    )  # fmt: skip


def _percent(value: float) -> str:
    return fixed(100 * value, 2)


def _p(value: float) -> Cell:
    return Cell(significant(value, 2) if math.isfinite(value) else DASH, value)


def _size(value: float, metric: Metric) -> Cell:
    if not math.isfinite(value):
        return Cell(DASH)
    shown = significant(value * metric.unit.scale, 2)
    return Cell(f"{shown} points" if metric.unit is FRACTION else shown, value)
