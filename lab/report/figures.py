"""The figures of a report, in their order. Each is drawn, or says why it cannot be.

A figure is a key and panels 360 units wide. The page sets the panels side by side or one below the other as it has
room; the SVG and PNG files hold them in two columns. Imported only when drawing: it needs matplotlib and seaborn.
"""

from __future__ import annotations

from lab.report import figures_of_lines as lines
from lab.report import figures_of_rows as rows
from lab.report.figure import Figure, Look
from lab.report.figures_of_diagnostics import diagnostics
from lab.report.load import Records
from lab.report.metrics import DIAGNOSTICS
from lab.report.style import styled

KEYS = ("accuracy", "throughput", "memory", "time", "curves_epochs", "curves_seconds", "blocks")
OPTIONAL = tuple(f"diagnose_{name}" for name in DIAGNOSTICS)  # not missed where nothing was diagnosed


def make_figures(records: Records) -> list[Figure]:
    """Draws every figure that the records have numbers for; the others say what is missing."""
    if records.counted.empty:
        why = "No run ended ok with a test result, so there is nothing to draw."
        return [Figure("none", "Figures", "", missing=why)]
    look = Look(records)
    timed = records.ledger is None or records.ledger.protocol.timed
    with styled():
        return [
            rows.accuracy(look),
            *([rows.throughput(look)] if timed else []),
            rows.memory(look),
            *([rows.time(look)] if timed else []),
            lines.curves(look, "epoch"),
            *([lines.curves(look, "elapsed")] if timed else []),
            lines.blocks(look),
            *diagnostics(look),
        ]
