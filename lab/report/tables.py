"""The tables of a report as data: columns, cells and captions, before any markup.

`write` turns a table into HTML, Markdown, LaTeX or CSV.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pandas as pd

from lab.report.anchors import MOST_RUNS, mean_anchor, run_anchor
from lab.report.compare import Comparison
from lab.report.fronts import fronts, targets
from lab.report.load import Records
from lab.report.metrics import FRACTION, MEMORY_PARTS, METRICS, Metric, plus_minus
from lab.report.numbers import plain, significant
from lab.report.statistics import Interval, mean_interval
from lab.report.table import DASH, Cell, Column, Table
from lab.report.tables_beyond import beyond
from lab.report.tables_of_budget import of_protocol
from lab.report.tables_of_tests import across, significance
from lab.report.text import short_id
from lab.report.variants import family_name

FOLDED = {"data": "on {}", "network": "with {}"}


Build = Callable[[pd.DataFrame], Cell]


def make_tables(records: Records, comparisons: list[Comparison]) -> list[Table]:
    """All tables that have a row: what trainers reached and how sure that is, what it cost, and every run."""
    of_trainers = [summary(records), paired(comparisons), significance(comparisons), across(records)]
    costs = [fronts(records), targets(records), *of_protocol(records), *beyond(records)]
    tables = [*of_trainers, *costs, memory(records), blocks(records), every_run(records)]
    return [folded(t) for t in tables if t.rows]


def folded(table: Table) -> Table:
    """Says in the caption what a whole column of networks or data sets would repeat."""
    fixed: dict[str, str] = {}
    for i, column in enumerate(table.columns):
        values = {row[i].text for row in table.rows}
        if column.label in FOLDED and not column.numeric and len(values) == 1 and values != {DASH}:
            fixed[column.label] = values.pop()
    if not fixed:
        return table
    keep = [i for i, column in enumerate(table.columns) if column.numeric or column.label not in fixed]
    said = " ".join(FOLDED[k].format(fixed[k]) for k in FOLDED if k in fixed)
    columns, rows = (tuple(table.columns[i] for i in keep), tuple(tuple(row[i] for i in keep) for row in table.rows))
    return replace(table, caption=f"{said[0].upper()}{said[1:]}. {table.caption}", columns=columns, rows=rows)


def summary(records: Records) -> Table:
    """One row for each trainer, network and data set: means over seeds with half of the 95 % interval."""
    shown = [
        "test_error", "test_accuracy", "test_accuracy_goodness", "test_accuracy_softmax", "test_accuracy_shortlist",
        "test_bits_per_character", "test_rmse", "test_r2", "trials", "train_seconds", "total_seconds",
        "samples_per_second", "rows_per_sample", "passes_per_prediction", "memory_activations", "memory_peak",
        "energy_joules", "energy_net", "energy_gpu", "idle_watts", "parameters",
    ]  # fmt: skip
    runs = records.counted
    columns: list[tuple[Column, Build]] = [(Column("seeds", True), lambda g: _count(len(g)))]
    if (runs["family"].str.replace("_", "-") != runs["trainer"]).any():  # the trainer's name does not say it
        columns.insert(0, (Column("family"), _family))
    if runs["target"].notna().any():
        columns.append((Column("target", True), _mean(METRICS["target"], spread=False)))
        reached = [METRICS[key] for key in ("target_seconds", "target_epochs")]
        columns += [(Column(metric.label, True, metric.symbol), _reached(metric)) for metric in reached]
    for key in shown:
        if runs[key].notna().any():
            label = METRICS[key].label.removeprefix("memory of ")
            columns.append((Column(label, True, METRICS[key].symbol), _mean(METRICS[key])))
    caption = (
        "Means over seeds; after \u00b1 stands half of the 95 % t interval over seeds, which one seed does not have. "
        "Only runs that ended ok are in it."
    )
    groups = runs.groupby(["data", "network", "series"], sort=False)
    anchors = tuple(mean_anchor(str(data), str(network), str(series)) for (data, network, series), _ in groups)
    return replace(_grouped("summary", "Summary", caption, runs, columns), anchors=anchors)


def memory(records: Records) -> Table:
    """The memory split in MiB, mean over seeds."""
    runs = records.counted
    parts = [f"memory_{p}" for p in (*MEMORY_PARTS, "peak")] + ["process_peak_bytes"]
    columns: list[tuple[Column, Build]] = []
    for key in parts:
        if runs[key].notna().any():
            label = METRICS[key].label.removeprefix("memory of ")
            columns.append((Column(label, True, METRICS[key].symbol), _mean(METRICS[key], spread=False)))
    if columns and (runs["peak_at"] != "").any():
        columns.append((Column("peak reached at"), lambda g: Cell(", ".join(sorted(set(g["peak_at"]) - {""})) or DASH)))
    caption = (
        "The largest size of each part, mean over seeds. The parts were counted where they are allocated; the process "
        "peak is what the operating system saw, libraries included."
    )
    return _grouped("memory", "Memory", caption, runs if columns else runs.head(0), columns)


def blocks(records: Records) -> Table:
    """Accuracy of each block in %, mean over seeds, on the test set where recorded there."""
    frame = records.blocks[records.blocks["counted"].astype(bool)]
    tested = set(frame.loc[frame["split"] == "test", "run_id"])
    frame = frame[(frame["split"] == "test") | ~frame["run_id"].isin(tested)]
    deepest = int(frame["position"].max()) if len(frame) else 0

    def column(position: int) -> Build:
        return lambda g: _show(g.loc[g["position"] == position, "block_accuracy"], METRICS["block_accuracy"])

    columns = [(Column(f"block {i}", True, "%"), column(i)) for i in range(1, deepest + 1)]
    caption = "Test accuracy read from each block alone, counted from the input: mean \u00b1 half of the 95 % interval."
    if not tested and len(frame):
        caption = caption.replace("Test", "Validation")
    return _grouped("blocks", "Accuracy of each block", caption, frame, columns)


def paired(comparisons: list[Comparison]) -> Table:
    """One row for each pair of trainers compared over the same seeds."""
    rows: list[tuple[Cell, ...]] = []
    for c in comparisons:
        difference, unit = c.difference.interval, c.metric.unit
        if difference.n == 0:
            continue
        sign = 1.0 if c.metric.better == "higher" else -1.0
        points = unit is FRACTION

        def show(value: float, points: bool = points, scale: float = unit.scale) -> str:
            return f"{value * scale:.2f}".replace("-", "\u2212") if points else significant(value * scale)

        ends = sorted(sign * v for v in (difference.low, difference.high) if v is not None)
        rows.append((
            Cell(c.data), Cell(c.network), Cell(c.first), Cell(c.second), Cell(c.metric.label), _count(difference.n),
            Cell(show(abs(difference.mean)) + (" points" if points else ""), abs(difference.mean)),
            Cell(f"{show(ends[0])} to {show(ends[1])}" if ends else DASH, ends[0] if ends else math.nan),
            _ratio(c.speed.interval), _ratio(c.memory.interval),
        ))  # fmt: skip
    headings = ("data", "network", "better", "compared with", "by", "paired seeds", "difference", "95 % interval",
                "ratio of samples a second", "ratio of activation memory")  # fmt: skip
    numeric = {"paired seeds", "difference", "95 % interval", "ratio of samples a second", "ratio of activation memory"}
    caption = (
        "Differences are taken seed by seed, so that what two runs of one seed share cancels. An interval that holds "
        "zero shows no difference. Ratios are geometric means of better over compared with."
    )
    columns: tuple[Column, ...] = tuple(Column(h, h in numeric) for h in headings)
    if all(row[-2].text == DASH for row in rows):  # no run has a time, or none is claimed
        columns, rows = (*columns[:-2], columns[-1]), [(*row[:-2], row[-1]) for row in rows]
    return Table("comparisons", "Paired comparisons", caption, columns, tuple(rows))


def every_run(records: Records) -> Table:
    """Every run that was found or expected, with its status and a link to its folder; of very many, the doubtful ones.

    Where there are more than `MOST_RUNS`, those that do not enter the means come first and the others fill it up.
    """
    runs = records.runs
    if len(runs) > MOST_RUNS:
        runs = runs.loc[runs["counted"].astype(bool).sort_values(kind="stable").index[:MOST_RUNS]]
    names = [k for k in ("test_error", "test_rmse", "train_seconds", "samples_per_second", "memory_peak")
             if records.runs[k].notna().any()]  # fmt: skip
    rows: list[tuple[Cell, ...]] = []
    for run in runs.to_dict("records"):
        reason = run["reason"] or ("not in the means" if run["status"] == "ok" and not run["counted"] else "")
        rows.append((
            Cell(short_id(run["run_id"]), run=run["run_id"] if run["folder"] else ""),
            Cell(run["status"].replace("_", " "), strong=run["status"] != "ok"),
            *(Cell(DASH if run[k].startswith("unknown ") else run[k]) for k in ("series", "network", "data")),
            Cell(run["seed"] or DASH, float(run["seed"]) if run["seed"] else math.nan),
            _count(run["n_epochs"]), *(Cell(METRICS[k].show(run[k]), run[k]) for k in names), Cell(reason or DASH),
        ))  # fmt: skip
    # Where every run is whole, a column of dashes says nothing.
    if all(row[-1].text == DASH for row in rows):
        rows = [row[:-1] for row in rows]
    columns = (
        Column("run"), Column("status"), Column("trainer"), Column("network"), Column("data"), Column("seed", True),
        Column("epochs", True), *(Column(METRICS[k].label, True, METRICS[k].symbol) for k in names), Column("reason"),
    )  # fmt: skip
    caption = "Each run leads to its folder; its record.json holds the config, environment and every number used here."
    title = "Every run"
    if len(runs) < len(records.runs):
        title = f"{len(runs)} of {len(records.runs):,} runs"
        caption += " Runs that do not enter the means come first, the others as far as there is room; runs.csv has all."
    anchors = tuple(run_anchor(run_id) for run_id in runs["run_id"])
    return Table("runs", title, caption, columns[: len(rows[0])] if rows else columns, tuple(rows), anchors)


def _grouped(key: str, title: str, caption: str, frame: pd.DataFrame, columns: list[tuple[Column, Build]]) -> Table:
    rows = []
    for (data, network, series), group in frame.groupby(["data", "network", "series"], sort=False):
        rows.append((Cell(str(series)), Cell(str(network)), Cell(str(data)), *(build(group) for _, build in columns)))
    head = (Column("trainer"), Column("network"), Column("data"), *(column for column, _ in columns))
    return Table(key, title, caption, head, tuple(rows))


def _family(group: pd.DataFrame) -> Cell:
    return Cell(", ".join(family_name(family) for family in sorted(set(group["family"]))))


def _mean(metric: Metric, *, spread: bool = True) -> Build:
    def build(group: pd.DataFrame) -> Cell:
        return _show(group[metric.key], metric, spread=spread)

    return build


def _reached(metric: Metric) -> Build:
    """The mean where every run reached its target: a mean over those that did would flatter those that seldom do."""

    def build(group: pd.DataFrame) -> Cell:
        asked = group[group["target"].notna()]
        came = asked[asked["target_epochs"].notna()]
        if len(came) == len(asked):
            return _show(asked[metric.key], metric)
        return Cell(f"reached by {len(came)} of {len(asked)}" if len(came) else "not reached", math.inf)

    return build


def _show(values: pd.Series, metric: Metric, *, spread: bool = True) -> Cell:
    interval = mean_interval(list(values))
    half = interval.half if spread else None
    return Cell(plus_minus(interval.mean, half, metric), interval.mean * metric.unit.scale)


def _ratio(ratio: Interval) -> Cell:
    return Cell(significant(ratio.mean, 3) if ratio.n else DASH, ratio.mean)


def _count(value: float) -> Cell:
    return Cell(plain(value) if math.isfinite(value) else DASH, value)
