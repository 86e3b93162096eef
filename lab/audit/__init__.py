"""The audit of a comparison: what a referee would ask of its runs, each question one small rule over their records.

    from lab.audit import audit
    findings = audit(Evidence(load_records(Path("runs"))))

A rule answers pass, fail or cannot tell, with one sentence and the runs at fault. Nothing here trains.
"""

from __future__ import annotations

from lab.audit.evidence import Evidence, Finding, judged
from lab.audit.rules import OF_PROTOCOL, RULES, audit

__all__ = ["OF_PROTOCOL", "RULES", "Evidence", "Finding", "audit", "judged"]
