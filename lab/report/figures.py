"""The figures of a report, in their order. Each is drawn, or says why it cannot be.

A figure is a key and panels 360 units wide. The page sets the panels side by side or one below the other as it has
room; the SVG and PNG files hold them in two columns. Imported only when drawing: it needs matplotlib and seaborn.
"""

from __future__ import annotations

from lab.report import figures_of_lines as lines
from lab.report import figures_of_rows as rows
from lab.report.figure import Figure, Look
from lab.report.figures_of_costs import pareto
from lab.report.figures_of_diagnostics import diagnostics
from lab.report.figures_of_effort import effort
from lab.report.load import Records
from lab.report.metrics import DIAGNOSTICS
from lab.report.style import styled

KEYS = ("accuracy", "throughput", "memory", "time", "curves_epochs", "curves_seconds", "curves_flops", "blocks")
UNCLAIMED = "By its protocol this comparison claims no times."
# Not missed where nothing can be weighed, no energy was measured, nothing was tried or diagnosed.
OPTIONAL = ("pareto", "curves_joules", "budget", "sizes", *(f"diagnose_{name}" for name in DIAGNOSTICS))


def make_figures(records: Records, doubt: str = "") -> list[Figure]:
    """Draws every figure that the records have numbers for; the others say what is missing.

    `doubt` is a sentence on why times may not be compared; nothing where they may.
    """
    if records.counted.empty:
        why = "No run ended ok with a test result, so there is nothing to draw."
        return [Figure("none", "Figures", "", missing=why)]
    timed = records.ledger is None or records.ledger.protocol.timed
    look = Look(records, doubt if timed else UNCLAIMED)
    with styled():
        return [
            *pareto(look),
            rows.accuracy(look),
            *([rows.throughput(look)] if timed else []),
            rows.memory(look),
            *([rows.time(look)] if timed else []),
            lines.curves(look),
            *([lines.curves(look, lines.SECONDS)] if timed else []),
            lines.curves(look, lines.OPERATIONS),
            *([joules] if not (joules := lines.curves(look, lines.ENERGY)).missing else []),
            *effort(look),
            lines.blocks(look),
            *diagnostics(look),
        ]
