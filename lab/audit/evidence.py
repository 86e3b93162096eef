"""What rules look at, and what they answer with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

import pandas as pd

from lab.report.compare import Comparison, compare
from lab.report.load import Records
from lab.report.text import counted, listed, short_id

Verdict = Literal["pass", "fail", "cannot tell"]
NAMED = 4  # runs that a sentence names before it counts the rest


@dataclass(frozen=True)
class Finding:
    """The answer of one rule: its verdict, one plain sentence, and the ids of the runs at fault."""

    verdict: Verdict
    sentence: str
    runs: tuple[str, ...] = ()
    rule: str = ""

    @property
    def title(self) -> str:
        """The rule's name in words."""
        return self.rule.replace("_", " ")


@dataclass(frozen=True)
class Evidence:
    """The records, what was planned, and the comparisons that are made of them.

    planned: the runs of the sweeps' plans, {"run_id": ..., "config": {...}}; None where no plan was found
    """

    records: Records
    planned: Sequence[Mapping[str, Any]] | None = None
    made: Sequence[Comparison] | None = field(default=None, repr=False)

    @cached_property
    def comparisons(self) -> list[Comparison]:
        """Those given, else those that a report makes of the records."""
        return list(self.made) if self.made is not None else compare(self.records)

    @property
    def runs(self) -> pd.DataFrame:
        """All runs, one a row: see `lab.report.load`."""
        return self.records.runs

    @cached_property
    def used(self) -> pd.DataFrame:
        """The runs that enter a comparison; all that enter means where there is none."""
        runs = self.records.counted
        return runs[runs["run_id"].isin(self._ids(runs))] if self.comparisons else runs

    def _ids(self, runs: pd.DataFrame) -> set[str]:
        return {run for c in self.comparisons for run in self.of(c, runs)["run_id"]}

    def of(self, comparison: Comparison, runs: pd.DataFrame | None = None) -> pd.DataFrame:
        """The runs of a comparison's two sides, of those that enter means where no other ones are given."""
        runs = self.records.counted if runs is None else runs
        here = (runs["data"] == comparison.data) & (runs["network"] == comparison.network)
        return runs[here & runs["series"].isin([comparison.first, comparison.second])]

    def options(self, comparison: Comparison) -> tuple[Mapping[str, str], Mapping[str, str]]:
        """The flat options of the comparison's two sides; empty where they were not recorded."""
        key = comparison.data, comparison.network
        first, second = (self.records.settings.get((*key, s), {}) for s in (comparison.first, comparison.second))
        return first, second

    def hit(self, finding: Finding, comparison: Comparison) -> bool:
        """Whether a failure concerns a comparison: one of its runs is at fault, or one of nobody knows whose."""
        if finding.verdict != "fail":
            return False
        at_fault = set(finding.runs)
        rows = self.runs[self.runs["run_id"].isin(at_fault)]
        stray = at_fault - set(rows["run_id"]) or rows["trainer"].str.startswith("unknown ").any()
        return bool(stray or len(self.of(comparison, rows)) or not at_fault)


def passed(sentence: str) -> Finding:
    """Nothing is wrong."""
    return Finding("pass", sentence)


def failed(sentence: str, runs: Iterable[str]) -> Finding:
    """Something is wrong with these runs."""
    return Finding("fail", sentence, tuple(sorted(set(runs))))


def unknown(sentence: str) -> Finding:
    """The records do not say."""
    return Finding("cannot tell", sentence)


def named(runs: Iterable[str]) -> str:
    """A few run ids as words: "a, b and 3 more"."""
    ids = [short_id(run) for run in dict.fromkeys(runs)]
    return listed(ids) if len(ids) <= NAMED else f"{', '.join(ids[:NAMED])} and {len(ids) - NAMED} more"


def judged(evidence: Evidence, findings: Sequence[Finding]) -> list[Comparison]:
    """The comparisons, each with the words on how its audit came out."""
    silent = [f for f in findings if f.verdict == "cannot tell"]
    results = []
    for comparison in evidence.comparisons:
        against = [f.title for f in findings if evidence.hit(f, comparison)]
        words = f"its audit failed ({listed(against)})" if against else "its audit passed"
        if silent and not against:
            words += f" as far as recorded ({counted(len(silent), 'rule')} cannot tell)"
        results.append(replace(comparison, audit=words))
    return results
