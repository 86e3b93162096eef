"""When to use a rule, and what it costs: sentences for a newcomer, drawn from the paired comparisons of a protocol."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from lab.report.compare import Comparison
from lab.report.ledger import Ledger
from lab.report.load import Records
from lab.report.metrics import FRACTION
from lab.report.numbers import fixed, plain, significant
from lab.report.text import counted, listed, visible

ACTIVATIONS, OPERATIONS = "memory for activations", "operations"
SPARED = 0.8  # of the other side's cost: less of it than that is worth a mention where accuracy is given for it


@dataclass(frozen=True)
class _Place:
    """The other side against the first on one data set and network: error in points, ratios of what they cost."""

    more_error: float
    known: bool  # whether there is an interval
    clear: bool
    memory: float
    peak: float
    operations: float
    passes: tuple[float, float]
    local: bool  # whether the other side sends no gradient back through the whole network

    @property
    def worse(self) -> bool:
        """Whether it clearly has more error."""
        return self.clear and self.more_error > 0


def advice(records: Records, comparisons: Sequence[Comparison]) -> list[str]:
    """A sentence for each side but the first and each network; none where the records have no protocol.

    What the protocol's question names comes first, then what else its network has, then what was compared on more sets.
    """
    ledger = records.ledger
    if ledger is None:
        return []
    means = records.counted.groupby(["data", "network", "series"], sort=False)
    found: dict[tuple[str, str, str], list[_Place]] = {}
    for c in comparisons:
        if c.metric.unit is not FRACTION or c.difference.interval.n == 0:
            continue
        group = {s: means.get_group((c.data, c.network, s)) for s in (c.first, c.second)}
        trainers = {s: str(runs["trainer"].iloc[0]) for s, runs in group.items()}
        base = next((s for s in group if trainers[s] == _base(records)), None)
        if base is None:
            continue
        other = c.second if base == c.first else c.first
        place = _place(c, group[other], group[base], sign=1 if base == c.first else -1)
        found.setdefault((_named(ledger, group[other], other), base, c.network), []).append(place)
    asked = ledger.protocol.question.casefold()
    named = {network for other, _, network in found if other.casefold() in asked}
    order = sorted(found, key=lambda who: (who[0].casefold() not in asked, who[2] not in named, -len(found[who])))
    return [_said(*who, found[who], _free(found, who[2])) for who in order]


def _named(ledger: Ledger, runs: pd.DataFrame, series: str) -> str:
    """A side as its protocol calls it, with what the tables call it in brackets where that is another name."""
    entry = ledger.runs.get(str(runs["run_id"].iloc[0]))
    if entry is None or entry.side == series or entry.side in series:
        return series
    return f"{visible(entry.side)} ({series})"


def _base(records: Records) -> str:
    """The trainer that others are held against, as `lab.report.compare.compare` chooses it."""
    return str(records.counted["trainer"].iloc[0])


def _place(c: Comparison, other: pd.DataFrame, base: pd.DataFrame, sign: int) -> _Place:
    def ratio(key: str) -> float:
        return float(other[key].mean() / base[key].mean())

    return _Place(
        100 * sign * c.difference.interval.mean,
        c.difference.interval.low is not None,
        c.difference.interval.excludes_zero,
        ratio("memory_activations"),
        ratio("memory_peak"),
        ratio("train_flops"),
        (float(other["passes_per_prediction"].mean()), float(base["passes_per_prediction"].mean())),
        not other["family"].str.contains("backprop").any(),
    )


def _free(found: Mapping[tuple[str, str, str], Sequence[_Place]], network: str) -> float:
    """The least share of the activations that a side holds on a network without any loss of accuracy; 1 for none."""
    whole = [places for (_, _, on), places in found.items() if on == network]
    free = [places for places in whole if all(p.known and not p.worse for p in places)]
    return min((max(p.memory for p in places) for places in free), default=1.0)


def _said(other: str, base: str, network: str, places: Sequence[_Place], free: float) -> str:
    needs = [
        f"{_times([p.memory for p in places])} the memory for activations{_peak([p.peak for p in places])}",
        f"{_times([p.operations for p in places])} the operations of training",
    ]
    asked, needed = places[0].passes
    if asked != needed and math.isfinite(asked) and math.isfinite(needed):
        needs.append(f"{counted(round(asked), 'pass', 'passes')} for an answer instead of {plain(needed)}")
    where = f"with {network}, on {counted(len(places), 'data set')}"
    errors = _errors([p.more_error for p in places], base)
    return f"{_verdict(other, places, free)}: {where}, it {errors}, and needs {listed(needs)}."


def _errors(points: Sequence[float], base: str) -> str:
    low, high = min(points), max(points)
    if _span(low, high) == "0.0":
        return f"has the test error of {base} to a tenth of a point"
    if low >= 0:
        return f"has {_span(low, high)} points more test error than {base}"
    if high <= 0:
        return f"has {_span(-high, -low)} points less test error than {base}"
    return f"has from {fixed(-low, 1)} points less to {fixed(high, 1)} points more test error than {base}"


def _span(low: float, high: float) -> str:
    ends = [fixed(value, 1) for value in (low, high)]
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _times(ratios: Sequence[float]) -> str:
    ends = [significant(value, 2) for value in (min(ratios), max(ratios))]
    return f"{ends[0] if ends[0] == ends[1] else ' to '.join(ends)} times"


def _peak(ratios: Sequence[float]) -> str:
    """What becomes of the memory of all, since one part is often spared at the cost of another."""
    return f" ({_times(ratios)} the peak memory)" if all(map(math.isfinite, ratios)) else ""


def _verdict(other: str, places: Sequence[_Place], free: float) -> str:
    """What follows for who has to choose; `free`: the activations that can be had without giving accuracy for them."""
    if not all(p.known for p in places):
        return f"What {other} costs cannot be told from one seed"
    worse = all(p.worse for p in places)
    costs = {ACTIVATIONS: [p.memory for p in places], OPERATIONS: [p.operations for p in places]}
    spared = [what for what, ratios in costs.items() if max(ratios) <= SPARED]
    if worse:
        if free < max(costs[ACTIVATIONS]) and ACTIVATIONS in spared:
            spared.remove(ACTIVATIONS)
        where = [f"{what} {'is' if what == ACTIVATIONS else 'are'} short" for what in spared]
        where += ["no gradient can be sent back through the whole network"] * all(p.local for p in places)
        if not where:
            return f"Nothing speaks for {other}"
        return f"Use {other} where {', or where '.join(where)}, not for accuracy"
    if not any(p.worse for p in places):
        less = f" and spares {listed(spared)}" if spared else ""
        return f"{other[0].upper()}{other[1:]} costs no accuracy that this comparison could see{less}"
    return f"Whether {other} costs accuracy depends on the data"
