"""A panel of curves whose intervals are known: y at given places of a log x axis, with bands or strokes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lab.report.lines_panel import AXIS, HEIGHT, LEFT, RIGHT, log_ticks
from lab.report.numbers import plain
from lab.report.panel import SUBTITLE, TITLE, Panel, axes_in, finish, put_titles, text_width
from lab.report.scales import LOG_FROM, fitted, padded, place_on, spaced
from lab.report.style import SMALL, WIDTH


@dataclass(frozen=True)
class Steps:
    """One curve: places, means, and the ends of their intervals (NaN where there is none)."""

    colour: str
    marker: str
    x: tuple[float, ...]
    y: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def steps_panel(
    prefix: str, title: str, subtitle: str, curves: Sequence[Steps], alt: str, *, label: str, bars: bool
) -> Panel:  # fmt: skip
    """Draws the curves over a log scale of x, whose ticks are the places themselves; y is on a log scale if wide."""
    means = [v for c in curves for v in c.y]
    log = min(means) > 0 and max(means) > LOG_FROM * min(means)
    limits = fitted(means, [v for c in curves for v in (*c.low, *c.high)], log)
    places = sorted({v for c in curves for v in c.x})
    x_range = padded(places[0], places[-1], True)
    round_values = log_ticks(*limits) if log else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(*limits)
    marks = [float(m) for m in round_values if limits[0] <= m <= limits[1]]
    left = max([LEFT, *(text_width(plain(m), SMALL) + 10 for m in marks)])
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, HEIGHT, AXIS, left, RIGHT)
    put_titles(canvas, title, f"{subtitle}{' (log scale)' if log else ''}")
    axes.set_xscale("log")
    axes.set_yscale("log" if log else "linear")
    axes.set_xlim(x_range)
    axes.set_ylim(limits)
    axes.set_xlabel(label)
    axes.grid(axis="y")
    width = WIDTH - left - RIGHT
    for axis, ticks in (
        (axes.xaxis, spaced(places, place_on(x_range, width, True), width, RIGHT)), (axes.yaxis, marks),
    ):  # fmt: skip
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
    for curve in curves:
        if bars:
            axes.vlines(curve.x, curve.low, curve.high, color=curve.colour, lw=1.4)
        else:
            axes.fill_between(curve.x, curve.low, curve.high, color=curve.colour, alpha=0.18, linewidth=0)
        axes.plot(curve.x, curve.y, color=curve.colour, marker=curve.marker, ms=6.5, mew=0, lw=1.6)
    return finish(canvas, prefix, alt)
