"""What a table is made of, before any markup: a cell keeps the text to show and the number to sort by."""

from __future__ import annotations

import math
from dataclasses import dataclass

DASH = "\u2013"
CHOSEN = ("trainer", "network", "data", "status")  # text columns by whose values a reader picks rows


@dataclass(frozen=True)
class Cell:
    """One cell: `text` to show, `number` to sort by (NaN for text), `run` when it leads to a run's folder."""

    text: str
    number: float = math.nan
    run: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Column:
    """A heading and its unit; numeric columns are set to the right."""

    label: str
    numeric: bool = False
    unit: str = ""

    @property
    def heading(self) -> str:
        """Label and unit in one: "test error, %"."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def choose(self) -> bool:
        """Whether the page offers this column's values to pick rows by."""
        return not self.numeric and self.label in CHOSEN


@dataclass(frozen=True)
class Table:
    """A table; the first column of each row is its heading. `anchors`: ids of the rows that figures lead to."""

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    anchors: tuple[str, ...] = ()
