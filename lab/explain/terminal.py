"""The story as text for a terminal."""

from __future__ import annotations

import textwrap

from lab.explain.grid import Grid
from lab.explain.story import CHANGING, Column, Operation, Story, bars
from lab.explain.trace import Moment
from lab.report.numbers import plain

MARKS = dict(zip(CHANGING, "drago", strict=True))  # the bar's letters: data, readout, activations, gradients, workspace
BAR = 32


def as_text(told: Story, width: int = 100) -> str:
    """The whole story: what it shows, memory moment by moment, then every operation of every trainer."""
    width = max(60, width)
    lines = [told.title, "=" * len(told.title), ""]
    for sentence in (*told.answers, "", *told.setting):
        lines += textwrap.wrap(sentence, width) or [""]
    for column in told.columns:
        lines += ["", *_memory(column, told, width)]
    for table in told.deeper:
        lines += ["", f"Peak bytes of {table.kind} by number of blocks"]
        room = max(map(len, table.trainers)) + 2
        lines += [f"{'blocks':>8}" + "".join(f"{name:>{room}}" for name in table.trainers)]
        lines += [f"{depth:>8}" + "".join(f"{plain(n):>{room}}" for n in numbers) for depth, numbers in table.rows]
    for column in told.columns:
        lines += ["", "", column.title, "-" * len(column.title)]
        for fact in column.facts:
            lines += textwrap.wrap(fact, width)
        for place, operations in column.places:
            lines += ["", place]
            for operation in operations:
                lines += [f"  {line}".rstrip() for line in _operation(operation, width - 2)]
    return "\n".join(lines) + "\n"


def _memory(column: Column, told: Story, width: int) -> list[str]:
    letters = ", ".join(f"{MARKS[kind]} {kind}" for kind in told.kinds)
    lines = [f"{column.title}: bytes in memory after each part of the step ({letters})"]
    for moment in column.moments:
        row = f"  {moment.place:<18.18} {plain(moment.of(*CHANGING)):>7}  {_bar(moment, told.most):<{BAR}}  "
        words = [name.replace(" ", "\u00a0") for name in (*moment.alive, *moment.gone)]
        if moment.gone:
            words.insert(len(moment.alive), "(gone:")
            words[-1] += ")"
        names = textwrap.wrap(" ".join(words), max(20, width - len(row)))
        lines += [f"{row}{names[0] if names else ''}".rstrip(), *(" " * len(row) + more for more in names[1:])]
    return [line.replace("\u00a0", " ") for line in lines]


def _bar(moment: Moment, most: int) -> str:
    """A letter for each BAR-th part of the most bytes, rounded where a kind ends, so that lengths add up."""
    drawn, total = "", 0
    for kind, n in bars(moment):
        total += n
        drawn += MARKS[kind] * (round(BAR * total / most) - len(drawn))
    return drawn


def _operation(operation: Operation, width: int) -> list[str]:
    remark = f"   [{operation.remark}]" if operation.remark else ""
    lines = [f"{operation.part} {operation.action}{remark}"]
    for formula in operation.formula:
        lines += textwrap.wrap(formula, width, initial_indent="  ", subsequent_indent="      ")
    for mark, grids in (("", operation.reads), ("->", operation.makes)):
        lines += [
            f"  {mark:<3}{line}" if i == 0 else f"     {line}" for i, line in enumerate(_beside(grids, width - 5))
        ]
    return lines


def _beside(grids: list[Grid], width: int) -> list[str]:
    """Grids side by side, as many as there is room for, then the next ones below."""
    lines: list[str] = []
    row: list[list[str]] = []
    for block in map(_block, grids):
        if row and sum(len(b[0]) + 3 for b in row) + len(block[0]) > width:
            lines += _joined(row)
            row = []
        row.append(block)
    return lines + _joined(row)


def _block(grid: Grid) -> list[str]:
    columns = [max(len(cell) for cell in column) for column in zip(*grid.rows, strict=True)]
    body = ["[" + "  ".join(c.rjust(w) for c, w in zip(row, columns, strict=True)) + "]" for row in grid.rows]
    head = " ".join(part for part in (grid.heading, grid.shape, grid.left) if part)
    width = max(map(len, [head, *body]))
    return [line.ljust(width) for line in [head, *body]]


def _joined(row: list[list[str]]) -> list[str]:
    height = max(map(len, row), default=0)
    filled = [block + [" " * len(block[0])] * (height - len(block)) for block in row]
    return ["   ".join(parts) for parts in zip(*filled, strict=True)]
