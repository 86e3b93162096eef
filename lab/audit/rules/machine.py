"""Rules about the machine: one and the same, undisturbed, and no times from runs that were interrupted."""

from __future__ import annotations

import pandas as pd

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.extract import ENVIRONMENT
from lab.report.limits import BUSY
from lab.report.numbers import fixed
from lab.report.text import counted, listed

TIMES = ("samples_per_second", "train_seconds")
SHARE = 0.1  # of the cores, that others kept busy while a run lasted
UNCLAIMED = "The protocol claims no times, and none is shown."


def _unclaimed(evidence: Evidence) -> bool:
    ledger = evidence.records.ledger
    return ledger is not None and not ledger.protocol.timed


def mixed_machines(evidence: Evidence) -> Finding:
    """Times and memory are comparable on one device, with equal threads, kernels, libraries and code."""
    runs = evidence.used
    keys = [*ENVIRONMENT, "code_version"]
    parts = [evidence.of(c) for c in evidence.comparisons] or [runs]
    bad: list[str] = []
    mixed: dict[str, set[str]] = {}
    for part in parts:
        for key in keys:
            values = set(part[key]) - {""}
            if len(values) > 1:
                mixed.setdefault(key, set()).update(values)
                usual = part[key].mode().iloc[0]
                bad += list(part[~part[key].isin(["", usual])]["run_id"])
    if mixed:
        shown = [f"{k.replace('_', ' ')} ({', '.join(sorted(v)[:3])})" for k, v in mixed.items()]
        return failed(f"Runs that are compared differ in {listed(shown)}.", bad)
    silent = [key for key in ("device", "threads", "kernels") if runs.empty or (runs[key] == "").any()]
    if silent:
        return unknown(f"Some runs did not record their {listed(silent)}.")
    return passed("All were made on one device, with the same threads, kernels, libraries and code.")


def resumed_timings(evidence: Evidence) -> Finding:
    """A resumed run may have trained on two machines, so its times are left out; then speed rests on fewer seeds."""
    if _unclaimed(evidence):
        return passed(UNCLAIMED)
    lost, short = list[str](), list[str]()
    for c in evidence.comparisons:
        runs = evidence.of(c)
        resumed = list(runs[runs["resumed"].astype(bool)]["run_id"])
        lost += resumed
        if resumed and c.speed.interval.n < c.difference.interval.n:
            short.append(f"speeds rest on {c.speed.interval.n} of {counted(c.difference.interval.n, 'paired seed')}")
    if short:
        return failed(f"{named(lost)} went on from a checkpoint and have no times: {short[0]}.", lost)
    if evidence.used[list(TIMES)].isna().all(axis=None):
        return unknown("No run recorded times.")
    return passed("No time is from a run that was interrupted.")


def beside_load(evidence: Evidence) -> Finding:
    """Work of others on the same machine slows a run down, and not both sides alike."""
    if _unclaimed(evidence):
        return passed(UNCLAIMED)
    runs = evidence.used
    timed = runs[runs[list(TIMES)].notna().any(axis=1)]
    if timed.empty:
        return unknown("No run recorded times.")
    cores = pd.to_numeric(timed["cores"], errors="coerce")
    by_kernel = timed["others_cores"].notna()
    disturbed = (timed["others_cores"] > SHARE * cores) | (~by_kernel & (timed["load"] > BUSY * cores))
    bad = timed[disturbed]
    if len(bad):
        worst = bad["others_cores"].max() if bad["others_cores"].notna().any() else bad["load"].max()
        what = "others kept up to {} cores busy" if bad["others_cores"].notna().any() else "load average up to {}"
        return failed(
            f"{counted(len(bad), 'run')} of {len(timed)} shared the machine with other work "
            f"({what.format(fixed(float(worst), 1))} of {int(cores.max())}).",
            bad["run_id"],
        )
    if (~by_kernel & timed["load"].isna()).any() or cores.isna().any():
        return unknown("Some runs recorded times but not what else the machine did.")
    return passed("No run shared its machine with other work, as far as the kernel's counts or the load average say.")
