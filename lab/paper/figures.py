"""The page's figures that need records alone: errors beside the paper's, and the way there, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pandas as pd

from lab.paper.match import Found
from lab.paper.rows import ERROR, Row, error_of
from lab.report import rows_panel as marks
from lab.report.figure import Figure, band
from lab.report.figures_of_lines import line_limits
from lab.report.figures_of_rows import value_text
from lab.report.lines_panel import lines_panel
from lab.report.numbers import plain, significant
from lab.report.panel import Key, Panel, key_panel
from lab.report.read import items, number, walk
from lab.report.statistics import Interval
from lab.report.style import MUTED, series_style
from lab.report.text import counted
from lab.report.variants import data_name

OURS, PAPER = "ours", "paper"
STYLES = {OURS: series_style(0), PAPER: (MUTED, "D")}


def errors(rows: Sequence[Row]) -> Figure:
    """Every row with whole runs and a number of the paper: both errors on one scale, a panel a data set."""
    key, title = "errors", "Test error, the paper's and ours"
    shown = [row for row in rows if row.runs and row.claim.error and row.verdict != "partial"]
    if not shown:
        return Figure(key, title, "", missing="No row with a number of the paper has been run to its end yet.")
    panels = []
    for i, name in enumerate(dict.fromkeys(data_name(row.runs[0].record) for row in shown)):
        groups = {row.claim.row: _pair(row) for row in shown if data_name(row.runs[0].record) == name}
        said = "; ".join(f"{row}: {OURS} {two[0].value}, {PAPER} {two[1].value}" for row, two in groups.items())
        panels.append(
            marks.rows_panel(f"{key}-{i}", name, f"{ERROR.heading} (lower is better)", groups, f"{name}. {said}.",
                             from_zero=False)
        )  # fmt: skip
    caption = "Marks are means, strokes single seeds and lines 95 % t intervals over them; the paper gives one number."
    return Figure(key, title, caption, tuple(panels), key_panel(f"{key}-key", [Key(n, *s) for n, s in STYLES.items()]))


def _pair(row: Row) -> list[marks.Row]:
    scale, claim = ERROR.unit.scale, row.claim
    half = (None, None) if row.error.half is None else (row.error.low, row.error.high)
    low, high = (None if v is None else v * scale for v in half)
    ours = Interval(row.error.n, row.error.mean * scale, low, high)
    points = tuple(scale * error_of(one, claim.readout) for one in row.runs)
    label = f"{OURS}, {counted(len(row.runs), 'seed')}"
    theirs = float(claim.error)
    return [
        marks.Row(label, value_text(row.error, ERROR), "", *STYLES[OURS], ours, points),
        marks.Row(PAPER, f"{claim.error} %", "", *STYLES[PAPER], Interval(1, theirs), (theirs,)),
    ]


def curves(rows: Sequence[Row]) -> Figure:
    """Validation error against epochs of every row whose runs kept validation rows; beside it the paper's error."""
    key, title = "curves", "On the way there"
    panels: list[Panel] = []
    for row in rows:
        course = [(one.run_id, epoch, error) for one in row.runs for epoch, error in validation(one)]
        if len({epoch for _, epoch, _ in course}) < 2 or (
            row.claim.readout and any(row.runs == other.runs for other in rows if other is not row)
        ):
            continue
        frame = pd.DataFrame(course, columns=["run", "epoch", "shown"]).assign(series=OURS)
        ends = frame[frame["epoch"] == frame["epoch"].max()]["shown"]
        said = f"{row.claim.row}, validation error after {plain(float(frame['epoch'].max()))} epochs: "
        said += f"{significant(float(ends.mean()))} %"
        if row.claim.error:
            span = [("", epoch, float(row.claim.error)) for epoch in (frame["epoch"].min(), frame["epoch"].max())]
            theirs = pd.DataFrame(span, columns=["run", "epoch", "shown"]).assign(series=PAPER)
            frame = pd.concat([frame, theirs])
            said += f"; the paper's test error: {row.claim.error} %"
        groups = frame.groupby(["series", "epoch"])["shown"]
        low, high = float(groups.mean().min()), float(groups.mean().max())
        log = low > 0 and high > 4 * low
        panels.append(
            lines_panel(f"{key}-{len(panels)}", row.claim.row, f"validation error, %{' (log scale)' if log else ''}",
                        frame, STYLES, said + ".", x="epoch", y="shown", label="epochs", log=log, bars=False, band=band,
                        limits=line_limits(groups, log))
        )  # fmt: skip
    if not panels:
        return Figure(key, title, "", missing="No run of a row looked at validation rows after its epochs.")
    caption = (
        "Validation error after each epoch, mean over seeds, beside the paper's test error after its last. The rate "
        "falls over the second half of a run, so a shorter run is no early part of a longer one."
    )
    return Figure(key, title, caption, tuple(panels), key_panel(f"{key}-key", [Key(n, *s) for n, s in STYLES.items()]))


def validation(one: Found) -> list[tuple[float, float]]:
    """Epoch and validation error in % after it; nothing where no validation rows were kept apart."""
    found = []
    for entry in items(one.record.get("history")):
        error = number(walk(entry, "valid", "error"))
        if math.isfinite(error) and number(walk(entry, "valid", "n")) > 0:
            found.append((number(entry.get("epoch")), 100 * error))
    return found
