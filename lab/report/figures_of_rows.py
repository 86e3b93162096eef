"""The figures made of rows: test error, training speed, where memory and time go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from lab.report.anchors import mean_link, run_link
from lab.report.figure import MOST_MARKS, Figure, Look, few, spoken
from lab.report.metrics import BYTES, FRACTION, MEMORY_PARTS, METRICS, PRIMARY, TIME_PARTS, Metric, plus_minus
from lab.report.numbers import plain, significant
from lab.report.panel import Key, Panel, key_panel
from lab.report.rows_panel import Row, mark_range, rows_panel
from lab.report.statistics import Interval, mean_interval
from lab.report.style import MEMORY_COLOURS, TIME_COLOURS
from lab.report.text import listed


def accuracy(look: Look) -> Figure:
    """Mean test error with interval, one panel a data set."""
    panels, cut, labels = [], False, set()
    for i, (data, runs) in enumerate(look.runs.groupby("data", sort=False)):
        metric = PRIMARY[runs["task"].iloc[0]]
        metric = METRICS["test_error"] if metric.unit is FRACTION else metric
        groups = _rows(look, runs, metric)
        panels.append(_panel(f"accuracy-{i}", str(data), metric, groups, from_zero=False))
        cut |= _goes_on([row for group in groups.values() for row in group])
        labels.add(metric.label)
    strokes = ", the line through it its 95 % t interval over seeds, each small stroke one seed" if look.spread else ""
    if look.most > MOST_MARKS:
        strokes += f" (of more than {MOST_MARKS}, so many from the least to the largest)"
    arrows = " An arrowhead marks an interval that goes on." if cut else ""
    caption = (
        f"Each mark is {look.mean}{strokes}. Further left is better.{arrows} "
        f"It is the {listed(sorted(labels), 'or')} of the network that a run ended with."
    )
    return Figure("accuracy", f"T{listed(sorted(labels))[1:]}", caption, tuple(panels))


def throughput(look: Look) -> Figure:
    """Samples a second while training, with the rows that each sample costs."""
    key, title, metric = "throughput", "Training speed", METRICS["samples_per_second"]
    runs = look.runs.dropna(subset=[metric.key])
    if runs.empty:
        return Figure(key, title, "", missing="No run recorded its samples a second.")
    panels = [
        _panel(f"{key}-{i}", str(data), metric, _rows(look, here, metric), from_zero=True)
        for i, (data, here) in enumerate(runs.groupby("data", sort=False))
    ]
    caption = (
        f"Training samples a second, {look.mean}. A sample is one image (or one row of a table) of the data set, "
        "however many rows a trainer makes of it: a forward-forward step may pass it as a positive, a negative and a "
        "neutral row. Evaluation is not counted."
    )
    return Figure(key, title, caption, tuple(panels))


def time(look: Look) -> Figure:
    """Mean seconds of loading, training, evaluation, checkpoints and the rest."""
    return _stack(
        look, ("time", "Where the time goes"), look.records.seconds, "seconds", TIME_PARTS, TIME_COLOURS, "s",
        f"Seconds of one run ({look.mean}): loading the data, training steps (their batches gathered in them), "
        "evaluation, checkpoints, and the rest, such as imports and kernels made ready. Earlier versions counted "
        "loading and checkpoints as the rest.",
        "No run recorded how its time was spent.",
    )  # fmt: skip


def memory(look: Look) -> Figure:
    """Mean bytes of each part of memory, and the peak."""
    frame, note = look.counted(look.records.memory), ""
    data = frame[frame["part"] == "data"]
    if len(data) and (data.groupby("data")["bytes"].nunique() == 1).all():
        # The rows of the data set are the same for every trainer, and large: they would hide what differs.
        frame = frame[frame["part"] != "data"]
        sizes = data.groupby("data", sort=False)["bytes"].first() * BYTES.scale
        said = [f"{name} {significant(size)} MiB" for name, size in sizes.items()]
        note = f" Not drawn, being the same for all, is the data set: {listed(said)}."
    return _stack(
        look, ("memory", "Where the memory goes"), frame, "bytes", MEMORY_PARTS, MEMORY_COLOURS, "MiB",
        f"The largest size of each part during a run ({look.mean}). The number is the peak: the most that was in use "
        f"at one moment, which is not the sum when parts follow each other.{note}",
        "No run recorded its memory by parts.",
    )  # fmt: skip


def _stack(
    look: Look, name: tuple[str, str], frame: pd.DataFrame, column: str, parts: Sequence[str],
    colours: Mapping[str, str], symbol: str, caption: str, missing: str,
) -> Figure:  # fmt: skip
    frame, (key, title) = look.counted(frame), name
    shown = [p for p in parts if (frame.loc[frame["part"] == p, column] > 0).any()]
    if not shown:
        return Figure(key, title, "", missing=missing)
    scale = BYTES.scale if column == "bytes" else 1.0
    panels = []
    for i, (data, here) in enumerate(frame.groupby("data", sort=False)):
        groups: dict[str, list[Row]] = {}
        for (network, series), rows in here.groupby(["network", "series"], sort=False):
            means = rows.groupby("part")[column].mean() * scale
            sizes = [float(means.get(p, 0.0)) for p in shown]
            peak = means.get("peak")
            value = f"{significant(sum(sizes))} {symbol}" if peak is None else f"peak {significant(peak)} {symbol}"
            label = look.label(str(series), rows["run_id"].nunique())
            bars = tuple(zip(sizes, (colours[p] for p in shown), strict=True))
            groups.setdefault(str(network), []).append(Row(label, value, parts=bars))
        unit = f"{'seconds' if symbol == 's' else symbol} of a run"
        panels.append(rows_panel(f"{key}-{i}", str(data), unit, groups, _alt(str(data), groups), from_zero=True))
    legend = key_panel(f"{key}-key", [Key(p, colours[p], None) for p in shown])
    return Figure(key, title, caption, tuple(panels), legend)


def _rows(look: Look, runs: pd.DataFrame, metric: Metric) -> dict[str, list[Row]]:
    groups: dict[str, list[Row]] = {}
    for (network, series), rows in runs.groupby(["network", "series"], sort=False):
        rows = rows.dropna(subset=[metric.key])
        stored = [float(v) for v in rows[metric.key]]
        points = [v * metric.unit.scale for v in stored]
        value, short = value_text(mean_interval(stored), metric), ""
        if metric.key == "samples_per_second":
            costs = sorted(set(rows["rows_per_sample"].dropna()))
            cost = f", {plain(costs[0])} {'row' if costs[0] == 1 else 'rows'} each" if len(costs) == 1 else ""
            value, short = f"{value}/s{cost}", f"{metric.show(mean_interval(stored).mean)}/s"
        label = look.label(str(series), len(points))
        drawn = few(rows.dropna(subset=[metric.key]), metric.key)
        mean = mean_link(rows, f"{metric.label} {value}")
        links = tuple(
            run_link(run, f"{metric.label} {value_text(mean_interval([run[metric.key]]), metric)}")
            for run in drawn.to_dict("records")
        )
        if not look.listed:  # these runs may have no row to lead to
            links = (mean,) * len(drawn)
        marks = tuple(float(v) * metric.unit.scale for v in drawn[metric.key])
        alone = links[0] if len(links) == 1 else mean
        row = Row(label, value, short, *look.styles[str(series)], mean_interval(points), marks, links, alone)
        groups.setdefault(str(network), []).append(row)
    return groups


def _panel(
    prefix: str, data: str, metric: Metric, groups: Mapping[str, Sequence[Row]], *, from_zero: bool
) -> Panel:  # fmt: skip
    alt = _alt(f"{data}, {metric.label}", groups)
    return rows_panel(prefix, data, f"{metric.heading} ({metric.direction})", groups, alt, from_zero=from_zero)


def _alt(head: str, groups: Mapping[str, Sequence[Row]]) -> str:
    said = [f"{network}: {spoken({r.label: r.value for r in rows})}" for network, rows in groups.items()]
    return f"{head}. {'; '.join(said)}."


def _goes_on(rows: Sequence[Row]) -> bool:
    """Whether an interval is longer than the scale shows."""
    low, high = mark_range(rows)
    ends = [v for r in rows if r.interval for v in (r.interval.low, r.interval.high) if v is not None]
    return any(not low <= v <= high for v in ends)


def value_text(interval: Interval, metric: Metric) -> str:
    """A stored mean in the shown unit as "1.68 +- 0.06 %"; without the half where there is none."""
    return plus_minus(interval.mean, interval.half, metric) + (" %" if metric.unit is FRACTION else "")
