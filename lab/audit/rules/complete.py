"""The rule about what is not there: planned runs that are missing, and runs that did not end ok."""

from __future__ import annotations

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.text import counted, listed
from lab.report.variants import settings


def left_out(evidence: Evidence) -> Finding:
    """Means over those that ended well flatter a trainer that often does not.

    Of the plans' runs those count that have the options of runs in the records, whatever their seed; and those that a
    comparison's ledger names.
    """
    runs = evidence.runs
    ended = runs[runs["status"] != "ok"]
    counts = ended["status"].value_counts()
    words = [f"{n} {str(status).replace('_', ' ')}" for status, n in counts.items()]
    known = [dict(options) for options in evidence.records.settings.values() if options]
    ledger = evidence.records.ledger
    absent = [
        str(run["run_id"])
        for run in evidence.planned or ()
        if run["run_id"] not in set(runs["run_id"]) and settings(run.get("config")) in known
    ] or [name for name in (ledger.runs if ledger is not None else ()) if name not in set(runs["run_id"])]
    if absent:
        words.append(f"{len(absent)} planned and not among these records")
    if words:
        bad = [*ended["run_id"], *absent]
        return failed(f"Means leave out {counted(len(bad), 'run')} ({listed(words)}): {named(bad)}.", bad)
    if evidence.planned is None and evidence.records.expected is None and ledger is None:
        return unknown("There is no plan of a sweep, so runs that were thrown away would not be seen.")
    return passed("Every planned run is here and ended ok.")
