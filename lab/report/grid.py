"""Results at a glance: for each data set one table, a row a network, a column a trainer.

A cell holds the mean over seeds with half of its 95 % interval, and the number of seeds. Where several settings of one
trainer were run on one network, the one that was best by the validation rows stands in it, so that the test rows choose
nothing.
"""

from __future__ import annotations

import pandas as pd

from lab.report.load import Records
from lab.report.metrics import METRICS, SHOWN, Metric, plus_minus
from lab.report.statistics import mean_interval
from lab.report.table import DASH, Cell, Column, Table
from lab.report.text import listed
from lab.report.variants import family_name

MEANS = "Means over seeds \u00b1 half of the 95 % interval, in brackets the number of seeds."
FIRST = {"backprop": 0, "forward-forward": 1}  # of the columns; the others as they come


def grids(records: Records) -> list[Table]:
    """The tables, in the order of the data sets; none where one data set, network or trainer is all there is."""
    counted = records.counted
    if counted.groupby(["data", "network"]).ngroups < 2 or counted["trainer"].nunique() < 2:
        return []
    groups = enumerate(counted.groupby("data", sort=False))
    return [_grid(f"results_{i}", str(data), runs) for i, (data, runs) in groups]


def measures(runs: pd.DataFrame) -> tuple[Metric, Metric]:
    """By what the runs of one data set are shown, and by what settings are chosen: the first that all recorded."""
    known = [pair for pair in SHOWN if runs[pair[0]].notna().all()] or [SHOWN[1]]
    shown, chosen_by = known[0]
    return METRICS[shown], METRICS[chosen_by]


def best_setting(runs: pd.DataFrame, by: Metric) -> pd.DataFrame:
    """The runs of the setting whose mean over seeds is the lowest in `by`, a validation figure that is to be low."""
    means = runs.groupby("series", sort=False)[by.key].mean()
    return runs[runs["series"] == (means.index[0] if means.isna().all() else means.idxmin())]


def _grid(key: str, data: str, runs: pd.DataFrame) -> Table:
    metric, by = measures(runs)
    trainers = sorted(dict.fromkeys(runs["trainer"]), key=lambda name: FIRST.get(name, len(FIRST)))
    rows, several = [], False
    for network, here in runs.groupby("network", sort=False):
        cells = [Cell(str(network))]
        for trainer in trainers:
            found = here[here["trainer"] == trainer]
            several = several or found["series"].nunique() > 1
            cells.append(_cell(best_setting(found, by), metric) if len(found) else Cell(DASH))
        rows.append(tuple(cells))
    columns = (Column("network"), *(Column(trainer, True) for trainer in trainers))
    title = f"{metric.label[0].upper()}{metric.label[1:]} on {data}{', %' if metric.symbol == '%' else ''}"
    caption = f"{metric.direction[0].upper()}{metric.direction[1:]}. {MEANS}"
    if several:
        caption += f" Where several settings were run, the one best by {by.label} stands here."
    return Table(key, title, f"{caption}{_families(runs)}", columns, tuple(rows))


def _cell(runs: pd.DataFrame, metric: Metric) -> Cell:
    interval = mean_interval(list(runs[metric.key]))
    shown = plus_minus(interval.mean, interval.half, metric)
    return Cell(f"{shown} ({len(runs)})", interval.mean * metric.unit.scale)


def _families(runs: pd.DataFrame) -> str:
    """Which trainers are of which family, where their names do not say it."""
    named = runs[runs["family"].str.replace("_", "-") != runs["trainer"]]
    groups = named.groupby("family", sort=False)["trainer"].unique()
    said = [
        f"{listed(list(names))} {'is' if len(names) == 1 else 'are'} {family_name(str(family))}"
        for family, names in groups.items()
        if str(family)
    ]
    return f" By the information that they use, {listed(said)}." if said else ""
