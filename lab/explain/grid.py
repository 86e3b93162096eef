"""Arrays as small grids of text: four decimals, and of a large array its beginning."""

from __future__ import annotations

from dataclasses import dataclass

from lab.explain.trace import Value
from lab.report.numbers import fixed, significant

ROWS, COLUMNS = 6, 6


@dataclass(frozen=True)
class Grid:
    """A value to be shown: what it is called, its shape, and rows of cells; `left` says what is not shown."""

    letter: str
    name: str
    shape: str
    rows: list[list[str]]
    left: str = ""

    @property
    def heading(self) -> str:
        """The formula's letter, and the array's name where that says more."""
        return self.letter if self.name in ("", self.letter) else f"{self.letter} = {self.name}"


def grid(value: Value) -> Grid:
    """The grid of an array; of more than two axes the first entry of each leading one."""
    table, left = value.array, []
    while table.ndim > 2:
        if len(table) > 1:
            left.append(f"1 of {len(table)}")
        table = table[0]
    table = table.reshape(-1, table.shape[-1]) if table.ndim else table.reshape(1, 1)
    height, width = table.shape
    rows = [[number(v) for v in row[:COLUMNS]] + ["…"] * (width > COLUMNS) for row in table[:ROWS]]
    if height > ROWS:
        rows.append(["⋮"] * len(rows[0]))
    shape = str(value.array.shape) if value.array.ndim else ""
    return Grid(value.letter, value.name, shape, rows, ", ".join(left))


def number(value: float) -> str:
    """A number of an array: whole ones as such, others with four decimals, tiny ones with two digits."""
    found = float(value)
    if found == 0 or (found.is_integer() and abs(found) < 1e6):
        return fixed(found, 0)
    if abs(found) >= 0.001:
        return fixed(found, 4)
    return significant(found, 2)


def grids(values: tuple[Value, ...]) -> list[Grid]:
    """The grids of several arrays."""
    return [grid(value) for value in values]
