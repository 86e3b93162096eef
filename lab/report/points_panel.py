"""A panel of points: a result against what it cost on a log scale, small marks for runs, large ones for means.

The front is the line below and to the left of which nothing lies; means on it are filled, the others hollow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from lab.report.anchors import Link
from lab.report.lines_panel import AXIS, HEIGHT, LEFT, RIGHT, log_ticks
from lab.report.numbers import plain
from lab.report.panel import SUBTITLE, TITLE, Panel, axes_in, finish, put_titles, text_width
from lab.report.scales import LOG_FROM, padded, place_on, spaced
from lab.report.statistics import Interval
from lab.report.style import INK, MUTED, SMALL, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARK, RUN = 8.0, 3.2
NEAR = 40.0  # units within which one name speaks for two marks
Box = tuple[float, float, float, float]
Line = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Point:
    """A mean over seeds of cost and result, its runs as (cost, result, link), and `name`, written beside it."""

    name: str
    colour: str
    marker: str
    x: Interval
    y: Interval
    front: bool
    link: Link
    runs: tuple[tuple[float, float, Link], ...] = ()


def points_panel(
    prefix: str, title: str, subtitle: str, points: Sequence[Point], alt: str, *, label: str, beside: Sequence[Point]
) -> Panel:  # fmt: skip
    """Draws results (less is better) against positive costs, and the front of the means.

    `beside` are the points of all panels that share the scale of results, these among them.
    """
    low, high = _span([p.y for p in beside], [run[1] for p in beside for run in p.runs])
    log = low > 0 and high > LOG_FROM * low
    x_range = padded(*_span([p.x for p in points], [run[0] for p in points for run in p.runs]), True)
    y_range = padded(low, high, log)
    round_values = log_ticks(*y_range) if log else MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(*y_range)
    marks = [float(m) for m in round_values if y_range[0] <= m <= y_range[1]]
    left = max([LEFT, *(text_width(plain(m), SMALL) + 10 for m in marks)])
    canvas, axes = axes_in(TITLE + SUBTITLE + 8, HEIGHT, AXIS, left, RIGHT)
    put_titles(canvas, title, subtitle)
    axes.set_xscale("log")
    axes.set_yscale("log" if log else "linear")
    axes.set_xlim(x_range)
    axes.set_ylim(y_range)
    axes.set_xlabel(label)
    axes.grid(axis="y")
    width = WIDTH - left - RIGHT
    across, up = place_on(x_range, width, True), place_on(y_range, HEIGHT, log)
    for axis, ticks in ((axes.xaxis, spaced(log_ticks(*x_range), across, width, RIGHT)), (axes.yaxis, marks)):
        axis.set_major_locator(FixedLocator(ticks))
        axis.set_minor_locator(NullLocator())
        axis.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
    corners = stairs([(p.x.mean, p.y.mean) for p in points if p.front], x_range[1], y_range[1])
    axes.plot([c[0] for c in corners], [c[1] for c in corners], color=MUTED, lw=1.2, zorder=1)
    for point in points:
        _point(axes, point, x_range, y_range)
    lines = [((across(a), up(b)), (across(c), up(d))) for (a, b), (c, d) in pairwise(corners)]
    for p in points:
        (x0, x1), (y0, y1) = _ends(p.x, x_range), _ends(p.y, y_range)
        x, y = across(p.x.mean), up(p.y.mean)
        lines += [((across(x0), y), (across(x1), y)), ((x, up(y0)), (x, up(y1)))]
    _names(axes, [(p.name, across(p.x.mean), up(p.y.mean)) for p in points], lines, (width, HEIGHT))
    links = [link for p in points for link in (p.link, *(run[2] for run in p.runs))]
    return finish(canvas, prefix, alt, links)


def stairs(front: Sequence[tuple[float, float]], right: float, top: float) -> list[tuple[float, float]]:
    """The corners of a front, from `top` above its cheapest point to `right` of its dearest.

    What costs c is known to reach the result of the dearest point that costs no more than c.
    """
    corners: list[tuple[float, float]] = []
    for x, y in sorted(front, key=lambda p: (p[0], -p[1])):
        corners += [(x, corners[-1][1] if corners else top), (x, y)]
    return [*corners, (right, corners[-1][1])] if corners else []


def _point(axes: Axes, point: Point, x_range: tuple[float, float], y_range: tuple[float, float]) -> None:
    for x, y, link in point.runs:
        axes.plot([x], [y], point.marker, ms=RUN, color=point.colour, mew=0, alpha=0.55, url=link.anchor, zorder=3)
    x, y = point.x.mean, point.y.mean
    (x0, x1), (y0, y1) = _ends(point.x, x_range), _ends(point.y, y_range)
    axes.plot([x, x], [y0, y1], color=point.colour, lw=1.4, zorder=2)
    axes.plot([x0, x1], [y, y], color=point.colour, lw=1.4, zorder=2)
    inside = point.colour if point.front else "none"
    axes.plot([x], [y], point.marker, ms=MARK, mfc=inside, mec=point.colour, mew=1.6, url=point.link.anchor, zorder=4)


def _ends(interval: Interval, limits: tuple[float, float]) -> tuple[float, float]:
    low, high = (interval.mean if v is None else v for v in (interval.low, interval.high))
    return max(low, limits[0]), min(high, limits[1])


def _names(
    axes: Axes, marks: Sequence[tuple[str, float, float]], lines: Sequence[Line], size: tuple[float, float]
) -> None:
    """Writes names beside their marks where there is room; else the tooltip has to say it.

    Marks that stand close together and have one name share it.
    """
    half = MARK / 2 + 1
    taken: list[Box] = [(x - half, y - half, x + half, y + half) for _, x, y in marks]
    taken += [(min(a, c) - 1, min(b, d) - 1, max(a, c) + 1, max(b, d) + 1) for (a, b), (c, d) in lines]
    named: list[tuple[str, float, float]] = []
    for name, x, y in marks:
        if not name or any(name == other and math.dist((x, y), at) < NEAR for other, *at in named):
            continue
        wide = text_width(name, SMALL)
        right, left, middle = x + MARK, x - MARK - wide, x - wide / 2
        for start, base in ((right, y - 3), (left, y - 3), (middle, y + MARK), (middle, y - MARK - 8), (right, y + 6),
                            (left, y + 6), (right, y - 13), (left, y - 13)):  # fmt: skip
            box = (start - 2, base - 3, start + wide + 2, base + SMALL)
            inside = box[0] >= 0 and box[1] >= 0 and box[2] <= size[0] and box[3] <= size[1]
            if inside and not any(_meet(box, other) for other in taken):
                taken.append(box)
                named.append((name, x, y))
                axes.text(start / size[0], base / size[1], name, transform=axes.transAxes, size=SMALL, color=INK,
                          va="baseline")  # fmt: skip
                break


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _span(intervals: Sequence[Interval], singles: Sequence[float]) -> tuple[float, float]:
    """From the least to the greatest mark, and the intervals as far as they do not dwarf them."""
    values = [*(i.mean for i in intervals), *singles]
    low, high = min(values), max(values)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    ends = [v for i in intervals for v in (i.low, i.high) if v is not None and (v > 0 or low <= 0)]
    return max(min([low, *ends]), low - spread / 2, low / 2), min(max([high, *ends]), high + spread / 2)
