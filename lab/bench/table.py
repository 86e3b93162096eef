"""A small table of texts: aligned for a terminal, or as Markdown. Its first column is words, the others are numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.report.text import markdown


@dataclass(frozen=True)
class Table:
    """Headings and rows of equal length; a column in which no row has a text is left out."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str]]

    def filled(self) -> Table:
        """Without its empty columns."""
        kept = [j for j in range(len(self.headings)) if not j or any(row[j] for row in self.rows)]
        return Table([self.headings[j] for j in kept], [[row[j] for j in kept] for row in self.rows])

    def text(self) -> str:
        """Aligned columns, with a line under the headings."""
        table = self.filled()
        grid = [list(table.headings), *(list(row) for row in table.rows)]
        widths = [max(len(row[j]) for row in grid) for j in range(len(table.headings))]
        grid.insert(1, ["-" * width for width in widths])
        return "\n".join("  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in grid)

    def markdown(self) -> str:
        """A pipe table."""
        table = self.filled()
        lines = [
            [markdown(heading) for heading in table.headings],
            [":---", *["---:"] * (len(table.headings) - 1)],
            *([markdown(cell) for cell in row] for row in table.rows),
        ]
        return "".join(f"| {' | '.join(line)} |\n" for line in lines)
