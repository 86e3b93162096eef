"""The figures made of lines: learning curves against epochs and what they took, and the accuracy of each block."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from lab.report.anchors import Link, mean_link
from lab.report.figure import Figure, Look, band, not_drawn, spoken
from lab.report.lines_panel import lines_panel
from lab.report.metrics import METRICS
from lab.report.numbers import fixed, significant
from lab.report.scales import LOG_FROM, fitted
from lab.report.text import listed

if TYPE_CHECKING:
    from pandas.core.groupby.generic import SeriesGroupBy

MOST_NAMES = 12


@dataclass(frozen=True)
class Course:
    """What a learning curve is drawn against: a column of `epochs` (stored numbers times `scale`), and its words."""

    key: str
    column: str
    words: str
    label: str
    scale: float = 1.0
    timed: bool = False


EPOCHS = Course("curves_epochs", "epoch", "epochs", "epochs")
SECONDS = Course(
    "curves_seconds", "elapsed", "seconds of training", "seconds of training (evaluation not counted)", timed=True
)
OPERATIONS = Course("curves_flops", "flops", "operations", "operations of matrix products, Tflop", 1e-12)
ENERGY = Course("curves_joules", "joules", "energy", "energy of training, J", timed=True)


def curves(look: Look, course: Course = EPOCHS) -> Figure:
    """Validation error (RMSE for numbers) after every epoch, against what the epochs took."""
    frame = look.counted(look.records.epochs).copy()
    group, x = ["data", "network", "series", "epoch"], course.column
    frame[x] = frame[x] * course.scale
    if course is not EPOCHS:  # seeds reach an epoch at different costs: it is drawn at the mean of them
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
        unit = f" {metric.symbol}" if metric.symbol else ""
        last = {str(s): significant(float(v.mean())) for s, v in ends.groupby("series", sort=False)["shown"]}
        panels.append(lines_panel(
            f"{course.key}-{i}", f"{network} on {data}", f"{metric.heading}{' (log scale)' if log else ''}", here,
            look.styles, f"{network} on {data}, {metric.heading} after the last epoch: {spoken(last)}.", x=x, y="shown",
            label=course.label, log=log, bars=False, band=band, limits=line_limits(groups, log),
            links=_links(here, {s: f"{metric.label} {v}{unit} after the last epoch" for s, v in last.items()}),
        ))  # fmt: skip
        names.add(metric.label)
        drawn.append(here)
    title = f"V{(listed(sorted(names)) or 'validation error')[1:]} against {course.words}"
    if not panels:
        results = "validation results" + ("" if course is EPOCHS else f" with the {course.words} of each epoch")
        return Figure(course.key, title, "", missing=f"No run recorded {results}, so this curve cannot be drawn.")
    shown = pd.concat(drawn)
    caption = f"After every epoch {look.mean}. "
    if course is OPERATIONS:
        caption = "The same curves over work done, which no machine changes. "
    elif course is not EPOCHS:
        caption = (
            f"The same curves over {course.words}: an epoch stands at the mean of what its seeds took to reach it. "
        )
    caption += "Bands are 95 % t intervals over seeds. " if look.spread else ""
    seeds = shown.groupby(group)["run_id"].nunique().groupby(["data", "network", "series"])
    if (seeds.max() != seeds.min()).any():
        caption += "Where some seeds ended earlier, a line goes on with the others. "
    caption += "The validation rows are never trained on."
    notes = (*((look.doubt,) if course.timed and look.doubt else ()), *not_drawn(lacking))
    return Figure(course.key, title, caption, tuple(panels), look.legend(course.key, set(shown["series"])), notes=notes)


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
        ends = {str(s): f"{fixed(float(values.iloc[-1]), 1)} % can be read from the last block" for s, values in means}
        said = {str(s): ", ".join(fixed(float(v), 1) for v in values) + " %" for s, values in means}
        positions = sorted(int(p) for p in here["position"].unique())
        step = math.ceil(len(positions) / MOST_NAMES)
        panels.append(lines_panel(
            f"{key}-{i}", f"{network} on {data}", metric.heading, here, look.styles,
            f"{network} on {data}, accuracy of each block from the input up: {spoken(said)}.", x="position", y="shown",
            label="block, counted from the input", log=False, bars=True, band=band,
            limits=line_limits(there.groupby(["network", "series", "position"])["shown"], False),
            names={p: str(p) for p in positions[::step]}, links=_links(here, ends),
        ))  # fmt: skip
        splits.add("test" if split == "test" else "validation")
        drawn |= set(here["series"])
    if not panels:
        return Figure(key, title, "", missing="No run recorded the accuracy of its blocks.")
    strokes = " Upright strokes are 95 % t intervals over seeds." if look.spread else ""
    caption = f"How well the {listed(sorted(splits))} set is told apart from one block's output alone.{strokes}"
    return Figure(key, title, caption, tuple(panels), look.legend(key, drawn), notes=not_drawn(lacking))


def _links(frame: pd.DataFrame, said: dict[str, str]) -> dict[str, Link]:
    """By series, where the end of its line leads: to its row of means."""
    runs = frame.drop_duplicates("run_id")
    return {str(s): mean_link(rows, said[str(s)]) for s, rows in runs.groupby("series", sort=False)}


def line_limits(groups: SeriesGroupBy[Any, Any], log: bool) -> tuple[float, float]:
    """A range that the mean lines fill, with room for their bands as far as those do not dwarf them."""
    ends = [float(end) for _, values in groups for end in band(values)]
    return fitted([float(v) for v in groups.mean()], ends, log)
