"""Rules about seeds: each counted once, the same ones on both sides, enough of them."""

from __future__ import annotations

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.metrics import PRIMARY
from lab.report.significance import fewest_seeds
from lab.report.text import counted, listed

SERIES = ["data", "network", "series"]


def duplicate_seeds(evidence: Evidence) -> Finding:
    """One seed counted several times makes an interval narrower than it is.

    A run that has another's seed, or whose every figure is that of a run said to have another seed, repeats it.
    """
    runs = evidence.runs[evidence.runs["status"] == "ok"]
    seeded = runs[runs["seed"] != ""]
    again = list(seeded[seeded.duplicated([*SERIES, "seed"], keep=False)]["run_id"])
    # Equal accuracies are chance among a thousand rows; a loss that is equal to the last bit as well is not.
    figures = seeded.dropna(subset=["test_loss"])
    results = [metric.key for metric in PRIMARY.values()]
    alike = figures.duplicated([*SERIES, "test_loss", *results], keep=False)
    copies = [run for run in figures[alike]["run_id"] if run not in again]
    if again or copies:
        what = [f"{named(again)} share their seed"] * bool(again)
        what += [f"{named(copies)} have other seeds but the same results to the last bit"] * bool(copies)
        return failed(f"One seed is counted several times: {listed(what)}.", [*again, *copies])
    if len(seeded) < len(runs) or runs.empty:
        return unknown(f"{counted(len(runs) - len(seeded), 'run')} recorded no seed.")
    return passed("Each trainer has every seed once.")


def unpaired_seeds(evidence: Evidence) -> Finding:
    """Seeds share initial weights and data order: trainers are to be compared on the same ones."""
    if not evidence.comparisons:
        return unknown("No two trainers were run on the same network and data set.")
    lone: list[str] = []
    for c in evidence.comparisons:
        runs = evidence.of(c, evidence.runs)
        asked = {s: set(group["seed"]) - {""} for s, group in runs.groupby("series")}
        shared = asked.get(c.first, set()) & asked.get(c.second, set())
        lone += list(runs[(runs["seed"] != "") & ~runs["seed"].isin(shared)]["run_id"])
    if lone:
        return failed(f"The other trainer was not run with the seeds of {named(lone)}.", lone)
    if (evidence.used["seed"] == "").any():
        return unknown("Some runs recorded no seed, so it is not known which of them belong together.")
    return passed("Both sides of every comparison were run with the same seeds.")


def too_few_seeds(evidence: Evidence) -> Finding:
    """A difference is claimed at the 5 % level with fewer seeds than any p value below 5 % needs."""
    if not evidence.comparisons:
        return unknown("Nothing is compared, so nothing is claimed.")
    least, short = fewest_seeds(), []
    for c in evidence.comparisons:
        interval = c.difference.interval
        claims = interval.n > 0 and (interval.low is None or interval.excludes_zero)
        if claims and interval.n < least:
            short.append((interval.n, evidence.of(c)["run_id"]))
    if short:
        n = min(n for n, _ in short)
        return failed(
            f"A difference is claimed from {counted(n, 'paired seed')}, but a p value below 5 % needs {least}, "
            "whatever the runs say.",
            [run for _, runs in short for run in runs],
        )
    return passed(f"What is claimed rests on {least} paired seeds or more, or no difference is claimed.")
