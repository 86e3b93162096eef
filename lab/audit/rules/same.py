"""Rules about what both sides train: the same rows and the same body."""

from __future__ import annotations

from lab.audit.evidence import Evidence, Finding, failed, named, passed, unknown
from lab.report.numbers import plain
from lab.report.text import counted

APART = 0.05


def different_data(evidence: Evidence) -> Finding:
    """Equal digests mean equal rows in equal splits."""
    runs = evidence.records.counted
    bad: list[str] = []
    for (dataset, _), group in runs[runs["digest"] != ""].groupby(["dataset", "network"]):
        seen = group.groupby("trainer")["digest"].agg(frozenset)
        by_seed = group.groupby(["seed", "trainer"])["digest"].agg(frozenset).groupby("seed").nunique()
        if seen.nunique() > 1 or by_seed.max() > 1:
            bad += list(group["run_id"])
            name = dataset
    if bad:
        return failed(f"Trainers were given {name} with different rows or splits (digests differ).", bad)
    if runs.empty or (runs["digest"] == "").any():
        return unknown("Some runs recorded no digest of their data.")
    return passed("All trainers were given the same rows in the same splits, by SHA-256.")


def different_bodies(evidence: Evidence) -> Finding:
    """Both sides are to train the same body, and networks whose parameters differ by no more than 5 %."""
    bad: list[str] = []
    words: list[str] = []
    silent = not evidence.comparisons
    for c in evidence.comparisons:
        sides = [runs for _, runs in evidence.of(c).groupby("series")]
        bodies = {body for runs in sides for body in runs["body"]}
        sizes = [runs["parameters"].max() + runs["head_parameters"].fillna(0).max() for runs in sides]
        if len(bodies - {""}) > 1:
            words.append(f"{c.first} and {c.second} have blocks of different shapes or sizes")
        elif max(sizes) > (1 + APART) * min(sizes):
            words.append(f"{c.first} and {c.second} have {plain(min(sizes))} and {plain(max(sizes))} parameters")
        else:
            silent = silent or "" in bodies or any(size != size for size in sizes)
            continue
        bad += list(evidence.of(c)["run_id"])
    if bad:
        return failed(f"{'; '.join(dict.fromkeys(words))} ({counted(len(bad), 'run')}: {named(bad)}).", bad)
    if silent:
        return unknown("Some runs recorded no blocks or parameters.")
    return passed("Both sides train the same blocks, with parameters that differ by no more than 5 %.")
