"""Tables as LaTeX and as Markdown, and all runs as CSV, each with its own escaping."""

from __future__ import annotations

import csv
import io
import math
from urllib.parse import quote

from lab.report import text
from lab.report.extract import COLUMNS, KEYS
from lab.report.load import Records
from lab.report.table import Cell, Table

HIDDEN = ("folder", "right")


def latex(table: Table) -> str:
    """A booktabs table, ready for \\input; numbers stand to the right."""
    columns = "".join("r" if c.numeric else "l" for c in table.columns)
    head = " & ".join(text.latex(c.heading) for c in table.columns)
    body = "".join(" & ".join(text.latex(c.text) for c in row) + " \\\\\n" for row in table.rows)
    return (
        "% \\usepackage{booktabs,textcomp} and an engine that reads UTF-8\n"
        f"\\begin{{table}}\n\\centering\n\\caption{{{text.latex(table.caption)}}}\n\\label{{tab:{table.key}}}\n"
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{head} \\\\\n\\midrule\n{body}\\bottomrule\n"
        "\\end{tabular}\n\\end{table}\n"
    )


def markdown(table: Table, links: dict[str, str]) -> str:
    """A pipe table; a run's cell leads to its folder."""

    def cell(cell: Cell) -> str:
        shown = text.markdown(cell.text)
        return f"[{shown}]({links[cell.run]})" if links.get(cell.run) else shown

    lines = [
        [text.markdown(c.heading) for c in table.columns],
        ["---:" if c.numeric else ":---" for c in table.columns],
        *([cell(c) for c in row] for row in table.rows),
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def runs_csv(records: Records) -> str:
    """One line a run, every column of `runs` but the folder, in full precision: fractions, bytes and seconds."""
    first = ["run_id", "status", "reason", *(k for k in KEYS if k != "run_id")]
    order = first + [c for c in COLUMNS["runs"] if c not in (*first, *HIDDEN)]
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(order)
    columns = [[_value(value) for value in records.runs[name].to_numpy(object)] for name in order]
    writer.writerows(zip(*columns, strict=True))
    return target.getvalue()


def _value(value: object) -> object:
    if isinstance(value, str):
        return text.csv(value)
    if isinstance(value, float):
        return "" if math.isnan(value) else int(value) if value.is_integer() and abs(value) < 2**53 else repr(value)
    return value


def link(path: str) -> str:
    """A relative path as a link: quoted, and begun with ./ so that no folder name can be read as a scheme."""
    return quote(path if path.startswith(("/", "./", "../")) else f"./{path}", safe="/.~-_")
