"""A panel of rows: under each label a mean with its interval and seeds, a bar, or stacked parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from lab.report.anchors import Link
from lab.report.numbers import plain
from lab.report.panel import SIDE, SUBTITLE, TITLE, Panel, axes_in, finish, fit, put_titles, round_ticks, text_width
from lab.report.statistics import Interval
from lab.report.style import GRID, INK, MUTED, TEXT, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROW, HEADING, TICKS = 35.0, 24.0, 20.0


@dataclass(frozen=True)
class Row:
    """A line of a row panel: under its label and value text a mean with interval, single seeds, or stacked parts.

    `short` is written instead of `value` where the label leaves it no room.
    """

    label: str
    value: str
    short: str = ""
    colour: str = MUTED
    marker: str = "o"
    interval: Interval | None = None
    points: tuple[float, ...] = ()
    links: tuple[Link, ...] = ()  # of the points, one each; none where they lead nowhere
    link: Link | None = None  # of the mean
    parts: tuple[tuple[float, str], ...] = ()


def rows_panel(
    prefix: str,
    title: str,
    subtitle: str,
    groups: Mapping[str, Sequence[Row]],
    alt: str,
    *,
    from_zero: bool,
) -> Panel:
    """Draws headed groups of rows over one common scale; with `from_zero` means are bars, else marks."""
    head = TITLE + SUBTITLE + 4
    body = sum(HEADING + ROW * len(rows) for rows in groups.values())
    canvas, axes = axes_in(head, body, TICKS, SIDE, SIDE + 2)
    put_titles(canvas, title, subtitle)
    rows = [row for group in groups.values() for row in group]
    low, high = (0.0, _top(rows)) if from_zero else mark_range(rows)
    axes.set_xlim(low, high)
    axes.set_ylim(body, 0)
    axes.xaxis.set_major_locator(FixedLocator(round_ticks(low, high, WIDTH - 2 * SIDE - 2, SIDE)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: plain(v)))
    axes.yaxis.set_major_locator(NullLocator())
    y = 0.0
    for name, group in groups.items():
        axes.text(0, y + 15, fit(name, WIDTH - 2 * SIDE, TEXT, "bold"), transform=axes.get_yaxis_transform(),
                  weight="bold", va="baseline")  # fmt: skip
        y += HEADING
        for row in group:
            _row(axes, row, y, (low, high), from_zero)
            y += ROW
    links = [link for row in rows for link in (*row.links, *([row.link] if row.link else ()))]
    return finish(canvas, prefix, alt, links)


def _row(axes: Axes, row: Row, y: float, limits: tuple[float, float], from_zero: bool) -> None:
    across = axes.get_yaxis_transform()
    space, value = WIDTH - 2 * SIDE - 14, row.value
    if row.short and text_width(row.label) + text_width(value) > space:
        value = row.short
    axes.text(0, y + 11, fit(row.label, space - text_width(value)), transform=across, va="baseline")
    axes.text(1, y + 11, value, transform=across, ha="right", va="baseline", color=MUTED)
    middle, start = y + 22, 0.0
    # Grid lines stand beside the marks only: across the text they would read as strokes of letters.
    axes.vlines(axes.get_xticks(), y + 16, y + 29, color=GRID, lw=0.8, zorder=0)
    for size, colour in row.parts:
        axes.barh(middle, size, 9, left=start, color=colour, linewidth=0)
        start += size
    if row.interval is None:
        return
    low, high = (row.interval.mean if v is None else v for v in (row.interval.low, row.interval.high))
    if from_zero:
        axes.barh(middle, row.interval.mean, 9, color=row.colour, linewidth=0)
        axes.plot([max(low, limits[0]), min(high, limits[1])], [middle, middle], color=INK, lw=1.2)
        return
    axes.plot([max(low, limits[0]), min(high, limits[1])], [middle, middle], color=row.colour, lw=1.6)
    for end, limit, arrow in ((low, limits[0], "<"), (high, limits[1], ">")):
        if (end < limit) if arrow == "<" else (end > limit):
            axes.plot([limit], [middle], marker=arrow, ms=5, color=row.colour, clip_on=False, mew=0)
    anchors: Sequence[str | None] = [link.anchor for link in row.links] or [None] * len(row.points)
    for point, anchor in zip(row.points, anchors, strict=True):
        axes.plot([point], [middle], "|", ms=9, mew=1.0, color=INK, alpha=0.55, clip_on=False, url=anchor)
    url = None if row.link is None else row.link.anchor
    axes.plot([row.interval.mean], [middle], row.marker, ms=7, color=row.colour, mew=0, clip_on=False, url=url)


def mark_range(rows: Sequence[Row]) -> tuple[float, float]:
    """The scale of marks: all seeds, and intervals as far as they do not dwarf them (twice the seeds' spread)."""
    points = [p for row in rows for p in row.points]
    low, high = min(points), max(points)
    spread = (high - low) or abs(high) * 0.1 or 1.0
    ends = [v for r in rows if r.interval for v in (r.interval.low, r.interval.high) if v is not None]
    low = max(min([low, *ends]), low - 2 * spread)
    high = min(max([high, *ends]), high + 2 * spread)
    pad = 0.06 * (high - low) if high > low else spread
    return (max(0.0, low - pad) if min(points) >= 0 else low - pad), high + pad


def _top(rows: Sequence[Row]) -> float:
    """The scale of bars: the longest bar, and the interval's end where it is no more than half as far again."""
    lengths = [max(sum(p for p, _ in r.parts), r.interval.mean if r.interval else 0.0) for r in rows]
    longest = max(lengths) or 1.0
    ends = [r.interval.high for r in rows if r.interval and r.interval.high is not None]
    return 1.04 * min(max([longest, *ends]), 1.5 * longest)
