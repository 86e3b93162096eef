"""The audit as a report shows it: words and a colour at the top, and a table of all rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lab.audit.evidence import Evidence, Finding, Verdict
from lab.report.table import DASH, Cell, Column, Table
from lab.report.text import counted, short_id

SHOWN = 8
OF_TIMES = ("beside_load", "resumed_timings", "mixed_machines")
MARKS: dict[Verdict, str] = {"fail": "\u2717 fail", "pass": "\u2713 pass", "cannot tell": "? cannot tell"}


@dataclass(frozen=True)
class Banner:
    """What stands at a report's top: `kind` chooses the colour, and `words` say the same without one."""

    kind: str
    words: str
    sentences: tuple[str, ...] = ()


def banner(evidence: Evidence, findings: Sequence[Finding]) -> Banner:
    """How the audit came out, with every failure's sentence."""
    bad = [f for f in findings if f.verdict == "fail"]
    silent = [f for f in findings if f.verdict == "cannot tell"]
    asked = f"{counted(len(bad), 'rule')} of {len(findings)}"
    if bad:
        compared = evidence.comparisons
        hit = sum(any(evidence.hit(f, c) for f in bad) for c in compared)
        whom = f"{hit} of {counted(len(compared), 'comparison')}"
        if hit == len(compared):
            whom = "the comparison" if hit == 1 else f"all {hit} comparisons"
        said = tuple(f"{f.title.capitalize()}. {f.sentence}" for f in bad)
        return Banner("fail", f"Audit failed: {asked} found a fault{f' in {whom}' if compared else ''}.", said)
    if silent:
        return Banner("open", f"Audit passed as far as recorded: {len(silent)} of {len(findings)} rules cannot tell.")
    return Banner("pass", f"Audit passed: all {len(findings)} rules.")


def doubt_of_times(findings: Sequence[Finding]) -> str:
    """Why times may not be compared, as one sentence; nothing where they may."""
    found = [f.sentence for f in findings if f.rule in OF_TIMES and f.verdict == "fail"]
    return f"Times may not be compared: {found[0][0].lower()}{found[0][1:]}" if found else ""


def audit_table(findings: Sequence[Finding]) -> Table:
    """One row a rule."""
    rows = []
    for finding in findings:
        ids = [short_id(run) for run in finding.runs]
        more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
        rows.append((
            Cell(finding.title), Cell(MARKS[finding.verdict], strong=finding.verdict == "fail"),
            Cell(finding.sentence), Cell(", ".join(ids[:SHOWN]) + more or DASH),
        ))  # fmt: skip
    caption = "What a referee would ask of these runs, answered from their records alone; `lab audit` says the same."
    columns = tuple(map(Column, ("rule", "verdict", "finding", "runs at fault")))
    return Table("audit", "Audit", caption.replace("`", ""), columns, tuple(rows))
