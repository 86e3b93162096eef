"""A figure: panels and their key, its words, and its files; and what all figures of one report share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup
from PIL import Image

from lab.report import svg
from lab.report.anchors import MOST_RUNS
from lab.report.load import Records
from lab.report.panel import Key, Panel, key_panel
from lab.report.statistics import mean_interval
from lab.report.style import PAPER, PNG_SCALE, WIDTH, series_style
from lab.report.text import counted, listed

COLUMNS, STACKS = 2, 3
GUESSES = "chance"
MOST_MARKS = 60  # of single runs of a series: more are a smear


@dataclass(frozen=True)
class Figure:
    """A figure ready to be placed: panels and key, caption, and `missing` (why it has none) in their place.

    `stack` panels each belong together; three stacks stand side by side where there is room.
    """

    key: str
    title: str
    caption: str
    panels: tuple[Panel, ...] = ()
    legend: Panel | None = None
    missing: str = ""
    notes: tuple[str, ...] = ()
    stack: int = 1

    @property
    def alt(self) -> str:
        """What the whole figure shows, in words."""
        return f"{self.title}. " + " ".join(p.alt for p in self.panels)

    @property
    def stacked(self) -> bool:
        """Whether there are three stacks of panels, one for each column."""
        return self.stack > 1 and len(self.panels) == STACKS * self.stack

    @property
    def columns(self) -> int:
        """Panels side by side in the files."""
        return STACKS if self.stacked else min(COLUMNS, len(self.panels))

    @property
    def by_rows(self) -> list[Panel]:
        """The panels as the files show them, row by row."""
        return [p for i in range(self.stack) for p in self.panels[i :: self.stack]] if self.stacked else [*self.panels]

    def save(self, folder: Path) -> None:
        """Writes <key>.svg and <key>.png into the folder."""
        legend = None if self.legend is None else self.legend.element
        text = svg.compose(legend, [p.element for p in self.by_rows], self.columns, self.alt)
        (folder / f"{self.key}.svg").write_text(text, encoding="utf-8")
        self._picture(folder / f"{self.key}.png")

    def _picture(self, path: Path) -> None:
        gap = round(24 * PNG_SCALE)
        panels = self.by_rows
        rows = [panels[i : i + self.columns] for i in range(0, len(panels), self.columns)]
        heights = [max(p.pixels.height for p in row) + gap // 2 for row in rows]
        above = 0 if self.legend is None else self.legend.pixels.height
        step = round(WIDTH * PNG_SCALE) + gap
        sheet = Image.new("RGB", (step * self.columns, gap // 2 + above + sum(heights)), PAPER)
        if self.legend is not None:
            sheet.paste(self.legend.pixels, (gap // 2, gap // 2), self.legend.pixels)
        top = gap // 2 + above
        for row, height in zip(rows, heights, strict=True):
            for column, panel in enumerate(row):
                sheet.paste(panel.pixels, (gap // 2 + column * step, top), panel.pixels)
            top += height
        sheet.save(path)


class Look:
    """What the figures of one set of records share: a series has the same colour and marker in all of them.

    `runs` are the runs that count, `settings` their pairs of data set and network, `mean` says what a mark stands for
    ("the mean over 3 seeds"), `spread` whether there are intervals, `doubt` why times may not be compared, `most` the
    most runs of a series, `listed` whether every run has a row on the page.
    """

    def __init__(self, records: Records, doubt: str = "") -> None:
        self.doubt = doubt
        # what nobody trained stands in the tables: on the scale of a figure all others would be one point
        self._guesses = set(records.counted["trainer"]) > {GUESSES}
        self.records, self.runs = records, self._drawn(records.counted)
        order = self.runs["family"].map(lambda f: {"backprop": 0, "forward_forward": 1}.get(f, 2))
        names = dict.fromkeys(self.runs.assign(order=order).sort_values("order", kind="stable")["series"])
        self.styles = {name: series_style(i) for i, name in enumerate(names)}
        self.settings = list(dict.fromkeys(zip(self.runs["data"], self.runs["network"], strict=True)))
        sizes = self.runs.groupby(["data", "network", "series"])["run_id"].count()
        low, high = int(sizes.min()), int(sizes.max())
        self.most, self.listed = high, len(records.runs) <= MOST_RUNS
        self.spread, self._uneven = high > 1, low != high
        seeds = counted(low, "seed") if low == high else f"{low} to {high} seeds"
        self.mean = f"the mean over {seeds}" if high > 1 else "one run of one seed"

    def counted(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of a frame that belong to runs which count."""
        return self._drawn(frame[frame["counted"].astype(bool)])

    def _drawn(self, frame: pd.DataFrame) -> pd.DataFrame:
        return frame[frame["trainer"] != GUESSES] if self._guesses else frame

    def label(self, series: str, n: int) -> str:
        """A series' name, with its number of seeds where not all have the same."""
        return f"{series} ({counted(n, 'seed')})" if self._uneven else series

    def legend(self, key: str, series: set[str]) -> Panel:
        """The key to the colours of these series."""
        return key_panel(f"{key}-key", [Key(s, *style) for s, style in self.styles.items() if s in series])


def few(rows: pd.DataFrame, column: str) -> pd.DataFrame:
    """At most `MOST_MARKS` of the rows, evenly chosen by rank in a column, the least and the largest among them."""
    if len(rows) <= MOST_MARKS:
        return rows
    ranks = np.linspace(0, len(rows) - 1, MOST_MARKS).round().astype(int)
    return rows.sort_values(column, kind="stable").iloc[ranks]


def band(values: pd.Series) -> tuple[float, float]:
    """The ends of the interval around the mean of some values; NaN where there is none."""
    interval = mean_interval([float(v) for v in values])
    if interval.low is None or interval.high is None:
        return math.nan, math.nan
    return interval.low, interval.high


def spoken(values: Mapping[str, str]) -> str:
    """Names and values as part of a sentence."""
    return ", ".join(f"{name} {value}" for name, value in values.items())


def not_drawn(settings: list[str]) -> tuple[str, ...]:
    """The remark that some networks on some data sets are not in a figure."""
    return (f"Not drawn, since its records lack the numbers: {listed(settings)}.",) if settings else ()


def on_page(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """What a page's template reads of each figure, its drawings as markup that needs no escaping any more."""
    return [
        {
            "key": f.key, "title": f.title, "caption": f.caption, "missing": f.missing, "notes": f.notes,
            "legend": Markup(svg.inline(f.legend.element, f.legend.alt)) if f.legend else "",
            "stacked": f.stacked, "stack": f.stack, "panels": [Markup(svg.inline(p.element, p.alt)) for p in f.panels],
        }
        for f in figures
    ]  # fmt: skip
