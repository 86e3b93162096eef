"""The figures made of lines: learning curves against epochs and seconds, and the accuracy of each block."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from lab.report.figure import Figure, Look, band, not_drawn, spoken
from lab.report.lines_panel import LOG_FROM, lines_panel
from lab.report.metrics import METRICS
from lab.report.numbers import fixed, significant
from lab.report.text import listed

if TYPE_CHECKING:
    from pandas.core.groupby.generic import SeriesGroupBy

MOST_NAMES = 12


def curves(look: Look, x: str) -> Figure:
    """Validation error (RMSE for numbers) against epochs (x="epoch"), or against seconds of training (x="elapsed")."""
    key, what = ("curves_epochs", "epochs") if x == "epoch" else ("curves_seconds", "seconds of training")
    frame = look.counted(look.records.epochs).copy()
    group = ["data", "network", "series", "epoch"]
    if x == "elapsed":  # seeds reach an epoch at different seconds: it is drawn at the mean of them
        frame[x] = frame.groupby(group)[x].transform("mean")
    panels, lacking, names, drawn = [], [], set(), []
    for i, (data, network) in enumerate(look.settings):
        there = frame[frame["data"] == data]
        metric = METRICS["valid_error" if there["valid_error"].notna().any() else "valid_rmse"]
        there = there.assign(shown=there[metric.key] * metric.unit.scale).dropna(subset=[x, "shown"])
        here = there[there["network"] == network]
        if here.empty:
            lacking.append(f"{network} on {data}")
            continue
        # Networks on one data set share their scale, so that panels can be compared by eye.
        groups = there.groupby(["network", "series", "epoch"])["shown"]
        low, high = float(groups.mean().min()), float(groups.mean().max())
        log = low > 0 and high > LOG_FROM * low
        ends = here[here["epoch"] == here.groupby("series")["epoch"].transform("max")]
        last = {str(s): significant(float(v.mean())) for s, v in ends.groupby("series", sort=False)["shown"]}
        panels.append(lines_panel(
            f"{key}-{i}", f"{network} on {data}", f"{metric.heading}{' (log scale)' if log else ''}", here, look.styles,
            f"{network} on {data}, {metric.heading} after the last epoch: {spoken(last)}.", x=x, y="shown",
            label="epochs" if x == "epoch" else "seconds of training (evaluation not counted)", log=log, bars=False,
            band=band, limits=line_limits(groups, log),
        ))  # fmt: skip
        names.add(metric.label)
        drawn.append(here)
    title = f"V{(listed(sorted(names)) or 'validation error')[1:]} against {what}"
    if not panels:
        results = "validation results" if x == "epoch" else "validation results with the seconds of each epoch"
        return Figure(key, title, "", missing=f"No run recorded {results}, so this curve cannot be drawn.")
    shown = pd.concat(drawn)
    caption = f"After every epoch {look.mean}. "
    if x == "elapsed":
        caption = "The same curves over time: an epoch stands at the mean of the seconds its seeds needed to reach it. "
    caption += "Bands are 95 % t intervals over seeds. " if look.spread else ""
    seeds = shown.groupby(group)["run_id"].nunique().groupby(["data", "network", "series"])
    if (seeds.max() != seeds.min()).any():
        caption += "Where some seeds ended earlier, a line goes on with the others. "
    caption += "The validation rows are never trained on."
    legend = look.legend(key, set(shown["series"]))
    return Figure(key, title, caption, tuple(panels), legend, notes=not_drawn(lacking))


def blocks(look: Look) -> Figure:
    """Accuracy that can be read from each block, from the input upwards."""
    key, title, metric = "blocks", "Accuracy of each block", METRICS["block_accuracy"]
    frame = look.counted(look.records.blocks)
    frame = frame.assign(shown=frame["block_accuracy"] * metric.unit.scale)
    panels, lacking, splits, drawn = [], [], set(), set()
    for i, (data, network) in enumerate(look.settings):
        there = frame[frame["data"] == data]
        split = "test" if (there["split"] == "test").any() else "valid"
        there = there[there["split"] == split]
        here = there[there["network"] == network]
        if here.empty:
            lacking.append(f"{network} on {data}")
            continue
        means = here.groupby(["series", "position"], sort=False)["shown"].mean().groupby("series", sort=False)
        said = {str(s): ", ".join(fixed(float(v), 1) for v in values) + " %" for s, values in means}
        positions = sorted(int(p) for p in here["position"].unique())
        step = math.ceil(len(positions) / MOST_NAMES)
        panels.append(lines_panel(
            f"{key}-{i}", f"{network} on {data}", metric.heading, here, look.styles,
            f"{network} on {data}, accuracy of each block from the input up: {spoken(said)}.", x="position", y="shown",
            label="block, counted from the input", log=False, bars=True, band=band,
            limits=line_limits(there.groupby(["network", "series", "position"])["shown"], False),
            names={p: str(p) for p in positions[::step]},
        ))  # fmt: skip
        splits.add("test" if split == "test" else "validation")
        drawn |= set(here["series"])
    if not panels:
        return Figure(key, title, "", missing="No run recorded the accuracy of its blocks.")
    strokes = " Upright strokes are 95 % t intervals over seeds." if look.spread else ""
    caption = f"How well the {listed(sorted(splits))} set is told apart from one block's output alone.{strokes}"
    return Figure(key, title, caption, tuple(panels), look.legend(key, drawn), notes=not_drawn(lacking))


def line_limits(groups: SeriesGroupBy[Any, Any], log: bool) -> tuple[float, float]:
    """A range that the mean lines fill, with room for their bands as far as those do not dwarf them."""
    means = groups.mean()
    ends = np.array([band(values) for _, values in groups]).ravel()
    ends = ends[np.isfinite(ends) & ((ends > 0) | (not log))]
    forth, back = (np.log, np.exp) if log else (np.asarray, np.asarray)
    low, high = float(forth(means.min())), float(forth(means.max()))
    spread = (high - low) or (0.3 if log else abs(high) * 0.1 or 1.0)
    inside = forth(ends)
    low, high = max(min([low, *inside]), low - spread / 2), min(max([high, *inside]), high + spread / 2)
    low, high = float(back(low - 0.06 * spread)), float(back(high + 0.06 * spread))
    return (low if log or means.min() < 0 else max(0.0, low)), high
