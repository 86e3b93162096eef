"""A panel of lines: the mean over seeds of y against x, one line a series, with a band or strokes for the interval."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import seaborn as sns
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lab.report.anchors import Link
from lab.report.numbers import plain
from lab.report.panel import SUBTITLE, TITLE, Panel, axes_in, finish, put_titles, round_ticks, text_width
from lab.report.style import SMALL, WIDTH

if TYPE_CHECKING:
    import pandas as pd

AXIS, HEIGHT, LEFT, RIGHT = 38.0, 180.0, 38.0, 14.0
_STEPS: tuple[Sequence[float], ...] = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 5, 7),
    np.arange(1, 10, 0.5).tolist(),
    np.arange(1, 10, 0.1).tolist(),
)


def lines_panel(
    prefix: str,
    title: str,
    subtitle: str,
    frame: pd.DataFrame,
    styles: Mapping[str, tuple[str, str]],
    alt: str,
    *,
    x: str,
    y: str,
    label: str,
    limits: tuple[float, float],
    log: bool,
    bars: bool,
    band: Callable[[Any], tuple[float, float]],
    names: Mapping[int, str] | None = None,
    links: Mapping[str, Link] | None = None,
) -> Panel:
    """Draws y against x, one line a series: the mean of rows that share an x, and `band` over them.

    `links`, by series, are where the last mark of each line leads: to the row of its means.
    """
    round_values = log_ticks(*limits) if log else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    marks = [float(m) for m in round_values if limits[0] <= m <= limits[1]]
    left = max([LEFT, *(text_width(plain(m), SMALL) + 10 for m in marks)])
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, HEIGHT, AXIS, left, RIGHT)
    put_titles(canvas, title, subtitle)
    shade = 0.18 if frame["series"].nunique() <= 4 else 0.09  # many bands on each other would hide the lines
    for series, rows in frame.groupby("series", sort=False):
        colour, marker = styles[str(series)]
        sns.lineplot(
            data=rows, x=x, y=y, color=colour, marker=marker, ms=6.5, mew=0, lw=1.6, ax=axes, legend=False,
            errorbar=band, err_style="bars" if bars else "band", markevery=max(1, math.ceil(rows[x].nunique() / 8)),
            err_kws={"elinewidth": 1.4} if bars else {"alpha": shade, "linewidth": 0},
        )  # fmt: skip
        if links is not None:
            end = rows[rows[x] == rows[x].max()]
            url = links[str(series)].anchor
            axes.plot([end[x].iloc[0]], [end[y].mean()], marker, ms=6.5, mew=0, color=colour, url=url)
    if log:  # only now: seaborn would take means and bands of the logarithms
        axes.set_yscale("log")
    axes.set_ylim(limits)
    axes.set_xlabel(label)
    axes.set_ylabel("")
    axes.grid(axis="y")
    for axis, ticks in ((axes.yaxis, marks), (axes.xaxis, list(names or ()))):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
    if names is not None:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: names.get(round(v), "")))
        axes.set_xlim(min(names) - 0.25, max(names) + 0.25)
    else:
        axes.set_xlim(left=0)
        for line in axes.lines:
            if np.any(np.asarray(line.get_xdata()) == 0):
                line.set_clip_on(False)  # half of a mark on the axis would be cut off
        ticks = round_ticks(0, axes.get_xlim()[1], WIDTH - left - RIGHT, RIGHT)
        whole = [t for t in ticks if t == round(t)]  # half an epoch is no place on the axis
        axes.xaxis.set_major_locator(FixedLocator(whole if x == "epoch" else ticks))
    return finish(canvas, prefix, alt, list((links or {}).values()))


def log_ticks(low: float, high: float) -> list[float]:
    """At least three round values between two positive limits where that can be, at most about eight."""
    ticks: list[float] = []
    for steps in _STEPS:
        powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 1)
        ticks = [s * 10.0**p for p in powers for s in steps if low <= s * 10.0**p <= high]
        if len(ticks) >= 3:
            break
    return ticks[:: math.ceil(len(ticks) / 8)] if ticks else []
